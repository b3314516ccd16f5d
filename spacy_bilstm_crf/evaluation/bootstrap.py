"""How far scores would differ on other Docs of the same kind: the bootstrap over Docs."""

from typing import NamedTuple, Optional, Sequence

import numpy
from numpy.typing import NDArray

from .metrics import count_named
from .outcomes import Outcome

Floats = NDArray[numpy.float64]
# Draws that are held in memory at a time.
MAX_DRAWS = 2_000_000
# What rounding errors may make of differences that are the same.
EPSILON = 1e-12


class Interval(NamedTuple):
    """A 95% confidence interval.

    low (float): 2.5% of the samples are below.
    high (float): 2.5% of the samples are above.
    """

    low: float
    high: float


class Shares(NamedTuple):
    """Precision, recall and F1, as arrays of the same shape. NaN where there is nothing to
    take a share of."""

    precision: Floats
    recall: Floats
    f1: Floats


def count_by_doc(outcomes: Sequence[Outcome], labels: Sequence[str]) -> Floats:
    """Count the entities of each Doc.

    outcomes (Sequence[Outcome]): Gold and predictions.
    labels (Sequence[str]): All their labels.
    RETURNS (float array, shape (docs, labels, 3)): Correct, guessed and gold ones.
    """
    ids = {label: i for i, label in enumerate(labels)}
    counts = numpy.zeros((len(outcomes), len(labels), 3))
    for row, outcome in zip(counts, outcomes, strict=True):
        both = (
            [(ent.label, ent) for ent in ents] for ents in (outcome.gold, outcome.guessed)
        )
        for label, n in count_named([tuple(both)]).items():
            row[ids[label]] = (n.correct, n.guessed, n.gold)
    return counts


def resample(counts: Floats, samples: int, seed: int) -> Floats:
    """Draw as many Docs as there are, with replacement, again and again.

    counts (float array, shape (docs, ...)): Counts of each Doc.
    samples (int): Number of samples.
    seed (int): Seed of the random numbers.
    RETURNS (float array, shape (samples, ...)): The counts of each sample.
    """
    rng = numpy.random.default_rng(seed)
    docs = len(counts)
    columns = counts.reshape(docs, -1)
    size = max(1, MAX_DRAWS // docs)
    parts = []
    for start in range(0, samples, size):
        rows = min(size, samples - start)
        draws = rng.integers(docs, size=(rows, docs))
        draws += docs * numpy.arange(rows)[:, None]
        times = numpy.bincount(draws.ravel(), minlength=rows * docs)
        parts.append(times.reshape(rows, docs) @ columns)
    drawn = numpy.concatenate(parts) if parts else numpy.zeros((0, columns.shape[1]))
    return drawn.reshape(samples, *counts.shape[1:])


def get_shares(counts: Floats) -> Shares:
    """Work out scores.

    counts (float array, shape (..., 3)): Correct, guessed and gold ones.
    RETURNS (Shares): The scores, of shape (...).
    """
    correct, guessed, gold = numpy.moveaxis(counts, -1, 0)
    return Shares(
        _divide(correct, guessed),
        _divide(correct, gold),
        _divide(2 * correct, guessed + gold),
    )


def get_macro(counts: Floats) -> Shares:
    """Average the scores of the labels, as seqeval does: over those of gold or
    prediction, what has nothing to take a share of counting 0.

    counts (float array, shape (..., labels, 3)): Correct, guessed and gold ones.
    RETURNS (Shares): The averages, of shape (...).
    """
    present = counts.any(axis=-1)
    number = present.sum(axis=-1).astype("float64")
    sums = [numpy.nan_to_num(share).sum(axis=-1) for share in get_shares(counts)]
    return Shares(*(_divide(total, number) for total in sums))


def get_interval(samples: Floats) -> Optional[Interval]:
    """Take the middle 95% of the samples: the percentile method.

    samples (float array, shape (samples,)): A score in each sample.
    RETURNS (Optional[Interval]): The interval over those that have the score, or None if
        none has it.
    """
    values = samples[~numpy.isnan(samples)]
    if not len(values):
        return None
    low, high = numpy.percentile(values, [2.5, 97.5])
    return Interval(float(low), float(high))


def get_p_value(difference: float, samples: Floats) -> Optional[float]:
    """Test whether two systems differ: the paired bootstrap test of Berg-Kirkpatrick et
    al. (2012), two-sided. Samples vary about the difference found, not about 0: what
    counts is how many of them are at least as far from it as it is from 0.

    difference (float): The difference found.
    samples (float array, shape (samples,)): The difference in each sample.
    RETURNS (Optional[float]): The p-value, at least 1 / (samples + 1), or None if no
        sample has the difference.
    """
    values = samples[~numpy.isnan(samples)]
    if not len(values):
        return None
    far = numpy.abs(values - difference) >= abs(difference) - EPSILON
    return (1 + int(far.sum())) / (1 + len(values))


def _divide(part: Floats, whole: Floats) -> Floats:
    nothing = numpy.full(part.shape, numpy.nan)
    shares: Floats = numpy.divide(part, whole, out=nothing, where=whole > 0)
    return shares
