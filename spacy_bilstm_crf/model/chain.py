"""torch: the tags of a sequence as a Markov chain.

Given the emissions, a tag depends on the tag before it alone. So the probability that some
tags follow each other is that of the first one, times that of each other one given the one
before: all that is asked of a distribution over paths is a product of such steps.
"""

from typing import Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tags import BEGIN, INSIDE, LAST, PREFIXES, UNIT
from .forward_backward import TINY
from .log_partition import expectations


@torch.no_grad()
def step_probabilities(
    emissions: Tensor,
    start: Tensor,
    transitions: Tensor,
    end: Tensor,
    mask: Tensor,
    before: Tensor,
    after: Tensor,
) -> Tuple[Tensor, Tensor]:
    """Compute how probable tags are, and how probable after others.

    emissions, start, transitions, end, mask (Tensor): As for `log_partition`.
    before (Tensor): Tag ids at all steps but the last, int64, shape (T - 1, B, P).
    after (Tensor): Tag ids at all steps but the first, int64, shape (T - 1, B, P).
    RETURNS (Tuple[Tensor, Tensor]): Probability of each tag, 0 at padding, shape (T, B, K);
        and of each tag of `after`, given the one of `before`, shape (T - 1, B, P),
        arbitrary at padding.
    """
    pairs = (before, after)
    found = expectations(emissions, start, transitions, end, mask, pairs)
    # Where the step before is impossible, so is what follows.
    given = found.pairs / found.tags[:-1].gather(2, before).clamp_min_(TINY)
    return found.tags, given.clamp_max_(1.0)


def path_probabilities(
    emissions: Tensor,
    start: Tensor,
    transitions: Tensor,
    end: Tensor,
    mask: Tensor,
    paths: Tensor,
) -> Tensor:
    """How sure the distribution is of some paths, step by step. The probability of a path's
    tags from step i to step j is the first value at i times the second values at
    i + 1 ... j.

    emissions, start, transitions, end, mask (Tensor): As for `log_partition`.
    paths (Tensor): Tag ids, int64, shape (T, B, P).
    RETURNS (Tensor): Shape (T, B, P, 2): probability of the path's tag, and of this tag
        given the path's tag at the step before (at the first step, once more of the tag).
        Arbitrary at padding.
    """
    scores = (emissions, start, transitions, end)
    tags, given = step_probabilities(*scores, mask, paths[:-1], paths[1:])
    here = tags.gather(2, paths)
    return torch.stack((here, torch.cat((here[:1], given))), dim=-1)


def span_chain(
    emissions: Tensor,
    start: Tensor,
    transitions: Tensor,
    end: Tensor,
    mask: Tensor,
    path: Tensor,
) -> Tensor:
    """Compute what the probability of a path's spans, and of any other span, is a product
    of. The tags are BILUO tags.

    emissions, start, transitions, end, mask (Tensor): As for `log_partition`.
    path (Tensor): Tag ids, int64, shape (T, B).
    RETURNS (Tensor): Shape (T, B, 2 + 6L): the probability of the path's tag, and of this
        tag given the one before; then for each of the L labels the probabilities of B and
        of U, of I and of L after B, and of I and of L after I. What is given the tag before
        is 0 at the first step. Arbitrary at padding.
    """
    steps_in_spans = [(BEGIN, INSIDE), (BEGIN, LAST), (INSIDE, INSIDE), (INSIDE, LAST)]
    num_labels = emissions.shape[2] // len(PREFIXES)
    first_tags = 1 + len(PREFIXES) * torch.arange(num_labels, device=path.device)
    pairs = first_tags[:, None, None] + torch.tensor(steps_in_spans, device=path.device)
    before, after = (
        torch.cat((tags.unsqueeze(2), pair.flatten().expand(*tags.shape, -1)), dim=2)
        for tags, pair in zip((path[:-1], path[1:]), pairs.unbind(2), strict=True)
    )
    scores = (emissions, start, transitions, end)
    tags, given = step_probabilities(*scores, mask, before, after)
    given = F.pad(given, (0, 0, 0, 0, 1, 0))
    firsts = tags[..., 1:].unflatten(2, (num_labels, -1))[..., [BEGIN, UNIT]]
    others = given[..., 1:].unflatten(2, (num_labels, -1))
    spans = torch.cat((firsts, others), dim=3).flatten(2)
    return torch.cat((tags.gather(2, path.unsqueeze(2)), given[..., :1], spans), dim=2)
