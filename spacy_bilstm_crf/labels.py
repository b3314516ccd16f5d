"""Labels that arrive after training."""

from typing import Any, Callable, Iterable, List, Optional, Sequence, Tuple

from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model

from .tags import count_tags, source_tags

# How much less than O the tags of a new label score at first: far enough that entities are
# as sure as before, nearly, and near enough that some steps of training close the gap.
# Where the model is sure of O, a token is an entity of the new label with a probability of
# 5%, the exponential of -3. With 6 it would be 0.2%, but rare labels are learned more
# slowly; see benchmarks/README.md.
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


def read_examples(
    examples: Iterable[Example], labels: Optional[Sequence[str]]
) -> Tuple[List[Doc], List[str]]:
    """Collect what a model is initialized on.

    examples (Iterable[Example]): The examples. They are not held in memory.
    labels (Optional[Sequence[str]]): The labels. Default: those of the gold entities.
    RETURNS (Tuple[List[Doc], List[str]]): The predicted Docs, and the labels.
    """
    if isinstance(labels, str):
        raise ValueError(f"labels must be a list of strings, got the string {labels!r}")
    docs = []
    found = dict.fromkeys(labels or ())
    for eg in examples:
        docs.append(eg.predicted)
        if labels is None:
            found.update(dict.fromkeys(ent.label_ for ent in eg.reference.ents))
    for label in found:
        require_label(label)
    return docs, list(found)


def require_label(label: Any) -> None:
    """Raise ValueError unless this can be a label."""
    if not isinstance(label, str) or not label:
        raise ValueError(Errors.E187)


def require_room(model: Model[Any, Any], name: str, labels: Sequence[str]) -> None:
    """Raise ValueError if the config gives a model another number of tags than that of its
    labels."""
    num_tags = count_tags(len(labels))
    if model.maybe_get_dim("nO") not in (None, num_tags):
        raise ValueError(
            f"nO of the model of '{name}' is {model.get_dim('nO')}, but {len(labels)} "
            f"labels make {num_tags} BILUO tags (1 + 4 per label): leave nO out of the "
            "config"
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
