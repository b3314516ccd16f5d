"""Scores of groups of entities: of a length, known from training or not, in texts of a
length.

What decides is a property of the entity itself, the predicted ones included. An entity
that is right is the same in gold and prediction, so that it is in the same group in both:
precision, recall and F1 of each group are well defined, and the counts of all groups add up
to those of all entities.
"""

from bisect import bisect_left
from typing import Callable, Dict, Iterable, List, Sequence, Set, Tuple

from spacy.tokens import Doc

from .metrics import Counts, count_named
from .outcomes import Entity, Outcome

# The longest of each group but the last.
ENTITY_LENGTHS = (1, 2, 3, 5, 10, 20)
DOCUMENT_LENGTHS = (10, 20, 50, 100, 200, 500)
SEEN, OTHER_LABEL, UNSEEN = "seen", "seen with another label", "unseen"
# Label and text of an entity.
Form = Tuple[str, str]


def collect_forms(docs: Iterable[Doc]) -> Set[Form]:
    """Collect the entities of the training data.

    docs (Iterable[Doc]): The data.
    RETURNS (Set[Form]): Label and text of each entity.
    """
    return {(ent.label_, ent.text) for doc in docs for ent in doc.ents}


def by_entity_length(outcomes: Sequence[Outcome]) -> Dict[str, Counts]:
    """RETURNS (Dict[str, Counts]): Counts by the entity's number of tokens."""
    names = _name_lengths(ENTITY_LENGTHS)

    def name(_: Outcome, ent: Entity) -> str:
        return names[bisect_left(ENTITY_LENGTHS, ent.end - ent.start)]

    return _count_groups(outcomes, names, name)


def by_document_length(outcomes: Sequence[Outcome]) -> Dict[str, Counts]:
    """RETURNS (Dict[str, Counts]): Counts by the number of tokens of the text."""
    names = _name_lengths(DOCUMENT_LENGTHS)

    def name(outcome: Outcome, _: Entity) -> str:
        return names[bisect_left(DOCUMENT_LENGTHS, outcome.tokens)]

    return _count_groups(outcomes, names, name)


def by_seen(outcomes: Sequence[Outcome], forms: Set[Form]) -> Dict[str, Counts]:
    """Count entities by what the training data tell of them.

    outcomes (Sequence[Outcome]): Gold and predictions.
    forms (Set[Form]): What `collect_forms` has found in the training data.
    RETURNS (Dict[str, Counts]): Of entities whose text has the same label there, another
        one, or is no entity there.
    """
    texts = {text for _, text in forms}

    def name(outcome: Outcome, ent: Entity) -> str:
        form = outcome.get_form(ent)
        if (ent.label, form) in forms:
            return SEEN
        return OTHER_LABEL if form in texts else UNSEEN

    return _count_groups(outcomes, (SEEN, OTHER_LABEL, UNSEEN), name)


def _count_groups(
    outcomes: Iterable[Outcome],
    names: Iterable[str],
    get_name: Callable[[Outcome, Entity], str],
) -> Dict[str, Counts]:
    """RETURNS (Dict[str, Counts]): The groups that have entities, in their order."""
    pairs = (
        tuple(
            [(get_name(outcome, ent), ent) for ent in ents]
            for ents in (outcome.gold, outcome.guessed)
        )
        for outcome in outcomes
    )
    counts = count_named(pairs)
    return {name: counts[name] for name in names if name in counts}


def _name_lengths(limits: Sequence[int]) -> List[str]:
    """RETURNS (List[str]): A name for each group: 1, 2, 3, 4-5, 6-10, 11+."""
    names, first = [], 1
    for last in limits:
        names.append(str(last) if first == last else f"{first}-{last}")
        first = last + 1
    return [*names, f"{first}+"]
