"""From entities to tags: what the writers of tagged text share."""

from itertools import pairwise
from typing import List, Sequence, Tuple

from spacy.tokens import Span

from ..schemes import Scheme, spans_to_tags
from ..sentence import Record, TokenSpan
from . import Annotated


def make_tags(
    item: Annotated, places: Sequence[TokenSpan], length: int, scheme: Scheme
) -> Tuple[List[str], List[Record]]:
    """Tag the rows or characters of a Doc. Of entities that overlap, the longest
    is tagged, and the earliest of those that are equally long.

    item (Annotated): The Doc.
    places (Sequence[TokenSpan]): First row, row after the last one, and label of
        each of its spans.
    length (int): Number of rows.
    scheme (Scheme): The tagging scheme.
    RETURNS (Tuple[List[str], List[Record]]): One tag per row, and every entity
        that the tags do not say.
    """
    kept: List[Tuple[TokenSpan, Span]] = []
    records: List[Record] = []
    taken = [False] * length
    pairs = zip(places, item.spans, strict=True)
    for place, span in sorted(pairs, key=lambda pair: _longest_first(pair[0])):
        start, end, _ = place
        if start == end:
            records.append(item.drop(span, "only whitespace, which has no row"))
        elif any(taken[start:end]):
            why = "overlaps a longer entity, and a token has only one tag"
            records.append(item.drop(span, why))
        else:
            kept.append((place, span))
            taken[start:end] = [True] * (end - start)
    if not scheme.tells_neighbours_apart:
        kept.sort(key=lambda pair: pair[0])
        for ((_, end, label), _), ((start, _, next_label), span) in pairwise(kept):
            if (end, label) == (start, next_label):
                why = f"{scheme.name} joins it with the {label} right before it"
                records.append(item.drop(span, why))
    return spans_to_tags([place for place, _ in kept], length, scheme), records


def _longest_first(place: TokenSpan) -> Tuple[int, int]:
    start, end, _ = place
    return start - end, start
