"""Which label is the worst, and why."""

from collections import Counter
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from ..evaluation.bootstrap import Interval
from ..evaluation.metrics import Counts
from ..evaluation.mistakes import Confusion, Kind, Mistake
from ..evaluation.strict import StrictScores

# How many of each sort are shown.
EXAMPLES = 3
# F1 of fewer entities says little.
FEW = 10

Found = List[Tuple[int, Mistake]]


@dataclass(frozen=True)
class Sort:
    """Mistakes of one sort.

    name (str): Tells it from the others, in links and filters.
    labels (Confusion): What is taken for what.
    kinds (Dict[Kind, int]): How many there are of each kind.
    examples (Found): A few, with the numbers of their documents.
    """

    name: str
    labels: Confusion
    kinds: Dict[Kind, int]
    examples: Found

    @property
    def count(self) -> int:
        """RETURNS (int): How many there are."""
        return sum(self.kinds.values())

    @property
    def description(self) -> str:
        """RETURNS (str): The sort in words."""
        gold, guess = self.labels
        if gold is None:
            return f"{guess} where there is no entity"
        if guess is None:
            return f"{gold} is missed"
        if gold == guess:
            return f"{gold} with wrong boundaries"
        return f"{gold} taken for {guess}"


@dataclass(frozen=True)
class LabelFindings:
    """What goes wrong with a label.

    label (str): The label.
    counts (Counts): Its scores.
    interval (Optional[Interval]): The confidence interval of its F1.
    sorts (List[Sort]): The mistakes with it, the most frequent ones first.
    """

    label: str
    counts: Counts
    interval: Optional[Interval]
    sorts: List[Sort]

    @property
    def mistakes(self) -> int:
        """RETURNS (int): Number of mistakes with this label."""
        return sum(sort.count for sort in self.sorts)

    @property
    def is_rare(self) -> bool:
        """RETURNS (bool): Whether there are too few entities to say much."""
        return max(self.counts.gold, self.counts.guessed) < FEW


def list_sorts(confusions: Dict[Confusion, Found]) -> List[Sort]:
    """Name the sorts of mistakes, and choose examples.

    confusions (Dict[Confusion, Found]): All mistakes, from `count_confusions`.
    RETURNS (List[Sort]): The sorts, in the same order.
    """
    return [
        Sort(
            f"sort-{i}",
            labels,
            dict(Counter(mistake.kind for _, mistake in found)),
            found[:EXAMPLES],
        )
        for i, (labels, found) in enumerate(confusions.items())
    ]


def judge_labels(strict: StrictScores, sorts: Sequence[Sort]) -> List[LabelFindings]:
    """Say of each label what goes wrong with it.

    strict (StrictScores): The scores.
    sorts (Sequence[Sort]): All sorts of mistakes, the most frequent ones first.
    RETURNS (List[LabelFindings]): The labels, the worst first: that of the lowest F1.
    """
    findings = [
        LabelFindings(
            label,
            counts,
            strict.per_label_intervals[label].f1,
            [sort for sort in sorts if label in (sort.labels.gold, sort.labels.guess)],
        )
        for label, counts in strict.per_label.items()
    ]
    return sorted(findings, key=lambda found: (found.counts.f1, -found.mistakes))
