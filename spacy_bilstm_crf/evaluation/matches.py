"""Entities that are nearly right: the four ways to match of SemEval 2013, task 9.1."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Dict, Iterable, List, Literal, Sequence

from .outcomes import Entity, Outcome

Way = Literal["strict", "exact", "type", "partial"]
WAYS: Dict[Way, str] = {
    "strict": "the same boundaries and the same label",
    "exact": "the same boundaries, whatever the label",
    "type": "the same label, if they overlap",
    "partial": "the same boundaries; half if they overlap, whatever the labels",
}


@dataclass
class MatchCounts:
    """How predicted entities fit the true ones, under the names of the task.

    correct (int): Pairs of a predicted and a true entity that match.
    incorrect (int): Pairs that overlap, but do not match.
    partial (int): Pairs that overlap, and count half.
    missed (int): True entities without a predicted one.
    spurious (int): Predicted entities without a true one.
    """

    correct: int = 0
    incorrect: int = 0
    partial: int = 0
    missed: int = 0
    spurious: int = 0

    @property
    def precision(self) -> float:
        """RETURNS (float): Share of the predicted entities that match, or 0."""
        return self._points / self._guessed if self._guessed else 0.0

    @property
    def recall(self) -> float:
        """RETURNS (float): Share of the true entities that are matched, or 0."""
        return self._points / self._gold if self._gold else 0.0

    @property
    def f1(self) -> float:
        """RETURNS (float): Harmonic mean of precision and recall."""
        total = self._guessed + self._gold
        return 2 * self._points / total if total else 0.0

    @property
    def _points(self) -> float:
        return self.correct + 0.5 * self.partial

    @property
    def _pairs(self) -> int:
        return self.correct + self.incorrect + self.partial

    @property
    def _guessed(self) -> int:
        return self._pairs + self.spurious

    @property
    def _gold(self) -> int:
        return self._pairs + self.missed


def count_matches(outcomes: Iterable[Outcome]) -> Dict[Way, MatchCounts]:
    """Match predicted with true entities in each of the four ways, as nervaluate does.

    outcomes (Iterable[Outcome]): Gold and predictions.
    RETURNS (Dict[Way, MatchCounts]): The counts of all entities.
    """
    counts = {way: MatchCounts() for way in WAYS}
    for outcome in outcomes:
        for way, found in counts.items():
            match_entities(outcome.gold, outcome.guessed, way, found)
    return counts


def match_entities(
    gold: Sequence[Entity], guessed: Sequence[Entity], way: Way, counts: MatchCounts
) -> None:
    """Match the entities of a text. None has two partners; those that match in full go
    first, of the others each takes the first that it overlaps.

    gold (Sequence[Entity]): The true entities, in order and without overlaps.
    guessed (Sequence[Entity]): The predicted entities.
    way (Way): What makes a match.
    counts (MatchCounts): They are added here.
    """
    ends = [ent.end for ent in gold]
    free = [True] * len(gold)
    left: List[List[int]] = []
    for guess in guessed:
        near = _find_overlapping(guess, gold, ends)
        # At most one has the same boundaries.
        full = next((i for i in near if free[i] and _is_full(guess, gold[i], way)), None)
        if full is None:
            left.append(near)
            continue
        free[full] = False
        counts.correct += 1
        left.append([])
    for guess, near in zip(guessed, left, strict=True):
        near = [i for i in near if free[i]]
        alike = [i for i in near if way == "type" and gold[i].label == guess.label]
        if alike:
            # The one whose boundaries are closest.
            free[min(alike, key=lambda i: _distance(guess, gold[i]))] = False
            counts.correct += 1
        elif near:
            free[near[0]] = False
            if way == "partial":
                counts.partial += 1
            else:
                counts.incorrect += 1
    # Those that found no partner are what is left of all.
    counts.missed += sum(free)
    counts.spurious += len(guessed) - (len(gold) - sum(free))


def _find_overlapping(
    guess: Entity, gold: Sequence[Entity], ends: Sequence[int]
) -> List[int]:
    first = bisect_right(ends, guess.start)
    last = first
    while last < len(gold) and gold[last].start < guess.end:
        last += 1
    return list(range(first, last))


def _is_full(guess: Entity, ent: Entity, way: Way) -> bool:
    same_place = guess.start == ent.start and guess.end == ent.end
    return same_place and (way in ("exact", "partial") or guess.label == ent.label)


def _distance(guess: Entity, ent: Entity) -> int:
    return abs(guess.start - ent.start) + abs(guess.end - ent.end)
