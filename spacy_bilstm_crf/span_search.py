"""All spans that are likely enough, whether or not they overlap."""

from typing import Any, List, Tuple

import numpy
from numpy.typing import NDArray

from .tags import FlatSpans

Floats = NDArray[numpy.float32]


def find_likely_spans(chain: Floats, minimum: float) -> Tuple[FlatSpans, Floats]:
    """Find every span that is an entity of its label with at least this probability. A span
    is as probable as its first tag, times each other one given the one before. So a longer
    one is never more probable than what it begins with, and few of them need following.

    chain (float array, shape (N, 6L)): For the tokens of all Docs and each of the L labels
        the probabilities of B and of U, of I and of L after B, and of I and of L after I;
        see `model.chain`. No Doc ends within an entity, so none goes on in the next one.
    minimum (float): The probability, greater than 0.
    RETURNS (Tuple[FlatSpans, Floats]): The spans, in order of their starts, then ends, then
        labels; and their probabilities.
    """
    shape = (len(chain), chain.shape[1] // 6, 6)
    begin, unit, *after = chain.reshape(shape).transpose(2, 0, 1)
    single = numpy.nonzero(unit >= minimum)
    found: List[Any] = [(single[0], single[0] + 1, single[1], unit[single])]
    starts, labels = numpy.nonzero(begin >= minimum)
    ends, probability = starts + 1, begin[starts, labels]
    # All spans grow by a token at a time.
    goes_on, closes = after[:2]
    while len(starts):
        closed = probability * closes[ends, labels]
        done = closed >= minimum
        found.append((starts[done], ends[done] + 1, labels[done], closed[done]))
        probability = probability * goes_on[ends, labels]
        open_ = probability >= minimum
        starts, ends, labels = starts[open_], ends[open_] + 1, labels[open_]
        probability = probability[open_]
        goes_on, closes = after[2:]
    starts, ends, labels, probability = map(numpy.concatenate, zip(*found, strict=True))
    order = numpy.lexsort((labels, ends, starts))
    return FlatSpans(starts[order], ends[order], labels[order]), probability[order]
