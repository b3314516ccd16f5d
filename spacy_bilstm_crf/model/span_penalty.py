"""torch: what it costs to believe in spans that are known to be no entities.

The paths of BILUO tags either have a span, with its label in its place, or leave its tags
at one of its tokens. Ordered by the first such token, those are as many disjoint sets of
paths as the span has tokens, and every one of the sets is a mask on the tags of a few
tokens. So the probability that a span is *not* there is a sum, and never the small
difference of two large numbers.
"""

from typing import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tags import ANY_LABEL, BEGIN, INSIDE, LAST, OUTSIDE, PREFIXES, UNIT

LogZ = Callable[[Tensor, Tensor], Tensor]

# Numbers in a batch of rows, steps * rows * tags: 64 MiB. It binds with long sequences.
CELLS = 2**24


def span_penalty(log_z: LogZ, emissions: Tensor, mask: Tensor, spans: Tensor) -> Tensor:
    """Compute -log(1 - P) of spans, where P is the probability of all paths that have the
    span. Exact for any P, and so is the gradient.

    log_z (LogZ): Log of the sum over the legal paths of emissions and mask, with
        emissions of -inf for tags that are not allowed, see `LinearChainCRF.log_z`.
    emissions (Tensor): Shape (T, B, K).
    mask (Tensor): True at tokens, a prefix of each sequence, bool, shape (T, B).
    spans (Tensor): Sequence, first token, token after the last one and label of each span,
        int64, shape (S, 4). `ANY_LABEL` sums P over all labels.
    RETURNS (Tensor): float32, shape (S,).
    """
    widest = int((spans[:, 2] - spans[:, 1]).max())
    size = CELLS // (len(emissions) * emissions.shape[2] * (widest + 1))
    groups = spans.split(max(1, size))
    return torch.cat([_group_penalty(log_z, emissions, mask, group) for group in groups])


def _group_penalty(log_z: LogZ, emissions: Tensor, mask: Tensor, spans: Tensor) -> Tensor:
    """The same for as many spans as go into one run of the recursion."""
    sequence, start, end, label = spans.unbind(1)
    ends_sequence = mask.sum(0)[sequence] == end
    width = end - start
    # Row 0 of a span follows its tags to the end. Row i follows them for i - 1 tokens and
    # leaves them at the next. It cannot leave an entity open where the sequence ends.
    num_rows = 1 + width - (ends_sequence & (width > 1)).long()
    owner = torch.arange(len(spans), device=spans.device).repeat_interleave(num_rows)
    row = torch.arange(len(owner), device=spans.device)
    row = row - (num_rows.cumsum(0) - num_rows)[owner]
    followed = torch.where(row == 0, width[owner], row - 1)

    # Most sequences of a batch have no such span: do not run to the end of the longest.
    columns = sequence[owner]
    num_steps = int(mask.sum(0)[sequence].max())
    emissions, mask = emissions[:num_steps, columns].float(), mask[:num_steps, columns]
    steps = torch.arange(num_steps, device=spans.device).unsqueeze(1) - start[owner]
    ours = _span_tags(steps, width[owner], label[owner], emissions.shape[2])
    follows = (steps >= 0) & (steps < followed)
    leaves = (steps == followed) & (steps < width[owner])
    forbidden = (follows.unsqueeze(-1) & ~ours) | (leaves.unsqueeze(-1) & ours)
    found = log_z(emissions.masked_fill(forbidden, -torch.inf), mask)

    table = found.new_full((len(spans), int(num_rows.max()) + 1), -torch.inf)
    table = table.index_put((owner, row), found)
    # With a for the paths that have the span and b for the others, 1 - P is b / (a + b).
    return F.softplus(table[:, 0] - table[:, 1:].logsumexp(1))


def _span_tags(steps: Tensor, width: Tensor, label: Tensor, num_tags: int) -> Tensor:
    """Which tags a span has at its tokens.

    steps (Tensor): Place of each token relative to the first of the span, shape (T, R).
    width (Tensor): Tokens in the span, shape (R,).
    RETURNS (Tensor): bool, shape (T, R, K), arbitrary outside of the span.
    """
    inner = torch.where(steps == 0, BEGIN, torch.where(steps == width - 1, LAST, INSIDE))
    prefix = torch.where(width == 1, UNIT, inner).unsqueeze(-1)
    tags = torch.arange(num_tags, device=steps.device)
    same_label = (tags - 1) // len(PREFIXES) == label.unsqueeze(-1)
    same_label |= (label == ANY_LABEL).unsqueeze(-1)
    return (tags != OUTSIDE) & ((tags - 1) % len(PREFIXES) == prefix) & same_label
