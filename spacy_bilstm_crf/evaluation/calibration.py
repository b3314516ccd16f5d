"""Is an entity with a confidence of 0.9 right nine times out of ten?"""

import math
from dataclasses import dataclass
from typing import List, NamedTuple, Sequence

import numpy
from tqdm import tqdm

from ..component import BiLSTMCRF
from .judge import GoldBatch, Judged, judge_entities

# Temperatures that are tried, as logarithms: from a quarter to four.
SEARCH = (-math.log(4.0), math.log(4.0))
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
# They leave less than 1% between the temperatures tried last; the model runs each time.
STEPS = 12
# A confidence of 0 or 1 that is wrong would cost infinitely much.
EPSILON = 1e-6


@dataclass(frozen=True)
class Bin:
    """Entities whose confidence lies in one range.

    low, high (float): The range, up to but without `high`; 1 belongs to the last one.
    count (int): Number of entities.
    confidence (float): Their mean confidence, 0 if there are none.
    precision (float): Share of them that are right.
    """

    low: float
    high: float
    count: int
    confidence: float
    precision: float


class Reliability(NamedTuple):
    """A reliability diagram in figures (Guo et al. 2017).

    bins (List[Bin]): Ranges of equal width.
    error (float): Expected calibration error: how far mean confidence and precision of
        a bin lie apart, on average over the entities.
    log_loss (float): Mean of -log of the probability given to what is true.
    """

    bins: List[Bin]
    error: float
    log_loss: float


class Calibration(NamedTuple):
    """A temperature, and how well it fits.

    temperature (float): That of the smallest log loss.
    at_limit (bool): Whether an end of the range that was searched fits as well: then the
        temperature that fits best, if there is one, lies beyond.
    judged (Judged): The entities, at a temperature of 1.
    before (Reliability): The figures at a temperature of 1.
    after (Reliability): The figures at the temperature.
    """

    temperature: float
    at_limit: bool
    judged: Judged
    before: Reliability
    after: Reliability


def measure_reliability(judged: Judged, num_bins: int = 10) -> Reliability:
    """Compare confidence with precision.

    judged (Judged): Predicted entities.
    num_bins (int): Number of ranges.
    RETURNS (Reliability): The figures.
    """
    confidence, correct = judged.confidence, judged.correct
    places = numpy.minimum((confidence * num_bins).astype(int), num_bins - 1)
    bins = []
    for i in range(num_bins):
        here = places == i
        count = int(here.sum())
        means = (confidence[here].mean(), correct[here].mean()) if count else (0.0, 0.0)
        bins.append(Bin(i / num_bins, (i + 1) / num_bins, count, *map(float, means)))
    gaps = sum(bin_.count * abs(bin_.confidence - bin_.precision) for bin_ in bins)
    given = numpy.where(correct, confidence, 1.0 - confidence)
    log_loss = -numpy.log(numpy.clip(given, EPSILON, 1.0)).mean() if len(given) else 0.0
    return Reliability(bins, gaps / max(1, len(confidence)), float(log_loss))


def fit_temperature(
    component: BiLSTMCRF, batches: Sequence[GoldBatch], *, progress: bool = False
) -> Calibration:
    """Find the temperature with which confidence says most about the gold: that of the
    smallest log loss. The entities stay the same with any temperature.

    component (BiLSTMCRF): The component.
    batches (Sequence[GoldBatch]): Development data, from `prepare`.
    progress (bool): Show a progress bar on stderr, if that is a terminal.
    RETURNS (Calibration): The temperature, and the figures without and with it.
    RAISES (ValueError): If there are no entities to judge.
    """

    def measure(logarithm: float) -> Reliability:
        return measure_reliability(judge_entities(component, batches, math.exp(logarithm)))

    judged = judge_entities(component, batches, 1.0)
    _require_entities(judged)
    # None: hidden unless on a terminal.
    hide = None if progress else True
    steps = tqdm(range(STEPS), "Temperatures", leave=False, disable=hide)
    # Golden section search: the loss has one minimum.
    low, high = SEARCH
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = measure(left), measure(right)
    for _ in steps:
        if at_left.log_loss <= at_right.log_loss:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = measure(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = measure(right)
    best, after = min((left, at_left), (right, at_right), key=lambda pair: pair[1].log_loss)
    # Rounding errors may make one of several temperatures that fit all the same the best.
    at_limit = any(measure(end).log_loss <= after.log_loss + EPSILON for end in SEARCH)
    before = measure_reliability(judged)
    return Calibration(math.exp(best), at_limit, judged, before, after)


def _require_entities(judged: Judged) -> None:
    if len(judged.confidence):
        return
    if not judged.given + judged.unknown:
        raise ValueError("nothing to calibrate on: the component finds no entities")
    raise ValueError(
        "nothing to calibrate on: of the entities found, "
        f"{judged.given:,} were given by earlier components or hard words of the "
        f"dictionary, {judged.unknown:,} have tokens without gold annotation, and no other "
        "is left"
    )
