"""Gold annotation that is perhaps wrong: the pipeline is sure of something else."""

from typing import List, NamedTuple, Optional, Sequence, Set

from .groups import Form
from .mistakes import Mistake, find_mistakes
from .outcomes import Entity, Outcome

# Of what is less probable nobody knows how probable it is.
LEAST = 0.01
SURE = 0.9


class Suspect(NamedTuple):
    """A disagreement that may be the fault of the gold.

    number (int): Number of the document in the data, from 0.
    mistake (Mistake): What gold and prediction say.
    confidence (float): How sure the pipeline is: of the predicted entity, or, if it finds
        none, that this entity of the gold is none.
    gold_seen (Optional[bool]): Whether the training data have the true entity, the same
        text with the same label. None if there are no training data, or no such entity.
    guess_seen (Optional[bool]): Whether they have the predicted entity.
    """

    number: int
    mistake: Mistake
    confidence: float
    gold_seen: Optional[bool]
    guess_seen: Optional[bool]


def find_suspects(
    outcomes: Sequence[Optional[Outcome]],
    forms: Optional[Set[Form]] = None,
    *,
    least: float = SURE,
) -> List[Suspect]:
    """Find disagreements in which the pipeline is sure. Only a BiLSTM-CRF tells how sure.

    outcomes (Sequence[Optional[Outcome]]): Gold and predictions, with the likely spans of
        at least `LEAST`.
    forms (Optional[Set[Form]]): The entities of the training data, from `collect_forms`.
    least (float): The least confidence.
    RETURNS (List[Suspect]): The disagreements, those of the highest confidence first.
    """
    suspects = []
    for number, outcome in enumerate(outcomes):
        if outcome is None:
            continue
        for mistake in find_mistakes(outcome):
            confidence = doubt_gold(outcome, mistake)
            if confidence is not None and confidence >= least:
                seen = (
                    _is_seen(outcome, ent, forms) for ent in (mistake.gold, mistake.guess)
                )
                suspects.append(Suspect(number, mistake, confidence, *seen))
    return sorted(suspects, key=lambda suspect: -suspect.confidence)


def doubt_gold(outcome: Outcome, mistake: Mistake) -> Optional[float]:
    """Tell how sure the pipeline is that the gold is wrong.

    outcome (Outcome): Gold and prediction.
    mistake (Mistake): One of its mistakes.
    RETURNS (Optional[float]): Its confidence. None if nobody knows.
    """
    # What the tokens of the pipeline have no room for cannot be probable.
    if mistake.gold in outcome.misaligned:
        return None
    if mistake.guess is not None:
        return outcome.confidence.get(mistake.guess)
    if outcome.likely is None or mistake.gold is None:
        return None
    return 1.0 - max(LEAST, outcome.likely.get(mistake.gold, 0.0))


def _is_seen(
    outcome: Outcome, ent: Optional[Entity], forms: Optional[Set[Form]]
) -> Optional[bool]:
    if ent is None or forms is None:
        return None
    return (ent.label, outcome.get_form(ent)) in forms
