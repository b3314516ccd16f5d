"""Two pipelines on the same data: which is better, and where."""

from collections import Counter
from dataclasses import dataclass
from typing import Dict, Iterable, List, Literal, Optional, Sequence, Tuple

import numpy

from .bootstrap import (
    Floats,
    Interval,
    count_by_doc,
    get_interval,
    get_macro,
    get_p_value,
    get_shares,
    resample,
)
from .outcomes import Entity, Outcome
from .strict import list_labels

System = Literal["a", "b"]


@dataclass(frozen=True)
class Difference:
    """A score of both, A the first pipeline and B the second one.

    a (float): That of A.
    b (float): That of B.
    difference (float): By how much A is better.
    interval (Optional[Interval]): 95% confidence interval of the difference. None if there
        is but a single document.
    p_value (Optional[float]): How probable so large a difference, in either direction, is
        by chance, if they are equally good.
    """

    a: float
    b: float
    difference: float
    interval: Optional[Interval]
    p_value: Optional[float]


@dataclass(frozen=True)
class Agreement:
    """What both, one or none of two pipelines gets right.

    both (int): Both.
    only_a (int): Only the first one.
    only_b (int): Only the second one.
    neither (int): None.
    """

    both: int
    only_a: int
    only_b: int
    neither: int


@dataclass(frozen=True)
class Disagreement:
    """A document that one gets right, all of its entities and none too many.

    number (int): Number of the document in the data, from 0.
    right (System): Which of them gets it right.
    text (str): The text.
    gold (List[Entity]): The true entities.
    missed (List[Entity]): Those that the other one does not find.
    spurious (List[Entity]): Those that it finds, and that are none.
    """

    number: int
    right: System
    text: str
    gold: List[Entity]
    missed: List[Entity]
    spurious: List[Entity]


@dataclass(frozen=True)
class Comparison:
    """Two pipelines on the same data.

    differences (Dict[str, Difference]): Of the micro averages "precision", "recall" and
        "f1", and of the macro average "macro_f1".
    per_label (Dict[str, Difference]): Of the F1 of each label.
    entities (Agreement): Which true entities they find.
    documents (Agreement): Which documents they get right.
    disagreements (List[Disagreement]): The documents that only one of them gets right.
    """

    differences: Dict[str, Difference]
    per_label: Dict[str, Difference]
    entities: Agreement
    documents: Agreement
    disagreements: List[Disagreement]


def compare_outcomes(
    a: Sequence[Optional[Outcome]],
    b: Sequence[Optional[Outcome]],
    *,
    samples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare two pipelines.

    a (Sequence[Optional[Outcome]]): Gold and predictions of the first one.
    b (Sequence[Optional[Outcome]]): Those of the second one, on the same data.
    samples (int): Number of samples of the bootstrap: each has the same documents for both.
    seed (int): Seed of its random numbers.
    RETURNS (Comparison): What differs, and whether by chance.
    RAISES (ValueError): If the data are not the same.
    """
    pairs = {
        number: (first, second)
        for number, (first, second) in enumerate(zip(a, b, strict=True))
        if first is not None and second is not None
    }
    for number, (first, second) in pairs.items():
        if (first.text, first.gold) != (second.text, second.gold):
            raise ValueError(f"document {number} is not the same for both pipelines")
    firsts, seconds = ([pair[i] for pair in pairs.values()] for i in range(2))
    labels = list_labels([*firsts, *seconds])
    # Documents, A and B, labels, counts
    counts = numpy.stack([count_by_doc(some, labels) for some in (firsts, seconds)], axis=1)
    drawn = resample(counts, samples if len(pairs) > 1 else 0, seed)
    total = counts.sum(axis=0)[None]
    micro, found = get_shares(drawn.sum(axis=2)), get_shares(total.sum(axis=2))
    differences = {
        name: _compare(value, values)
        for name, value, values in zip(found._fields, found, micro, strict=True)
    }
    differences["macro_f1"] = _compare(get_macro(total).f1, get_macro(drawn).f1)
    value, values = get_shares(total).f1, get_shares(drawn).f1
    per_label = {
        label: _compare(value[..., i], values[..., i]) for i, label in enumerate(labels)
    }
    right = {
        number: (_is_right(first), _is_right(second))
        for number, (first, second) in pairs.items()
    }
    return Comparison(
        differences=differences,
        per_label=per_label,
        entities=_agree(
            (ent in first.guessed, ent in second.guessed)
            for first, second in pairs.values()
            for ent in first.gold
        ),
        documents=_agree(right.values()),
        disagreements=[
            _disagree(number, "a", pairs[number][1])
            if first
            else _disagree(number, "b", pairs[number][0])
            for number, (first, second) in right.items()
            if first != second
        ],
    )


def _compare(found: Floats, samples: Floats) -> Difference:
    """Compare a score of A and B, shape (1, 2), and of samples, shape (samples, 2)."""
    a, b = map(float, numpy.nan_to_num(found[0]))
    drawn = samples[:, 0] - samples[:, 1]
    return Difference(a, b, a - b, get_interval(drawn), get_p_value(a - b, drawn))


def _agree(found: Iterable[Tuple[bool, bool]]) -> Agreement:
    counts = Counter(found)
    return Agreement(
        both=counts[True, True],
        only_a=counts[True, False],
        only_b=counts[False, True],
        neither=counts[False, False],
    )


def _is_right(outcome: Outcome) -> bool:
    return sorted(outcome.gold) == sorted(outcome.guessed)


def _disagree(number: int, right: System, wrong: Outcome) -> Disagreement:
    return Disagreement(
        number=number,
        right=right,
        text=wrong.text,
        gold=wrong.gold,
        missed=[ent for ent in wrong.gold if ent not in wrong.guessed],
        spurious=[ent for ent in wrong.guessed if ent not in wrong.gold],
    )
