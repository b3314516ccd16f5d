"""What a model says of many Docs, laid end to end -> spans of each Doc."""

from typing import Any, List, Optional, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc, Span, SpanGroup

from .presets import Presets
from .query import Allowed
from .span_search import find_likely_spans
from .tags import OUTSIDE, FlatSpans, find_spans, span_confidence

# Spans, and their probabilities or none at all.
ScoredSpans = Tuple[List[Span], List[float]]


def drop_unsure(
    predictions: Sequence[Any], threshold: float, allowed: Optional[Allowed]
) -> List[Any]:
    """Make entities O that are less sure than a threshold. Those that are given, by earlier
    components or a hard dictionary, stay: nobody asks how sure the model is of them.

    predictions (Sequence[float array]): What a model answers of each Doc, of shape (tokens,
        3 or more): tag ids and how sure they are.
    threshold (float): The least confidence.
    allowed (Optional[Allowed]): The tags that were allowed. Default: all.
    RETURNS (List[float array]): The same without these entities.
    """
    flat: Any = numpy.concatenate(predictions)
    spans, confidence = _read_entities(flat)
    unsure = confidence < threshold
    if allowed is not None:
        # Where O was not allowed, there had to be an entity.
        unsure &= numpy.concatenate(allowed)[spans.starts, OUTSIDE]
    for start, end in zip(spans.starts[unsure], spans.ends[unsure], strict=True):
        flat[start:end, 0] = OUTSIDE
    return numpy.split(flat, numpy.cumsum([len(rows) for rows in predictions])[:-1])


def read_spans(
    docs: Sequence[Doc],
    predictions: Sequence[Any],
    labels: Sequence[str],
    minimum: Optional[float],
) -> Tuple[List[ScoredSpans], List[ScoredSpans]]:
    """Read the entities off what a model answers, and the spans to be shown.

    docs (Sequence[Doc]): The Docs.
    predictions (Sequence[array]): One array per Doc, see `BiLSTMCRF.predict`.
    labels (Sequence[str]): The names of the labels.
    minimum (Optional[float]): Show all spans of at least this probability. None: show the
        entities.
    RETURNS (Tuple[List[ScoredSpans], List[ScoredSpans]]): Each Doc's entities, and its
        spans to be shown, with their scores if the model tells them.
    RAISES (ValueError): If the predictions are of other Docs.
    """
    if list(map(len, docs)) != list(map(len, predictions)):
        raise ValueError(
            f"these are predictions of other Docs: {len(predictions)} of "
            f"{sum(map(len, predictions))} tokens in all for {len(docs)} of "
            f"{sum(map(len, docs))}, or in another order"
        )
    if not docs:
        return [], []
    flat: Any = numpy.concatenate(predictions)
    if flat.ndim == 1:
        found = make_spans(docs, find_spans(flat), numpy.zeros(0, dtype="float32"), labels)
        return found, found
    found = make_spans(docs, *_read_entities(flat), labels)
    if minimum is None:
        return found, found
    return found, make_spans(docs, *find_likely_spans(flat[:, 3:], minimum), labels)


def set_spans(
    doc: Doc,
    found: ScoredSpans,
    shown: ScoredSpans,
    presets: Optional[Presets],
    key: Optional[str],
) -> None:
    """Set the entities of a Doc, and its group of spans if there is one.

    doc (Doc): The Doc.
    found (ScoredSpans): Entities that were predicted for it.
    shown (ScoredSpans): Spans for the group.
    presets (Optional[Presets]): What it has and keeps.
    key (Optional[str]): Name of the group.
    """
    # Also when nothing was found: else the Doc counts as not annotated.
    if presets is None:
        _clear_ids(doc)
        doc.set_ents(found[0], default="outside")
    else:
        shown = presets.merge(*shown)
        ents, _ = presets.merge(*found)
        doc.set_ents(ents, blocked=presets.blocked, default="outside")
    if key is not None:
        attrs = {"scores": numpy.asarray(shown[1], dtype="float32")}
        doc.spans[key] = SpanGroup(doc, attrs=attrs, spans=shown[0])


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


def _clear_ids(doc: Doc) -> None:
    # spaCy leaves the ids of entities on their tokens, for others that come there.
    for ent in doc.ents:
        for token in ent:
            token.ent_id = token.ent_kb_id = 0


def _read_entities(rows: Any) -> Tuple[FlatSpans, NDArray[numpy.float32]]:
    spans = find_spans(rows[:, 0].astype("int64"))
    return spans, span_confidence(spans, rows[:, 1], rows[:, 2])
