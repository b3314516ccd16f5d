"""torch: the scores of the best paths to each tag, step by step.

The best of sums is the log of the best of products, and products have a kernel that is
up to three times faster with many tags on a CPU: that of a sparse matrix, which writes no
sums down and skips illegal transitions. It is taken where no path can get lost.
"""

import math
import warnings
from typing import Optional

import torch
from torch import Tensor

# Steps after which scores are brought back to zero. After some thousand steps float32
# would no longer tell them apart: 2e6 has a precision of 0.1.
LEVEL = 16
# The same for products, whose range is smaller.
LEVEL_PRODUCTS = 4
# Sums in a step, K * K * B, from which on products are faster.
MANY = 2**17

# torch tells each process once that this layout is in beta.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch.eye(1).to_sparse_csr()


def add_best_scores(scores: Tensor, transitions: Tensor) -> None:
    """Make emissions the scores of the best path to each tag at each step, but for a
    constant per step.

    scores (Tensor): At the first step the scores of its tags, at the others emissions,
        shape (T, K, B). Changed in place: what more passes through the cache costs time.
    transitions (Tensor): Shape (K, K).
    """
    dtype = type_of_products(scores, transitions)
    if dtype is None:
        _add_by_sums(scores, transitions)
    else:
        _add_by_products(scores, transitions, dtype)


def type_of_products(scores: Tensor, transitions: Tensor) -> Optional[torch.dtype]:
    """Choose a type whose range holds all products.

    No tag lies further behind the best one of its step than it costs to come from the best
    one of some steps before, or from the best start. Products fall as far again before they
    are brought back to one.

    RETURNS (Optional[torch.dtype]): None if there is no such type, a token may not have
        some tag, a tag cannot be reached from another in three steps, as BILUO tags can,
        the device has no such kernel, or sums are as fast.
    """
    num_steps, num_tags, num_seqs = scores.shape
    few = num_steps == 1 or num_tags * num_tags * num_seqs < MANY
    legal = transitions > -torch.inf
    if few or scores.device.type != "cpu" or not _all_in_three_steps(legal):
        return None
    # Infinite if a tag is forbidden, and no number if a score is none.
    by_emission = float((scores.amax(1) - scores.amin(1))[1:].max())
    by_transition = _spread(transitions.flatten())
    behind = (3 + LEVEL_PRODUCTS) * (by_transition + by_emission) + _spread(scores[0])
    for dtype in (torch.float32, torch.float64):
        if behind < -math.log(torch.finfo(dtype).tiny):
            return torch.promote_types(dtype, scores.dtype)
    return None


def _all_in_three_steps(legal: Tensor) -> bool:
    paths = legal.float()
    return bool(legal.all() or (paths @ paths @ paths).all())


def _spread(scores: Tensor) -> float:
    """RETURNS (float): The largest difference of possible scores in the first dimension."""
    best = scores.amax(0)
    worst = scores.where(scores > -torch.inf, best).amin(0)
    return float((best - worst).max())


def _add_by_sums(scores: Tensor, transitions: Tensor) -> None:
    """Right for scores of any size, on any device."""
    num_tags = len(transitions)
    sums = scores.new_empty(num_tags, num_tags, scores.shape[2])
    best = torch.empty_like(scores[0])
    from_to = transitions.unsqueeze(2)
    # To take one step out of a tensor at a time costs as much as to add few tags up.
    before = scores.unsqueeze(2).unbind()
    for t, here in enumerate(scores.unbind()[1:], 1):
        torch.add(from_to, before[t - 1], out=sums)
        torch.amax(sums, 0, out=best)
        here += best
        if t % LEVEL == 0:
            here -= here.amax(0)


def _add_by_products(scores: Tensor, transitions: Tensor, dtype: torch.dtype) -> None:
    """The same by products of this type."""
    # Zeros are not stored: they stand for what is illegal.
    to_from = (transitions - transitions.max()).to(dtype).exp().T.to_sparse_csr()
    products = scores.sub_(scores.amax(1, keepdim=True)).to(dtype).exp_()
    steps = products.unbind()
    for t, here in enumerate(steps[1:], 1):
        here *= torch.sparse.mm(to_from, steps[t - 1], "amax")
        if t % LEVEL_PRODUCTS == 0:
            here /= here.amax(0)
    scores.copy_(products.log_())
