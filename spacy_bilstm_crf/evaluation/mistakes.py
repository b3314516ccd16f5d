"""Where gold and prediction differ, and which labels are taken for which."""

from typing import Dict, List, Literal, NamedTuple, Optional, Sequence, Tuple

from .matches import Pair, pair_entities
from .outcomes import Entity, Outcome

Kind = Literal["label", "boundaries", "both", "missed", "spurious"]
KINDS: Dict[Kind, str] = {
    "label": "right boundaries, wrong label",
    "boundaries": "right label, wrong boundaries",
    "both": "wrong boundaries and wrong label",
    "missed": "an entity that is not found",
    "spurious": "found where there is no entity",
}


class Mistake(NamedTuple):
    """A true entity that is not found, or not as it is; or one that is found and is none.

    gold (Optional[Entity]): The true entity. None if there is none.
    guess (Optional[Entity]): The predicted entity. None if there is none.
    kind (Kind): What is wrong.
    """

    gold: Optional[Entity]
    guess: Optional[Entity]
    kind: Kind

    @property
    def ents(self) -> List[Entity]:
        """RETURNS (List[Entity]): The true and the predicted entity, as far as they are."""
        return [ent for ent in (self.gold, self.guess) if ent is not None]

    @property
    def labels(self) -> "Confusion":
        """RETURNS (Confusion): What is taken for what."""
        return Confusion(*(ent and ent.label for ent in (self.gold, self.guess)))


class Confusion(NamedTuple):
    """Which label is taken for which.

    gold (Optional[str]): The true label. None if there is no entity.
    guess (Optional[str]): The predicted label. None if no entity is found. The same, if
        the boundaries are wrong.
    """

    gold: Optional[str]
    guess: Optional[str]


def find_mistakes(outcome: Outcome) -> List[Mistake]:
    """Find what is wrong in a text. A predicted and a true entity that overlap are one
    mistake; none is part of two.

    outcome (Outcome): Gold and prediction.
    RETURNS (List[Mistake]): The mistakes, in the order of the text.
    """
    # Several may be in one place, where tokens differ: one that is right goes first.
    right = frozenset(outcome.gold)
    guessed = sorted(outcome.guessed, key=lambda ent: ent not in right)
    pairs = pair_entities(outcome.gold, guessed, "exact")
    mistakes = [
        Mistake(pair.gold, pair.guess, kind) for pair in pairs if (kind := _judge(pair))
    ]
    return sorted(mistakes, key=lambda mistake: min(ent.start for ent in mistake.ents))


def count_confusions(
    outcomes: Sequence[Optional[Outcome]],
) -> Dict[Confusion, List[Tuple[int, Mistake]]]:
    """Collect mistakes in which the same is taken for the same.

    outcomes (Sequence[Optional[Outcome]]): Gold and predictions.
    RETURNS (Dict[Confusion, List[Tuple[int, Mistake]]]): The mistakes, each with the number
        of its document; the most frequent ones first.
    """
    found: Dict[Confusion, List[Tuple[int, Mistake]]] = {}
    for number, outcome in enumerate(outcomes):
        for mistake in [] if outcome is None else find_mistakes(outcome):
            found.setdefault(mistake.labels, []).append((number, mistake))
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _judge(pair: Pair) -> Optional[Kind]:
    """RETURNS (Optional[Kind]): What is wrong with a pair. None if nothing is."""
    if pair.gold is None:
        return "spurious"
    if pair.guess is None:
        return "missed"
    same_label = pair.gold.label == pair.guess.label
    if pair.match == "correct":
        return None if same_label else "label"
    return "boundaries" if same_label else "both"
