"""torch: Viterbi decoding of a padded batch."""

import torch
from torch import Tensor


@torch.no_grad()
def viterbi(
    emissions: Tensor, start: Tensor, transitions: Tensor, end: Tensor, mask: Tensor
) -> Tensor:
    """Find the best path of each sequence. Scores of -inf forbid a tag or a transition.

    The batch is the innermost dimension, so that the maximum over the tags that a tag may
    come from runs over contiguous rows, and only scores are kept on the way: the
    back-pointer is worked out again for the one tag that the path takes.

    emissions (Tensor): Shape (T, B, K), T and every length at least 1.
    start (Tensor): Shape (K,).
    transitions (Tensor): From row to column, shape (K, K).
    end (Tensor): Shape (K,).
    mask (Tensor): True at tokens, a prefix of each sequence, bool, shape (T, B).
    RETURNS (Tensor): Tag ids, 0 at padding, int64, shape (T, B).

    Raises ValueError if a sequence has no path, or scores that are not numbers.
    """
    num_steps, num_seqs, num_tags = emissions.shape
    emissions = emissions.transpose(1, 2).contiguous()
    scores = torch.empty_like(emissions)
    torch.add(emissions[0], start.unsqueeze(1), out=scores[0])
    sums = emissions.new_empty(num_tags, num_tags, num_seqs)
    from_to = transitions.unsqueeze(2)
    for t in range(1, num_steps):
        torch.add(from_to, scores[t - 1].unsqueeze(1), out=sums)
        torch.add(sums.amax(0), emissions[t], out=scores[t])

    last = mask.sum(0) - 1
    final = scores[last, :, torch.arange(num_seqs, device=last.device)] + end
    best, last_tags = final.max(-1)
    if not torch.isfinite(best).all():
        raise ValueError(
            "no best path: a sequence has emissions that are not finite, or the tags "
            "allowed at its tokens leave no legal path"
        )
    tags = torch.zeros_like(mask, dtype=torch.int64)
    current = tags[-1] = last_tags
    for t in range(num_steps - 2, -1, -1):
        # Not argmax, which is several times slower than max over this dimension.
        came_from = (scores[t] + transitions.index_select(1, current)).max(0).indices
        current = tags[t] = torch.where(t < last, came_from, last_tags)
    return tags.masked_fill_(~mask, 0)
