"""The four sets of words at each token, and how much each word counts."""

from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray

from ..matching import Hits, Ints, lay_out

# Words that begin at a token, have it inside, end with it, or are nothing else.
NUM_SETS = 4


class SoftSets(NamedTuple):
    """Which words are in which set, as parallel arrays, and which sets are empty.

    slots (int array, shape (N,)): Index of the set: 4 for each token, in the order BEGIN,
        INSIDE, LAST, UNIT.
    which (int array, shape (N,)): Index of the hit.
    shares (float array, shape (N,)): What the word counts there.
    empty_shares (float array, shape (4 * tokens,)): What "no word" counts in each set: 0
        if there is a word.
    """

    slots: Ints
    which: Ints
    shares: NDArray[numpy.float32]
    empty_shares: NDArray[numpy.float32]


def make_soft_sets(hits: Hits, weights: NDArray[Any], num_tokens: int) -> SoftSets:
    """Sort words into the sets of the tokens that they cover. A word's share is its part in
    the weight of all words at the token, those of the other sets too, times the number of
    sets (Ma et al. 2020, equation 9). In an empty set stands "no word", of weight 1.

    hits (Hits): The words.
    weights (float array): Their weights, greater than 0.
    num_tokens (int): The number of tokens.
    RETURNS (SoftSets): The sets.
    """
    tokens, places, which = lay_out(hits)
    slots = NUM_SETS * tokens + places
    empty = numpy.bincount(slots, minlength=NUM_SETS * num_tokens) == 0
    total = numpy.bincount(tokens, weights=weights[which], minlength=num_tokens)
    total += empty.reshape(num_tokens, NUM_SETS).sum(axis=1)
    shares = NUM_SETS * weights[which] / total[tokens]
    empty_shares = NUM_SETS * empty / numpy.repeat(total, NUM_SETS)
    return SoftSets(slots, which, shares.astype("float32"), empty_shares.astype("float32"))
