"""torch: Viterbi decoding of a padded batch."""

import math
from typing import List, Tuple

import torch
from torch import Tensor

from .pieces import LONG, PIECE, WARM_UP, cut, settle

# Numbers in one step of all pieces, pieces * K * K: 64 MiB.
CELLS = 2**24
# Steps after which scores are brought back to zero. After some thousand steps float32
# would no longer tell them apart: 2e6 has a precision of 0.1.
LEVEL = 16
# Bytes of sums that the cache of one core keeps until their maximum is taken.
CACHED = 640 * 1024


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
    lengths = mask.sum(0)
    if emissions.shape[0] >= LONG:
        return _viterbi_in_pieces(emissions, start, transitions, end, lengths)
    num_seqs = emissions.shape[1]
    scores = emissions.transpose(1, 2).clone(memory_format=torch.contiguous_format)
    scores[0] += start.unsqueeze(1)
    _add_best_scores(scores, transitions)
    last = lengths - 1
    final = scores[last, :, torch.arange(num_seqs, device=last.device)] + end
    tags = _trace(scores, transitions, last, _best_last(final))
    return tags.masked_fill_(~mask, 0)


def _add_best_scores(scores: Tensor, transitions: Tensor) -> None:
    """Make emissions the scores of the best path to each tag at each step, but for a
    constant per step.

    scores (Tensor): At the first step the scores of its tags, at the others emissions,
        shape (T, K, B). Changed in place: what more passes through the cache costs time.
    transitions (Tensor): Shape (K, K).
    """
    best = torch.empty_like(scores[0])
    parts = _cut_sums(transitions, best)
    # To take one step out of a tensor at a time costs as much as to add few tags up.
    before = scores.unsqueeze(2).unbind()
    for t, here in enumerate(scores.unbind()[1:], 1):
        for from_to, sums, best_of_part in parts:
            torch.add(from_to, before[t - 1], out=sums)
            torch.amax(sums, 0, out=best_of_part)
        here += best
        if t % LEVEL == 0:
            here -= here.amax(0)


def _cut_sums(transitions: Tensor, best: Tensor) -> List[Tuple[Tensor, Tensor, Tensor]]:
    """Cut the tags that a step leads to into parts, whose sums take turns in one buffer.
    Many tags and long rows would not stay in the cache of a core. On a GPU, or with several
    threads, more and smaller calls cost more than that.

    transitions (Tensor): Shape (K, K).
    best (Tensor): Room for the best sum to each tag, shape (K, B).
    RETURNS (List[Tuple[Tensor, Tensor, Tensor]]): For each part of P tags their columns of
        the transitions, shape (K, P, 1); room for their sums, shape (K, P, B); and their
        rows of `best`.
    """
    num_tags, num_seqs = best.shape
    one_tag = num_tags * num_seqs * best.element_size()
    size = num_tags
    if best.device.type == "cpu" and torch.get_num_threads() == 1:
        size = max(CACHED // max(one_tag, 1), 1)
    # Parts of about the same size.
    size = math.ceil(num_tags / math.ceil(num_tags / size))
    buffer = best.new_empty(num_tags * size * num_seqs)
    parts = []
    columns = transitions.unsqueeze(2).split(size, dim=1)
    for from_to, best_of_part in zip(columns, best.split(size), strict=True):
        shape = (num_tags, len(best_of_part), num_seqs)
        sums = buffer[: math.prod(shape)].view(shape)
        parts.append((from_to, sums, best_of_part))
    return parts


def _best_last(final: Tensor) -> Tensor:
    """Last tags of the best paths, from their scores of shape (B, K)."""
    best, last_tags = final.max(-1)
    require_path(best)
    return last_tags


def require_path(best: Tensor) -> None:
    """Raise ValueError unless the scores of the best paths are scores of paths."""
    if not torch.isfinite(best).all():
        raise ValueError(
            "no best path: a sequence has emissions that are not finite, or the tags "
            "allowed at its tokens leave no legal path"
        )


def _trace(scores: Tensor, transitions: Tensor, last: Tensor, last_tags: Tensor) -> Tensor:
    """Follow the best paths back from their last steps.

    scores (Tensor): From `_add_best_scores`, shape (T, K, B).
    transitions (Tensor): Shape (K, K).
    last (Tensor): Last step of each sequence, shape (B,).
    last_tags (Tensor): Tag there, shape (B,).
    RETURNS (Tensor): Tag ids, shape (T, B). After the last step the last tag goes on.
    """
    num_steps = len(scores)
    inside = torch.arange(num_steps, device=last.device).unsqueeze(1) < last
    tags = [last_tags]
    steps = zip(scores.unbind(), inside.unbind(), strict=True)
    for here, is_inside in reversed(list(steps)[:-1]):
        came_from = _came_from(here, transitions, tags[-1])
        tags.append(torch.where(is_inside, came_from, last_tags))
    return torch.stack(tags[::-1])


def _came_from(scores: Tensor, transitions: Tensor, tags: Tensor) -> Tensor:
    """The tag before each tag on its best path: from shapes (K, B) and (B,) to (B,)."""
    # Not argmax, which is several times slower than max over this dimension.
    return (scores + transitions.index_select(1, tags)).max(0).indices


def _viterbi_in_pieces(
    emissions: Tensor, start: Tensor, transitions: Tensor, end: Tensor, lengths: Tensor
) -> Tensor:
    """The best paths of long sequences. States are scores of the tags at the end of a
    piece, less the best of them; on the way back, the tag there."""
    num_steps, num_seqs, num_tags = emissions.shape
    most = max(CELLS // num_tags**2, num_seqs)
    pieces = cut(lengths, num_steps, max(PIECE, -(-num_steps * num_seqs // most)))
    begin, end_here = pieces.begin, pieces.end
    every = torch.arange(len(begin), device=begin.device)
    rows = pieces.rows(every, 0, pieces.steps)
    emissions = emissions.flatten(0, 1)
    inside = emissions.index_select(0, rows.flatten().clamp_max(len(emissions) - 1))
    inside = inside.view(*rows.shape, num_tags).transpose(1, 2).contiguous()
    last = torch.where(end_here, pieces.lengths - pieces.starts, pieces.steps) - 1
    scores = torch.empty_like(inside)

    def ahead(index: Tensor, states: Tensor) -> Tensor:
        found = inside.index_select(2, index)
        before = (transitions.unsqueeze(2) + states.T.unsqueeze(1)).amax(0)
        found[0] += torch.where(begin[index], start.unsqueeze(1), before)
        _add_best_scores(found, transitions)
        scores[:, :, index] = found
        return (found[-1] - found[-1].amax(0)).T

    def back(index: Tensor, states: Tensor) -> Tensor:
        index = every[-1] - index
        tags[:, index] = _trace(scores[:, :, index], transitions, last[index], states[:, 0])
        before = scores[-1][:, (index - 1).clamp(0)]
        return _came_from(before, transitions, tags[0, index]).unsqueeze(1)

    warm = inside[-WARM_UP:].clone()
    _add_best_scores(warm, transitions)
    guesses = warm[-1].roll(1, 1)
    settle(ahead, (guesses - guesses.amax(0)).T.contiguous(), begin, 1e-4)
    # Where no path leads through a piece, the ones after it cannot tell.
    require_path(scores[-1, :, ~end_here].amax(0))
    tags = torch.zeros_like(rows)
    guessed = scores[-1].max(0).indices
    final = scores[last[end_here], :, every[end_here]] + end
    guessed[end_here] = _best_last(final)
    settle(back, guessed.flip(0).unsqueeze(1), end_here.flip(0), 0.0)
    # The last row is for the steps behind the ends.
    paths = tags.new_zeros(len(emissions) + 1).index_copy_(
        0, rows.flatten(), tags.flatten()
    )
    return paths[:-1].view(num_steps, num_seqs)
