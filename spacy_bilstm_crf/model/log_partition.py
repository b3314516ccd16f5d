"""torch: log partition function of a linear chain, with its gradient in closed form.

The gradient of log Z is the distribution itself: tag marginals for the emissions, expected
counts for the transitions. So one forward and one backward recursion give both, and
autograd never walks the time steps (Sutton & McCallum 2012, section 4.3).
"""

from typing import Any, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from .bilstm import reversal_index, reverse
from .forward_backward import TINY, recur

# Two checks tell when float32 has lost a path that matters. exp(-87) is its smallest normal
# number. If the two recursions favour different tags so strongly that their product falls
# below FLOOR, one of them has lost what the other found.
FLOOR = 1e-30
# And where a path can fall this far behind in each step, three steps from any BILUO tag to
# any other, both recursions can lose it unnoticed. Trained models stay below half of it.
MAX_SPREAD = 58.0
# Stands for log(0) where logsumexp over nothing but -inf would give nan gradients.
NEVER = -1e30

# Tag ids, int64, both of shape (T - 1, B, P).
Pairs = Tuple[Tensor, Tensor]


class Expectations(NamedTuple):
    """A distribution over paths.

    log_z (Tensor): Log partition function, shape (B,).
    tags (Tensor): Probability of each tag at each step, 0 at padding, shape (T, B, K).
    transitions (Tensor): Expected count of each transition, shape (B, K, K).
    end (Tensor): Probability of each tag at the last step, shape (B, K).
    pairs (Tensor): Probability of the pairs of tags that were asked for, shape
        (T - 1, B, P), arbitrary at padding. Empty if none were.
    """

    log_z: Tensor
    tags: Tensor
    transitions: Tensor
    end: Tensor
    pairs: Tensor


def log_partition(
    emissions: Tensor, start: Tensor, transitions: Tensor, end: Tensor, mask: Tensor
) -> Tensor:
    """Sum over all paths. Scores of -inf forbid a tag or a transition.

    emissions (Tensor): float32, shape (T, B, K), T and every length at least 1.
    start (Tensor): Shape (K,).
    transitions (Tensor): From row to column, shape (K, K).
    end (Tensor): Shape (K,).
    mask (Tensor): True at tokens, a prefix of each sequence, bool, shape (T, B).
    RETURNS (Tensor): log Z, shape (B,); -inf where no path is possible.
    """
    log_z: Tensor = _LogPartition.apply(  # type: ignore[no-untyped-call]
        emissions, start, transitions, end, mask
    )
    return log_z


def expectations(
    emissions: Tensor,
    start: Tensor,
    transitions: Tensor,
    end: Tensor,
    mask: Tensor,
    pairs: Optional[Pairs] = None,
) -> Expectations:
    """Compute the expected counts of tags and transitions.

    emissions, start, transitions, end, mask (Tensor): As for `log_partition`.
    pairs (Optional[Pairs]): Tags at each step but the last, and tags at the step after,
        whose joint probability is wanted too.
    RETURNS (Expectations): The distribution.
    """
    args = (emissions, start, transitions, end, mask, pairs)
    return _in_probability_space(*args) or _in_log_space(*args)


class _LogPartition(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        emissions: Tensor,
        start: Tensor,
        transitions: Tensor,
        end: Tensor,
        mask: Tensor,
    ) -> Tensor:
        found = expectations(emissions, start, transitions, end, mask)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(*found[1:4])
        return found.log_z

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tuple[Optional[Tensor], ...]:
        tags, transitions, end = ctx.saved_tensors
        weights = grads[0]
        d_transitions = (weights @ transitions.flatten(1)).view_as(transitions[0])
        return (
            tags * weights.unsqueeze(-1),
            weights @ tags[0],
            d_transitions,
            weights @ end,
            None,
        )


def _in_probability_space(
    emissions: Tensor,
    start: Tensor,
    transitions: Tensor,
    end: Tensor,
    mask: Tensor,
    pairs: Optional[Pairs] = None,
) -> Optional[Expectations]:
    """Run both recursions as matrix products over probabilities that are normalised at each
    step. The backward recursion runs over reversed sequences, so that one batched product
    serves both. RETURNS None if float32 could not hold what matters."""
    num_steps, num_seqs, num_tags = emissions.shape
    max_emission = emissions.amax(-1)
    padding = ~mask
    spread = _spread(emissions, max_emission).masked_fill_(padding, 0.0).max()
    if spread + _spread(transitions.flatten(), transitions.max()) > MAX_SPREAD:
        return None
    lengths = mask.sum(0)
    index = reversal_index(lengths, num_steps)
    max_start, max_transition, max_end = start.max(), transitions.max(), end.max()
    # Padding runs on with factors of 1: harmless, and nothing below reads it.
    factors = emissions.new_empty(2, num_steps, num_seqs, num_tags)
    torch.sub(emissions, max_emission.unsqueeze(-1), out=factors[0])
    factors[0].exp_().masked_fill_(padding.unsqueeze(-1), 1.0)
    torch.index_select(factors[0].flatten(0, 1), 0, index, out=factors[1].flatten(0, 1))
    step = (transitions - max_transition).exp()
    first = torch.stack(((start - max_start).exp(), (end - max_end).exp()))
    state, norm = recur(factors, first, torch.stack((step, step.T)), lengths)

    # Both recursions count a token's own emission: take it out once. Where it forbids a
    # tag both are 0, and so is their product.
    ahead, behind = state[:, 0], reverse(state[:, 1], index)
    tags = (ahead * behind).div_(factors[0].clamp_min_(TINY))
    norm_ahead, norm_behind = norm[:, 0, :, 0], reverse(norm[:, 1, :, 0], index)
    joint = tags.sum(-1)
    through = (joint * norm_behind).masked_fill_(padding, 1.0)
    if not through.min() > FLOOR:
        return None
    columns = torch.arange(num_seqs, device=lengths.device)
    log_z = norm_ahead.log().masked_fill_(padding, 0.0).sum(0)
    log_z += through[lengths - 1, columns].log()
    log_z += max_emission.masked_fill_(padding, 0.0).sum(0)
    log_z += max_start + max_end + (lengths - 1) * max_transition

    tags.div_(joint.unsqueeze(-1)).masked_fill_(padding.unsqueeze(-1), 0.0)
    # One over the mass of all pairs of tags at a step and the one before it.
    weights = (mask / (joint * norm_ahead))[1:]
    counts = (ahead[:-1] * weights.unsqueeze(-1)).permute(1, 2, 0)
    joint_pairs = emissions.new_empty(0)
    if pairs is not None:
        before, after = pairs
        joint_pairs = ahead[:-1].gather(2, before) * weights.unsqueeze(-1)
        joint_pairs.mul_(behind[1:].gather(2, after)).mul_(step[before, after])
    return Expectations(
        log_z=log_z,
        tags=tags,
        transitions=torch.bmm(counts, behind[1:].transpose(0, 1)).mul_(step),
        end=tags[lengths - 1, columns],
        pairs=joint_pairs,
    )


def _spread(scores: Tensor, best: Tensor) -> Tensor:
    """RETURNS (Tensor): How far the possible ones of the scores in the last dimension lie
    behind the best one. 0 if none is possible."""
    worst = scores.masked_fill(scores == -torch.inf, torch.inf).amin(-1)
    return (best - worst).clamp_min_(0.0)


def _in_log_space(
    emissions: Tensor,
    start: Tensor,
    transitions: Tensor,
    end: Tensor,
    mask: Tensor,
    pairs: Optional[Pairs] = None,
) -> Expectations:
    """The same by logsumexp: several times slower, right for scores of any size."""
    emissions, start, transitions, end = (
        scores.clamp_min(NEVER) for scores in (emissions, start, transitions, end)
    )
    num_steps, num_seqs, num_tags = emissions.shape
    lengths = mask.sum(0)
    ahead, behind = torch.empty_like(emissions), torch.empty_like(emissions)
    # Brought back to a best of 0 at each step: sums over many steps have few digits left.
    level = emissions.new_empty(num_steps, num_seqs)
    ahead[0] = start + emissions[0]
    for t in range(num_steps):
        if t:
            scores = ahead[t - 1].unsqueeze(2) + transitions
            ahead[t] = scores.logsumexp(1) + emissions[t]
        level[t] = ahead[t].amax(-1)
        ahead[t] -= level[t].unsqueeze(-1)
    behind[-1] = end
    for t in range(num_steps - 2, -1, -1):
        scores = transitions + (emissions[t + 1] + behind[t + 1]).unsqueeze(1)
        behind[t] = torch.where(mask[t + 1].unsqueeze(1), scores.logsumexp(2), end)
        behind[t] -= torch.where(mask[t + 1], behind[t].amax(-1), 0.0).unsqueeze(-1)
    columns = torch.arange(num_seqs, device=mask.device)
    log_z = torch.where(mask, level, 0.0).sum(0)
    log_z += (ahead[lengths - 1, columns] + end).logsumexp(-1)
    possible = log_z > NEVER / 2
    tags = (ahead + behind).softmax(-1)
    tags = torch.where((mask & possible).unsqueeze(-1), tags, 0.0)
    counts = emissions.new_zeros(num_seqs, num_tags, num_tags)
    # That of all pairs of tags at a step and the one after it.
    mass = emissions.new_empty(num_steps - 1, num_seqs)
    for t in range(1, num_steps):
        scores = ahead[t - 1].unsqueeze(2) + transitions
        scores += (emissions[t] + behind[t]).unsqueeze(1)
        mass[t - 1] = scores.logsumexp((1, 2))
        scores = (scores - mass[t - 1, :, None, None]).exp()
        counts += torch.where((mask[t] & possible)[:, None, None], scores, 0.0)
    joint_pairs = emissions.new_empty(0)
    if pairs is not None:
        before, after = pairs
        joint_pairs = ahead[:-1].gather(2, before) + transitions[before, after]
        joint_pairs += (emissions[1:] + behind[1:]).gather(2, after)
        joint_pairs = (joint_pairs - mass.unsqueeze(-1)).exp()
    return Expectations(
        log_z=torch.where(possible, log_z, -torch.inf),
        tags=tags,
        transitions=counts,
        end=tags[lengths - 1, columns],
        pairs=joint_pairs,
    )
