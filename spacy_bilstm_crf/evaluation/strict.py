"""Strict scores of whole entities, and how far they can be trusted."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

import numpy

from .bootstrap import (
    Interval,
    Shares,
    count_by_doc,
    get_interval,
    get_macro,
    get_shares,
    resample,
)
from .metrics import Counts, add_counts
from .outcomes import Outcome


@dataclass(frozen=True)
class Average:
    """Means of the scores of all labels.

    precision (float): Mean precision.
    recall (float): Mean recall.
    f1 (float): Mean F1, which is not the F1 of the other two.
    """

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Intervals:
    """95% confidence intervals. None where there is nothing to take a share of, or but a
    single document.

    precision (Optional[Interval]): That of precision.
    recall (Optional[Interval]): That of recall.
    f1 (Optional[Interval]): That of F1.
    """

    precision: Optional[Interval]
    recall: Optional[Interval]
    f1: Optional[Interval]


@dataclass(frozen=True)
class StrictScores:
    """An entity is right if its first and last token and its label are.

    micro (Counts): Of all entities.
    macro (Average): Mean over the labels of gold and prediction, as in seqeval.
    per_label (Dict[str, Counts]): Of each label, in alphabetical order.
    micro_intervals (Intervals): Confidence intervals of `micro`.
    macro_intervals (Intervals): Confidence intervals of `macro`.
    per_label_intervals (Dict[str, Intervals]): Confidence intervals of `per_label`.
    """

    micro: Counts
    macro: Average
    per_label: Dict[str, Counts]
    micro_intervals: Intervals
    macro_intervals: Intervals
    per_label_intervals: Dict[str, Intervals]


def score_strictly(outcomes: Sequence[Outcome], *, samples: int, seed: int) -> StrictScores:
    """Score whole entities, with confidence intervals by the percentile bootstrap.

    outcomes (Sequence[Outcome]): Gold and predictions, at least one.
    samples (int): Number of samples of the bootstrap.
    seed (int): Seed of its random numbers.
    RETURNS (StrictScores): The scores.
    """
    labels = list_labels(outcomes)
    counts = count_by_doc(outcomes, labels)
    total = counts.sum(axis=0)
    # Samples of a single document are all the same, which is not to say that it is sure.
    drawn = resample(counts, samples if len(outcomes) > 1 else 0, seed)
    rows = [Counts(*map(int, row)) for row in total]
    return StrictScores(
        micro=add_counts(rows),
        macro=Average(*map(float, map(numpy.nan_to_num, get_macro(total)))),
        per_label=dict(zip(labels, rows, strict=True)),
        micro_intervals=_get_intervals(get_shares(drawn.sum(axis=1))),
        macro_intervals=_get_intervals(get_macro(drawn)),
        per_label_intervals={
            label: _get_intervals(get_shares(drawn[:, i])) for i, label in enumerate(labels)
        },
    )


def list_labels(outcomes: Sequence[Outcome]) -> List[str]:
    """RETURNS (List[str]): All labels of gold and predictions, in alphabetical order."""
    ents = (ent for outcome in outcomes for ent in (*outcome.gold, *outcome.guessed))
    return sorted({ent.label for ent in ents})


def _get_intervals(shares: Shares) -> Intervals:
    return Intervals(*map(get_interval, shares))
