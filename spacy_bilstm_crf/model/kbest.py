"""torch: the k best paths of a padded batch."""

from typing import Tuple

import torch
from torch import Tensor

from .chain import path_probabilities
from .forward_backward import TINY
from .max_product import LEVEL
from .viterbi import require_path


@torch.no_grad()
def kbest(
    emissions: Tensor,
    start: Tensor,
    transitions: Tensor,
    end: Tensor,
    mask: Tensor,
    k: int,
) -> Tuple[Tensor, Tensor]:
    """Find the k best paths of each sequence, exactly: each step keeps for each tag the k
    best ways to it, and where they came from (parallel list Viterbi, Seshadri & Sundberg
    1994; Soong & Huang 1991 find the same paths by a search backwards).

    emissions, start, transitions, end, mask (Tensor): As for `viterbi`.
    k (int): Number of paths, at least 1.
    RETURNS (Tuple[Tensor, Tensor]): Tag ids, best path first, 0 at padding, int64, shape
        (k, T, B); and the log of each path's probability, shape (k, B). A sequence with
        fewer paths has -inf in their place, and tags that mean nothing.

    Raises ValueError if a sequence has no path, or scores that are not numbers.
    """
    num_steps, num_seqs, num_tags = emissions.shape
    by_tag = emissions.transpose(1, 2)
    # The ways to each tag, best first, are rows of (K * k, B): row `tag * k + rank`.
    ways = emissions.new_full((num_tags, k, num_seqs), -torch.inf)
    ways[:, 0] = by_tag[0] + start.unsqueeze(1)
    rows = torch.arange(num_tags * k, device=mask.device)
    came_from = rows.new_empty(num_steps, num_tags, k, num_seqs, dtype=torch.int32)
    # From the ways to one tag to another tag, shape (K, k, K, 1).
    from_to = transitions[:, None, :, None].expand(-1, k, -1, -1)
    for t in range(1, num_steps):
        sums = (ways.unsqueeze(2) + from_to).flatten(0, 1)
        best, origin = sums.topk(k, dim=0)
        best = best.transpose(0, 1) + by_tag[t].unsqueeze(1)
        # A sequence that has ended stays where it is.
        ways = torch.where(mask[t], best, ways)
        stay = rows.view(num_tags, k, 1)
        came_from[t] = torch.where(mask[t], origin.transpose(0, 1), stay)
        if t % LEVEL == 0:
            ways = ways - ways.amax((0, 1))
    final = (ways + end[:, None, None]).flatten(0, 1)
    scores, current = final.topk(k, dim=0)
    require_path(scores[0])

    tags = mask.new_empty(k, num_steps, num_seqs, dtype=torch.int64)
    for t in range(num_steps - 1, -1, -1):
        tags[:, t] = current // k
        if t:
            current = came_from[t].flatten(0, 1).gather(0, current).long()
    log_p = _log_probabilities(emissions, start, transitions, end, mask, tags)
    # An improbable path is one all the same: only its score tells whether it is possible.
    return tags.masked_fill_(~mask, 0), log_p.masked_fill_(scores == -torch.inf, -torch.inf)


def _log_probabilities(
    emissions: Tensor,
    start: Tensor,
    transitions: Tensor,
    end: Tensor,
    mask: Tensor,
    tags: Tensor,
) -> Tensor:
    """How probable the best paths are: the first one as a product of steps, and the others
    by how much less they score, step by step. Many times more precise than a path's score
    less log Z, which are both large where sequences are long; and nothing underflows,
    however improbable a path is.

    tags (Tensor): Tag ids, best path first, that of the last token at padding, int64, shape
        (k, T, B).
    RETURNS (Tensor): Shape (k, B), arbitrary where a path is impossible.
    """
    paths = tags.permute(1, 2, 0)
    args = (emissions, start, transitions, end, mask)
    sure = path_probabilities(*args, paths[..., :1])[..., 1].clamp_min_(TINY).log()
    gained = emissions.gather(2, paths)
    gained[0] += start[paths[0]]
    gained[1:] += transitions[paths[:-1], paths[1:]]
    steps = torch.where(mask.unsqueeze(2), gained - gained[..., :1] + sure, 0.0)
    at_end = end[paths[-1]]
    log_p = steps.sum(0) + at_end - at_end[:, :1]
    return log_p.clamp_max_(0.0).T
