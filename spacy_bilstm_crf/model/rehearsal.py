"""torch: how far one distribution over tags has moved away from another.

A Kullback-Leibler divergence is 0, with no gradient, as long as nothing is forgotten. The
likelihood of the other one's best paths would not do: it pulls from the first step on, and
towards being sure of what the other one was not sure of.
"""

from typing import Tuple

import torch
from torch import Tensor

from .log_partition import expectations, log_partition

# Emissions (T, B, K), and the scores of starts (K,), transitions (K, K) and ends (K,).
Scores = Tuple[Tensor, Tensor, Tensor, Tensor]


def path_divergence(old: Scores, new: Scores, mask: Tensor) -> Tensor:
    """Compute KL(old || new) over paths, exactly, with its gradient for the new scores:
    the new expected counts of tags and transitions less the old ones.

    Where the old emissions forbid a tag, it is left out of the new distribution as well:
    the old one does not know it, and has nothing to say on how probable it may become.

    old (Scores): float32, the same legal transitions as in `new`.
    new (Scores): float32.
    mask (Tensor): True at tokens, a prefix of each sequence and nowhere empty, bool, shape
        (T, B).
    RETURNS (Tensor): Shape (B,).
    """
    with torch.no_grad():
        counts = expectations(*old, mask)
    log_z = log_partition(_forbid(new[0], old[0]), *new[1:], mask)
    at_tokens = _expected(counts.tags, old[0], new[0]).sum((0, 2))
    at_start = _expected(counts.tags[0], old[1], new[1]).sum(1)
    between = _expected(counts.transitions, old[2], new[2]).sum((1, 2))
    at_end = _expected(counts.end, old[3], new[3]).sum(1)
    return log_z - counts.log_z + at_tokens + at_start + between + at_end


def tag_divergence(old: Tensor, new: Tensor, mask: Tensor) -> Tensor:
    """The same for tags that are scored one by one, summed over tokens.

    old, new (Tensor): Emissions, float32, shape (T, B, K).
    mask (Tensor): As for `path_divergence`.
    RETURNS (Tensor): Shape (B,).
    """
    old_log = old.log_softmax(-1)
    new_log = _forbid(new, old).log_softmax(-1)
    divergence = _expected(old_log.exp(), old_log, new_log).sum(-1)
    return torch.where(mask, divergence, 0.0).sum(0)


def _forbid(new: Tensor, old: Tensor) -> Tensor:
    return new.masked_fill(old == -torch.inf, -torch.inf)


def _expected(counts: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """What the scores lose in expectation; scores of -inf are met 0 times."""
    never = (old == -torch.inf) | (new == -torch.inf)
    return counts * (old.masked_fill(never, 0.0) - new.masked_fill(never, 0.0))
