"""What earlier components add to the Docs that a model is initialized on."""

from itertools import takewhile
from typing import Any, Iterable, List, Optional

from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from .query import GATHER_VOCABULARY, SAMPLE_SIZE


def annotate(
    docs: List[Doc], nlp: Optional[Language], name: str, model: Model[Any, Any]
) -> List[Doc]:
    """Run the components before this one that `[training] annotating_components` names, as
    training does before each update. spaCy does not do so before it initializes: layers
    that gather a vocabulary would see Docs that are not like those of the training.

    docs (List[Doc]): The Docs, which are not changed.
    nlp (Optional[Language]): The pipeline, if there is one.
    name (str): Name of this component.
    model (Model): Its model.
    RETURNS (List[Doc]): The Docs, or annotated copies: of a sample, if the model needs no
        more.
    """
    if nlp is None:
        return docs
    names = nlp.config["training"]["annotating_components"]
    # Frozen ones count as disabled while spaCy initializes.
    before = takewhile(lambda pair: pair[0] != name, nlp.components)
    pipes = [pipe for pipe_name, pipe in before if pipe_name in names]
    if not pipes:
        return docs
    if not any(GATHER_VOCABULARY in node.attrs for node in model.walk()):
        # Earlier components may be slow.
        docs = docs[:SAMPLE_SIZE]
    annotated: Iterable[Doc] = (doc.copy() for doc in docs)
    for pipe in pipes:
        annotated = pipe.pipe(annotated) if hasattr(pipe, "pipe") else map(pipe, annotated)
    return list(annotated)
