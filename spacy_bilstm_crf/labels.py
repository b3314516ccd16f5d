"""Labels that arrive after training."""

from typing import Any, Callable, Iterable, Sequence

from spacy.language import Language
from thinc.api import Model

from .tags import source_tags

# How much less than O the tags of a new label score at first: far enough that confidence
# hardly changes, near enough that some steps of training close the gap.
MARGIN = 3.0


def create_add_labels(
    component: str, labels: Iterable[str]
) -> Callable[[Language], Language]:
    """Make a callback that adds labels to a component that was trained before. spaCy does
    not initialize a component with a `source`, so `[initialize.components]` does not reach
    it; `[initialize.before_init]` does.

    component (str): Name of the component.
    labels (Iterable[str]): The labels. Those that it has already do no harm.
    RETURNS (Callable[[Language], Language]): The callback.
    """
    if isinstance(labels, str):
        raise ValueError(f"labels must be a list of strings, got the string {labels!r}")
    names = list(labels)

    def add_labels(nlp: Language) -> Language:
        pipe: Any = nlp.get_pipe(component)
        for label in names:
            pipe.add_label(label)
        return nlp

    return add_labels


def require_own_embedding(model: Model[Any, Any], name: str) -> None:
    """Raise ValueError if a model listens to a shared embedding, which `Language.rehearse`
    does not run."""
    if any(hasattr(node, "upstream_name") for node in model.walk()):
        raise ValueError(
            f"'{name}' cannot rehearse on the vectors of another component: give it a copy "
            f"of its own first, nlp.replace_listeners(COMPONENT, '{name}', "
            "['model.tok2vec'])"
        )


def grow(
    model: Model[Any, Any], old: Sequence[str], new: Sequence[str], *, margin: float
) -> None:
    """Give an initialized model the tags of more labels. Those of the old labels keep their
    weights, those of the new ones are O's, see `model.grow.carry_over`.

    model (Model[Any, Any]): Built by `spacy-bilstm-crf.BiLSTMCRF.v1`.
    old (Sequence[str]): Its labels, sorted.
    new (Sequence[str]): The labels that it shall have, sorted, the old ones included.
    margin (float): How much less than O the tags of the new ones score.
    """
    source = source_tags(old, new)
    model.shims[0].grow(source, margin)  # type: ignore[attr-defined]
    model.set_dim("nO", len(source), force=True)
