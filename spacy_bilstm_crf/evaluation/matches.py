"""Entities that are nearly right: the four ways to match of SemEval 2013, task 9.1."""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import Dict, Iterable, List, Literal, NamedTuple, Optional, Sequence

from .outcomes import Entity, Outcome

Way = Literal["strict", "exact", "type", "partial"]
Match = Literal["correct", "incorrect", "partial", "missed", "spurious"]
WAYS: Dict[Way, str] = {
    "strict": "the same boundaries and the same label",
    "exact": "the same boundaries, whatever the label",
    "type": "the same label, if they overlap",
    "partial": "the same boundaries; half if they overlap, whatever the labels",
}


@dataclass(frozen=True)
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


class Pair(NamedTuple):
    """A true and a predicted entity that belong together, or one without a partner.

    gold (Optional[Entity]): The true entity.
    guess (Optional[Entity]): The predicted entity.
    match (Match): How well they fit.
    """

    gold: Optional[Entity]
    guess: Optional[Entity]
    match: Match


def count_matches(outcomes: Iterable[Outcome]) -> Dict[Way, MatchCounts]:
    """Match predicted with true entities in each of the four ways, as nervaluate does.

    outcomes (Iterable[Outcome]): Gold and predictions.
    RETURNS (Dict[Way, MatchCounts]): The counts of all entities.
    """
    counts: Dict[Way, Counter[str]] = {way: Counter() for way in WAYS}
    for outcome in outcomes:
        for way, found in counts.items():
            pairs = pair_entities(outcome.gold, outcome.guessed, way)
            found.update(pair.match for pair in pairs)
    return {way: MatchCounts(**found) for way, found in counts.items()}


def pair_entities(
    gold: Sequence[Entity], guessed: Sequence[Entity], way: Way
) -> List[Pair]:
    """Match the entities of a text. None has two partners; those that match in full go
    first, of the others each takes the first that it overlaps.

    gold (Sequence[Entity]): The true entities, in order and without overlaps.
    guessed (Sequence[Entity]): The predicted entities.
    way (Way): What makes a match.
    RETURNS (List[Pair]): All entities: pairs, and those that have no partner.
    """
    ends = [ent.end for ent in gold]
    free = [True] * len(gold)
    pairs: List[Pair] = []
    left = []
    for guess in guessed:
        near = _find_overlapping(guess, gold, ends)
        # At most one has the same boundaries.
        full = next((i for i in near if free[i] and _is_full(guess, gold[i], way)), None)
        if full is None:
            left.append((guess, near))
        else:
            free[full] = False
            pairs.append(Pair(gold[full], guess, "correct"))
    for guess, near in left:
        near = [i for i in near if free[i]]
        alike = [i for i in near if way == "type" and gold[i].label == guess.label]
        if alike:
            # The one whose boundaries are closest.
            closest = min(alike, key=lambda i: _distance(guess, gold[i]))
            free[closest] = False
            pairs.append(Pair(gold[closest], guess, "correct"))
        elif near:
            free[near[0]] = False
            match: Match = "partial" if way == "partial" else "incorrect"
            pairs.append(Pair(gold[near[0]], guess, match))
        else:
            pairs.append(Pair(None, guess, "spurious"))
    missed = (ent for ent, is_free in zip(gold, free, strict=True) if is_free)
    return [*pairs, *(Pair(ent, None, "missed") for ent in missed)]


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
