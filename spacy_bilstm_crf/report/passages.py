"""What the page lists: sentences, or passages of long documents."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, TypeVar

import numpy

from ..evaluation.mistakes import Mistake, find_mistakes
from ..evaluation.outcomes import Entity, Outcome

# More characters are cut: a page of whole books is not to be read, nor to be loaded.
LONGEST = 400
ItemT = TypeVar("ItemT")
ENDS = frozenset("\n。！？!?.;；")


@dataclass(frozen=True)
class Passage:
    """A piece of a document, with all entities that begin in it.

    number (int): Number of the document in the data, from 0.
    start (int): Offset of its first character.
    end (int): Offset after its last character.
    text (str): Its text.
    gold (List[Entity]): The true entities.
    guessed (List[Entity]): The predicted entities.
    confidence (Dict[Entity, float]): How sure the pipeline is of some of them.
    mistakes (List[Mistake]): What is wrong.
    sureness (Optional[float]): How sure the pipeline is of the entity, or of there being
        none, that it is least sure of. None if nobody knows.
    """

    number: int
    start: int
    end: int
    text: str
    gold: List[Entity]
    guessed: List[Entity]
    confidence: Dict[Entity, float]
    mistakes: List[Mistake]
    sureness: Optional[float]


def cut_passages(outcomes: Sequence[Optional[Outcome]]) -> Iterator[Passage]:
    """Cut documents into passages, never through an entity.

    outcomes (Sequence[Optional[Outcome]]): Gold and predictions.
    YIELDS (Passage): The passages of all documents that have annotation, in order.
    """
    for number, outcome in enumerate(outcomes):
        if outcome is None or not outcome.text:
            continue
        bounds = [0, *_find_ends(outcome)]
        parts = zip(
            pairwise(bounds),
            _divide([(ent, ent) for ent in outcome.gold], bounds),
            _divide([(ent, ent) for ent in outcome.guessed], bounds),
            _divide([(some.ents[0], some) for some in find_mistakes(outcome)], bounds),
            _divide(list(_list_sureness(outcome)), bounds),
            strict=True,
        )
        for (start, end), gold, guessed, mistakes, sure in parts:
            # There is nothing that it would find there.
            certain = None if outcome.likely is None else 1.0
            yield Passage(
                number=number,
                start=start,
                end=end,
                text=outcome.text[start:end],
                gold=gold,
                guessed=guessed,
                confidence=outcome.confidence,
                mistakes=mistakes,
                sureness=min(sure, default=certain),
            )


def rank_passages(passages: Sequence[Passage], most: int) -> List[Passage]:
    """Choose what to look at first: most mistakes, then least sure.

    passages (Sequence[Passage]): All passages.
    most (int): So many at most.
    RETURNS (List[Passage]): The chosen ones, the worst first.
    """

    def badness(passage: Passage) -> List[float]:
        sureness = math.inf if passage.sureness is None else passage.sureness
        return [-len(passage.mistakes), sureness, passage.number, passage.start]

    return sorted(passages, key=badness)[:most]


def _list_sureness(outcome: Outcome) -> Iterator[Tuple[Entity, float]]:
    """YIELDS (Tuple[Entity, float]): How sure the pipeline is of what it finds, and that
    there is nothing else."""
    yield from outcome.confidence.items()
    guessed, missing = frozenset(outcome.guessed), frozenset(outcome.missing)
    for ent, probability in (outcome.likely or {}).items():
        # What it predicts on tokens without annotation is left out.
        if ent not in guessed and missing.isdisjoint(range(ent.start, ent.end)):
            yield ent, 1.0 - probability


def _divide(
    items: Sequence[Tuple[Entity, ItemT]], bounds: Sequence[int]
) -> List[List[ItemT]]:
    """RETURNS (List[List[ItemT]]): What belongs to each passage, by where it begins."""
    parts: List[List[ItemT]] = [[] for _ in bounds[1:]]
    for ent, item in items:
        parts[bisect_right(bounds, ent.start_char) - 1].append(item)
    return parts


def _find_ends(outcome: Outcome) -> Iterator[int]:
    """Find the ends of passages: those of sentences, if there are any."""
    text = outcome.text
    # Where a cut would go through an entity.
    inside = numpy.zeros(len(text) + 1, dtype="bool")
    for ent in (*outcome.gold, *outcome.guessed):
        inside[ent.start_char + 1 : ent.end_char] = True
    start = 0
    while len(text) - start > LONGEST:
        limit = start + LONGEST
        near = [end for end in range(limit, start, -1) if not inside[end]]
        ends = (end for end in near if text[end - 1] in ENDS)
        # One entity longer than a passage, or some that overlap each other all along.
        far = limit + int(numpy.argmin(inside[limit:]))
        start = next(ends, near[0] if near else far)
        yield start
    if start < len(text):
        yield len(text)
