"""Scores of single tags, as tutorials print them."""

from dataclasses import dataclass
from typing import List, Sequence

from ..corpus.schemes import OUTSIDE, Scheme, spans_to_tags
from .metrics import TagScores, score_tags
from .outcomes import Entity, Outcome


@dataclass(frozen=True)
class SingleTags:
    """Scores of single tags. They look better than those of entities: most tokens are
    outside, or deep inside of an entity, where a tag is easily right.

    scheme (str): The tagging scheme, on which they depend.
    with_outside (TagScores): Of all tokens.
    without_outside (TagScores): Of the tokens whose true tag is not O: entities that are
        predicted where there are none cost nothing here.
    """

    scheme: str
    with_outside: TagScores
    without_outside: TagScores


def score_single_tags(outcomes: Sequence[Outcome], scheme: Scheme) -> SingleTags:
    """Score tags one by one. Tokens without gold annotation are left out.

    outcomes (Sequence[Outcome]): Gold and predictions.
    scheme (Scheme): The tagging scheme.
    RETURNS (SingleTags): The scores.
    """
    gold, guessed = [], []
    for outcome in outcomes:
        missing = set(outcome.missing)
        pairs = zip(
            _write_tags(outcome.gold, outcome.tokens, scheme),
            _write_tags(outcome.guessed, outcome.tokens, scheme),
            strict=True,
        )
        for i, (tag, guess) in enumerate(pairs):
            if i not in missing:
                gold.append(tag)
                guessed.append(guess)
    inside = [i for i, tag in enumerate(gold) if tag != OUTSIDE]
    return SingleTags(
        scheme=scheme.name,
        with_outside=score_tags([gold], [guessed]),
        without_outside=score_tags(
            [[gold[i] for i in inside]], [[guessed[i] for i in inside]]
        ),
    )


def _write_tags(ents: Sequence[Entity], length: int, scheme: Scheme) -> List[str]:
    spans, end = [], 0
    for ent in ents:
        # Of several predicted entities within one token of the gold, a tag shows one.
        if ent.start >= end:
            spans.append((ent.start, ent.end, ent.label))
            end = ent.end
    return spans_to_tags(spans, length, scheme)
