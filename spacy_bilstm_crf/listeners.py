"""Models that listen to another component for their token vectors."""

from typing import Any, List

from spacy.tokens import Doc
from thinc.api import Model

TRANSFORMER_LISTENER = "transformer-listener"


def require_own_embedding(model: Model[Any, Any], name: str) -> None:
    """Raise ValueError if a model listens to a shared embedding, which `Language.rehearse`
    does not run."""
    if any(hasattr(node, "upstream_name") for node in model.walk()):
        raise ValueError(
            f"'{name}' cannot rehearse on the vectors of another component: give it a copy "
            f"of its own first, nlp.replace_listeners(COMPONENT, '{name}', "
            "['model.tok2vec'])"
        )


def require_vectors(model: Model[Any, Any], name: str, docs: List[Doc]) -> None:
    """Raise ValueError if a model listens to a transformer that has not seen one of the
    Docs: the listener would give it vectors of zeros, and say nothing."""
    if not any(node.name == TRANSFORMER_LISTENER for node in model.walk()):
        return
    for doc in docs:
        # The extension is there as soon as a transformer is.
        if len(doc) and not (Doc.has_extension("trf_data") and doc._.trf_data):
            raise ValueError(
                f"'{name}' needs the vectors of a transformer for {doc.text[:20]!r}, and "
                "finds none in doc._.trf_data: run the components before it, and none that "
                "removes them, as in nlp.select_pipes(disable=['doc_cleaner'])"
            )
