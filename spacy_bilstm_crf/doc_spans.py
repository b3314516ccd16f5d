"""Spans of all Docs laid end to end -> spaCy's spans of each Doc."""

from typing import Any, List, Sequence, Tuple

import numpy
from spacy.tokens import Doc, Span

from .tags import FlatSpans

# Spans, and their probabilities or none at all.
ScoredSpans = Tuple[List[Span], List[float]]


def make_spans(
    docs: Sequence[Doc], spans: FlatSpans, scores: Any, labels: Sequence[str]
) -> List[ScoredSpans]:
    """Give each Doc its spans.

    docs (Sequence[Doc]): The Docs.
    spans (FlatSpans): Spans in order of their starts, which count the tokens of all Docs.
    scores (float array): One for each span, or none.
    labels (Sequence[str]): The names of the labels.
    RETURNS (List[ScoredSpans]): Each Doc's spans and their scores.
    """
    offsets = numpy.cumsum([0, *map(len, docs)])
    bounds = numpy.searchsorted(spans.starts, offsets).tolist()
    made = []
    for i, doc in enumerate(docs):
        here = slice(bounds[i], bounds[i + 1])
        starts = (spans.starts[here] - offsets[i]).tolist()
        ends = (spans.ends[here] - offsets[i]).tolist()
        names = [labels[label] for label in spans.labels[here].tolist()]
        columns = zip(starts, ends, names, strict=True)
        made.append(([Span(doc, *span) for span in columns], scores[here].tolist()))
    return made
