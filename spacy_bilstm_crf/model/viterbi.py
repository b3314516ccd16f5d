"""torch: Viterbi decoding of a padded batch."""

import math
from typing import List, Tuple

import torch
from torch import Tensor

from .pieces import LONG, cut, join, settle

# Steps after which the scores of the tags no longer depend on where they began.
WARM_UP = 64
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
    if emissions.shape[0] >= LONG and emissions.shape[1] == 1:
        return _viterbi_in_pieces(emissions, start, transitions, end)
    num_seqs = emissions.shape[1]
    emissions = emissions.transpose(1, 2).contiguous()
    first = emissions[0] + start.unsqueeze(1)
    scores = _best_scores(emissions, first, transitions)
    last = mask.sum(0) - 1
    final = scores[last, :, torch.arange(num_seqs, device=last.device)] + end
    tags = _trace(scores, transitions, last, _best_last(final))
    return tags.masked_fill_(~mask, 0)


def _best_scores(emissions: Tensor, first: Tensor, transitions: Tensor) -> Tensor:
    """Score of the best path to each tag at each step, but for a constant per step.

    emissions (Tensor): Shape (T, K, B).
    first (Tensor): The scores at the first step, shape (K, B).
    transitions (Tensor): Shape (K, K).
    RETURNS (Tensor): Shape (T, K, B).
    """
    scores = torch.empty_like(emissions)
    scores[0] = first
    best = torch.empty_like(first)
    parts = _cut_sums(transitions, best)
    # To take one step out of a tensor at a time costs as much as to add few tags up.
    steps = scores.unbind()
    before = scores.unsqueeze(2).unbind()
    for t, here in enumerate(emissions.unbind()[1:], 1):
        for from_to, sums, best_of_part in parts:
            torch.add(from_to, before[t - 1], out=sums)
            torch.amax(sums, 0, out=best_of_part)
        torch.add(best, here, out=steps[t])
        if t % LEVEL == 0:
            steps[t].sub_(steps[t].amax(0))
    return scores


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

    scores (Tensor): From `_best_scores`, shape (T, K, B).
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
    emissions: Tensor, start: Tensor, transitions: Tensor, end: Tensor
) -> Tensor:
    """The best path of one long sequence. States are scores of the tags at the end of a
    piece, less the best of them; on the way back, the tag there."""
    pieces = cut(emissions)
    steps, num_pieces, num_tags = pieces.shape
    last = torch.full((num_pieces,), steps - 1, device=pieces.device)
    last[-1] = len(emissions) - 1 - steps * (num_pieces - 1)
    scores = pieces.new_empty(steps, num_tags, num_pieces)

    def ahead(index: Tensor, states: Tensor) -> Tensor:
        here = pieces[:, index].transpose(1, 2).contiguous()
        first = (transitions.unsqueeze(2) + states.T.unsqueeze(1)).amax(0)
        first = torch.where(index == 0, start.unsqueeze(1), first) + here[0]
        scores[:, :, index] = found = _best_scores(here, first, transitions)
        return (found[-1] - found[-1].amax(0)).T

    def back(index: Tensor, states: Tensor) -> Tensor:
        index = num_pieces - 1 - index
        tags[:, index] = _trace(scores[:, :, index], transitions, last[index], states[:, 0])
        before = scores[-1][:, (index - 1).clamp(0)]
        return _came_from(before, transitions, tags[0, index]).unsqueeze(1)

    warm = pieces[-WARM_UP:].transpose(1, 2).contiguous()
    guesses = _best_scores(warm, warm[0], transitions)[-1].roll(1, 1)
    settle(ahead, (guesses - guesses.amax(0)).T.contiguous(), 1e-4)
    # Where no path leads through a piece, the ones after it cannot tell.
    require_path(scores[-1, :, :-1].amax(0))
    tags = last.new_zeros(steps, num_pieces)
    guessed = scores[-1].max(0).indices
    guessed[-1:] = _best_last((scores[last[-1], :, -1] + end).unsqueeze(0))
    settle(back, guessed.flip(0).unsqueeze(1), 0.0)
    return join(tags, len(emissions))
