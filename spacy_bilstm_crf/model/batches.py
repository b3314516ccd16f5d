"""Docs of all lengths <-> padded batches of bounded size."""

from typing import Any, List, NamedTuple

import numpy
from numpy.typing import NDArray
from thinc.api import get_array_module

from ..query import TokenSpans

# Arrays of numpy or cupy. thinc's types do not know indexing by arrays.
Array = Any

# Padded tokens in one run of the network: small batches leave the processor idle, large
# ones outgrow its cache.
PADDED_TOKENS = 3072
# A step of the CRF costs about the same for one sequence as for many, and Docs of hundreds
# of tokens would be few. So many of them go together, in up to so many times the padded
# tokens, unless they are less than half as long as the longest: that would be padding.
FEW = 32
STRETCH = 20
# Numbers in one step of the CRF, sequences * K * K * best paths: 64 MiB. It binds with many
# labels or paths only.
CELLS = 2**24


class Batch(NamedTuple):
    """Docs that run through the network together, and where their tokens go.

    docs (int array, shape (B,)): Index of each Doc.
    lengths (int array, shape (B,)): Length of each Doc, longest first.
    tokens (int array, shape (N,)): Index of each token in all Docs laid end to end.
    rows (int array, shape (N,)): Its row in the padded batch, the step.
    columns (int array, shape (N,)): Its column in the padded batch, the sequence.
    """

    docs: Array
    lengths: Array
    tokens: Array
    rows: Array
    columns: Array


def plan_batches(
    lengths: NDArray[numpy.int64], padded_tokens: int, most: int
) -> List[Batch]:
    """Sort Docs by length and cut them into batches of bounded size. Empty Docs are in
    none of them; a Doc that exceeds the bounds has one to itself.

    lengths (int array, shape (Docs,)): Tokens in each Doc.
    padded_tokens (int): Bound on steps times sequences, stretched for few long Docs.
    most (int): Bound on sequences.
    RETURNS (List[Batch]): The batches, longest Docs first.
    """
    order = numpy.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    offsets = numpy.cumsum(lengths) - lengths
    batches = []
    while len(order):
        longest = int(lengths[order[0]])
        alike = int((2 * lengths[order] >= longest).sum())
        few = min(FEW, STRETCH * padded_tokens // longest, alike)
        size = max(1, min(most, max(padded_tokens // longest, few)))
        docs, order = order[:size], order[size:]
        sizes = lengths[docs]
        columns = numpy.repeat(numpy.arange(len(docs)), sizes)
        rows = numpy.arange(int(sizes.sum())) - (numpy.cumsum(sizes) - sizes)[columns]
        batches.append(Batch(docs, sizes, offsets[docs][columns] + rows, rows, columns))
    return batches


def pad(flat: Array, batch: Batch) -> Array:
    """Lay out the tokens of a batch.

    flat (array, shape (tokens, width)): All Docs laid end to end.
    batch (Batch): The batch.
    RETURNS (array, shape (T, B, width)): Its tokens, zero elsewhere.
    """
    xp = get_array_module(flat)
    if len(batch.docs) == 1 and xp is numpy and flat.flags.writeable:
        # As it is: copies of a long Doc take a part of the time. torch does not take what
        # is read-only, as the tensor of a Doc that was saved can be.
        return flat[batch.tokens[0] : batch.tokens[-1] + 1][:, None]
    shape = (int(batch.lengths[0]), len(batch.docs), flat.shape[1])
    padded = xp.zeros(shape, dtype=flat.dtype)
    padded[batch.rows, batch.columns] = flat[batch.tokens]
    return padded


def batch_spans(spans: TokenSpans, batch: Batch) -> NDArray[numpy.int64]:
    """Collect the spans of a batch.

    spans (TokenSpans): The spans of each Doc.
    batch (Batch): The batch.
    RETURNS (int array, shape (S, 4)): Its spans, the Doc's column before each.
    """
    here = [spans[doc] for doc in batch.docs]
    columns = numpy.repeat(numpy.arange(len(here)), [len(rows) for rows in here])
    return numpy.column_stack((columns, numpy.concatenate(here)))


def split(flat: Array, lengths: NDArray[numpy.int64]) -> List[Array]:
    """Give each Doc its part.

    flat (array, shape (tokens, ...)): All Docs laid end to end.
    lengths (int array, shape (Docs,)): Tokens in each Doc.
    RETURNS (List[array]): One array of shape (tokens, ...) per Doc.
    """
    ends = numpy.cumsum(lengths).tolist()
    return [
        flat[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)
    ]
