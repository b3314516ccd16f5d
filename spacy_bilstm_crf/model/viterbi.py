"""torch: Viterbi decoding of a padded batch."""

import torch
from torch import Tensor

from .max_product import add_best_scores
from .pieces import PIECE, WARM_UP, cut, is_worth_cutting, settle

# Numbers in one step of all pieces, pieces * K * K: 64 MiB.
CELLS = 2**24


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
    if is_worth_cutting(*emissions.shape):
        return _viterbi_in_pieces(emissions, start, transitions, end, lengths)
    num_seqs = emissions.shape[1]
    scores = emissions.transpose(1, 2).clone(memory_format=torch.contiguous_format)
    scores[0] += start.unsqueeze(1)
    add_best_scores(scores, transitions)
    last = lengths - 1
    final = scores[last, :, torch.arange(num_seqs, device=last.device)] + end
    tags = _trace(scores, transitions, last, _best_last(final))
    return tags.masked_fill_(~mask, 0)


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

    scores (Tensor): From `add_best_scores`, shape (T, K, B).
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
        add_best_scores(found, transitions)
        scores[:, :, index] = found
        return (found[-1] - found[-1].amax(0)).T

    def back(index: Tensor, states: Tensor) -> Tensor:
        index = every[-1] - index
        tags[:, index] = _trace(scores[:, :, index], transitions, last[index], states[:, 0])
        before = scores[-1][:, (index - 1).clamp(0)]
        return _came_from(before, transitions, tags[0, index]).unsqueeze(1)

    warm = inside[-WARM_UP:].clone()
    add_best_scores(warm, transitions)
    guesses = warm[-1].roll(1, 1)
    settle(ahead, (guesses - guesses.amax(0)).T.contiguous(), begin, 1e-4)
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
