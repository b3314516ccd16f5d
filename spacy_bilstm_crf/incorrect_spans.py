"""Examples -> spans of tokens that are known to be no entities."""

import warnings
from typing import Dict, Optional, Sequence

import numpy
from numpy.typing import NDArray
from spacy.errors import Errors
from spacy.training import Example

from .query import TokenSpans
from .tags import ANY_LABEL


def incorrect_spans(
    examples: Sequence[Example], key: Optional[str], labels: Sequence[str]
) -> Optional[TokenSpans]:
    """Read the spans in `doc.spans[key]` of the reference Docs, in tokens of the predicted
    ones. Spans that do not fit those, or that no label of the component makes, are skipped
    with a warning.

    examples (Sequence[Example]): The examples.
    key (Optional[str]): The key. None for no such spans.
    labels (Sequence[str]): The component's labels, in the order of their tags.
    RETURNS (Optional[TokenSpans]): One int64 array of shape (spans, 3) per example:
        first token, token after the last one, index of the label or, where that is empty,
        ANY_LABEL. None if there is no such span at all.

    Raises ValueError if a span is among the entities too.
    """
    if key is None:
        return None
    ids = {"": ANY_LABEL, **{label: i for i, label in enumerate(labels)}}
    found = [_read_spans(eg, key, ids) for eg in examples]
    return found if any(map(len, found)) else None


def _read_spans(eg: Example, key: str, ids: Dict[str, int]) -> NDArray[numpy.int64]:
    spans = list(eg.reference.spans.get(key, ()))
    if not spans:
        return numpy.zeros((0, 3), dtype="int64")
    gold = {(ent.start, ent.end): ent.label_ for ent in eg.reference.ents}
    for span in spans:
        label = gold.get((span.start, span.end))
        if label is not None and span.label_ in ("", label):
            place = (span.start_char, span.end_char, span.label_)
            raise ValueError(Errors.E868.format(span=place))
    fitting = eg.get_aligned_spans_y2x(spans, allow_overlap=True)
    # One text for all: it is shown once.
    if len(fitting) < len(spans):
        warnings.warn(
            f"spans of doc.spans[{key!r}] that do not fit the tokens of the pipeline are "
            "skipped: make them on Docs of its own tokenizer",
            stacklevel=2,
        )
    for label in {span.label_ for span in fitting}.difference(ids):
        warnings.warn(
            f"spans of doc.spans[{key!r}] with the label {label!r} are skipped: the "
            "component never predicts it",
            stacklevel=2,
        )
    triples = {(s.start, s.end, ids[s.label_]) for s in fitting if s.label_ in ids}
    return numpy.array(sorted(triples), dtype="int64").reshape(-1, 3)
