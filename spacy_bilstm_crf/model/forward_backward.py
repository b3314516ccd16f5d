"""torch: the forward and the backward recursion over probabilities, both at a time.

They are normalised at each step, so that float32 can hold them. Long sequences run in
pieces: like all that depends on neighbours, the probabilities soon forget where they began.
"""

from typing import Tuple

import torch
from torch import Tensor

from .pieces import PIECE, WARM_UP, cut, is_worth_cutting, settle

# No smaller than float32's smallest normal number, 1.2e-38: stands for 0 in divisors.
TINY = 1e-37


def recur(
    factors: Tensor, first: Tensor, step: Tensor, lengths: Tensor
) -> Tuple[Tensor, Tensor]:
    """Run both recursions. The forward one lies at 0 and the backward one, over reversed
    sequences, at 1 of the dimension of 2.

    factors (Tensor): What each tag is multiplied by at each step, shape (2, T, B, K).
        Padding is harmless if it is positive.
    first (Tensor): What the tags of the first step are multiplied by besides, shape (2, K).
    step (Tensor): What a tag is multiplied by for each tag after it, shape (2, K, K).
    lengths (Tensor): Length of each sequence, int64, shape (B,).
    RETURNS (Tuple[Tensor, Tensor]): Shape (T, 2, B, K), sums of 1 over the tags; and what
        they were divided by for that, shape (T, 2, B, 1). Positive at padding.
    """
    num_steps, num_seqs, num_tags = factors.shape[1:]
    if is_worth_cutting(num_steps, num_seqs, num_tags):
        return _recur_in_pieces(factors, first, step, lengths)
    return _recur(factors, first.unsqueeze(1).expand(-1, num_seqs, -1), step)


def _recur(factors: Tensor, first: Tensor, step: Tensor) -> Tuple[Tensor, Tensor]:
    """The same, with a first factor for each sequence, shape (2, B, K)."""
    _, num_steps, num_seqs, num_tags = factors.shape
    state = factors.new_empty(num_steps, 2, num_seqs, num_tags)
    norm = factors.new_empty(num_steps, 2, num_seqs, 1)
    previous = None
    steps = zip(factors.unbind(1), state.unbind(), norm.unbind(), strict=True)
    for factors_t, state_t, norm_t in steps:
        if previous is None:
            state_t.copy_(first)
        else:
            torch.bmm(previous, step, out=state_t)
        torch.sum(state_t.mul_(factors_t), -1, keepdim=True, out=norm_t)
        previous = state_t.div_(norm_t.clamp_min_(TINY))
    return state, norm


def _recur_in_pieces(
    factors: Tensor, first: Tensor, step: Tensor, lengths: Tensor
) -> Tuple[Tensor, Tensor]:
    """States are the probabilities at the end of a piece."""
    _, num_steps, num_seqs, num_tags = factors.shape
    pieces = cut(lengths, num_steps, PIECE)
    begin = pieces.begin
    every = torch.arange(len(begin), device=begin.device)
    rows = pieces.rows(every, 0, pieces.steps)
    num_rows = num_steps * num_seqs
    factors = factors.flatten(1, 2).index_select(1, rows.flatten().clamp_max(num_rows - 1))
    factors = factors.view(2, *rows.shape, num_tags)
    state = factors.new_empty(len(rows), 2, len(begin), num_tags)
    norm = factors.new_empty(len(rows), 2, len(begin), 1)

    def run(index: Tensor, states: Tensor) -> Tensor:
        before = states.unflatten(1, (2, num_tags)).transpose(0, 1)
        here = torch.where(
            begin[index].unsqueeze(1), first.unsqueeze(1), torch.bmm(before, step)
        )
        found, divisors = _recur(factors.index_select(2, index), here, step)
        state[:, :, index], norm[:, :, index] = found, divisors
        return found[-1].transpose(0, 1).flatten(1)

    tail = factors[:, -WARM_UP:]
    guesses, _ = _recur(tail, torch.ones_like(tail[:, 0]), step)
    # What is improbable here may be all that later tokens allow: shares are compared.
    settle(run, guesses[-1].transpose(0, 1).flatten(1).roll(1, 0), begin, TINY, 1e-5)

    def lay_out(found: Tensor) -> Tensor:
        # The last row is for the steps behind the ends.
        out = found.new_ones(num_rows + 1, 2, found.shape[3])
        out.index_copy_(0, rows.flatten(), found.transpose(1, 2).flatten(0, 1))
        return out[:-1].view(num_steps, num_seqs, 2, -1).transpose(1, 2)

    return lay_out(state), lay_out(norm)
