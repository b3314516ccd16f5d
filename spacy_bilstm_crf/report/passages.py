"""What the page lists: sentences, or passages of long documents."""

import math
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence

from ..evaluation.mistakes import Mistake, find_mistakes
from ..evaluation.outcomes import Entity, Outcome

# More characters are cut: a page of whole books is not to be read, nor to be loaded.
LONGEST = 400
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
        if outcome is None:
            continue
        mistakes = find_mistakes(outcome)
        start = 0
        while start < len(outcome.text):
            end = _find_end(outcome, start)
            yield _make_passage(number, outcome, mistakes, start, end)
            start = end


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


def _make_passage(
    number: int, outcome: Outcome, mistakes: List[Mistake], start: int, end: int
) -> Passage:
    def is_here(ent: Entity) -> bool:
        return start <= ent.start_char < end

    missing = frozenset(outcome.missing)
    sure = [outcome.confidence[ent] for ent in outcome.confidence if is_here(ent)]
    # Of what it does not predict it should not be sure.
    sure += [
        1.0 - probability
        for ent, probability in (outcome.likely or {}).items()
        if is_here(ent)
        and ent not in outcome.guessed
        # What it predicts there is left out.
        and missing.isdisjoint(range(ent.start, ent.end))
    ]
    if outcome.likely is not None and not sure:
        sure = [1.0]
    return Passage(
        number=number,
        start=start,
        end=end,
        text=outcome.text[start:end],
        gold=[ent for ent in outcome.gold if is_here(ent)],
        guessed=[ent for ent in outcome.guessed if is_here(ent)],
        confidence=outcome.confidence,
        mistakes=[some for some in mistakes if is_here(some.ents[0])],
        sureness=min(sure, default=None),
    )


def _find_end(outcome: Outcome, start: int) -> int:
    """Find the end of a passage: that of a sentence, if there is one."""
    text = outcome.text
    if len(text) - start <= LONGEST:
        return len(text)
    ents = [ent for ent in (*outcome.gold, *outcome.guessed) if ent.end_char > start]
    here = [ent for ent in ents if ent.start_char < start + LONGEST]

    def is_free(end: int) -> bool:
        return not any(ent.start_char < end < ent.end_char for ent in here)

    near = [end for end in range(start + LONGEST, start, -1) if is_free(end)]
    for end in near:
        if text[end - 1] in ENDS:
            return end
    end = near[0] if near else start + LONGEST
    # One entity longer than a passage, or entities that overlap each other all along.
    while cut := [ent.end_char for ent in ents if ent.start_char < end < ent.end_char]:
        end = max(cut)
    return end
