"""torch: emissions of long sequences in prediction, a block of steps at a time.

The outputs of an LSTM are wide, and those of a long sequence leave every cache. So each
block is scored as soon as its outputs are there, and only the scores are kept. If the
sequences are few, they are cut into pieces besides.
"""

from typing import Any, List, Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bilstm import BiLSTM
from .pieces import Pieces, agree, cut, settle

# Steps of a padded batch, or padded tokens, from which on it is worth the trouble.
LONG = 8192
MANY = 2**15
# Tokens that run at a time: their gates stay in the cache of a core.
BLOCK = 1024
# Pieces side by side, above which more of them gain little: a token costs 2.1 microseconds
# among 16, 2.3 among 8, 3 among 4, 5 alone, and 1.9 at best (one core, width 128).
SIDE_BY_SIDE = 16
# Steps of a piece, at least. Some hundred run twice: so many steps it takes an LSTM trained
# on ResumeNER to forget where it began. That makes it too much for less than four pieces.
PIECE = 2048


def is_long(x: Tensor) -> bool:
    """RETURNS (bool): Whether token vectors of shape (T, B, width) are for
    `score_long`."""
    # In 16 bits no two runs agree well enough to tell a right guess from a wrong one, and
    # not in the 19 that a GPU multiplies by default.
    in_full = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    num_steps, num_seqs = x.shape[:2]
    is_large = num_steps >= LONG or num_steps * num_seqs >= MANY
    return is_large and in_full and not torch.is_grad_enabled()


def score_long(bilstm: BiLSTM, scorer: nn.Linear, x: Tensor, lengths: Tensor) -> Tensor:
    """Compute `scorer(bilstm(x, lengths))`, without gradient or dropout.

    bilstm (BiLSTM): Of at least one layer.
    scorer (nn.Linear): From its outputs to K scores.
    x (Tensor): Right-padded vectors, shape (T, B, width).
    lengths (Tensor): Length of each sequence, int64, shape (B,).
    RETURNS (Tensor): Shape (T, B, K); values at padding are arbitrary.
    """
    num_steps, num_seqs = x.shape[:2]
    parts = min(SIDE_BY_SIDE // num_seqs, num_steps // PIECE)
    pieces = cut(lengths, num_steps, -(-num_steps // (parts if parts >= 4 else 1)))
    layers: Any = list(zip(bilstm.forwards, bilstm.backwards, strict=True))
    x = x.flatten(0, 1)
    for forwards, backwards in layers[:-1]:
        ahead = _run_direction(forwards, x, pieces, False)
        x = torch.cat((ahead, _run_direction(backwards, x, pieces, True)), dim=-1)
    forwards, backwards = layers[-1]
    of_ahead, of_behind = scorer.weight.chunk(2, dim=1)
    scores = _run_direction(forwards, x, pieces, False, of_ahead)
    scores += _run_direction(backwards, x, pieces, True, of_behind)
    scores += scorer.bias
    return scores.view(num_steps, num_seqs, -1)


def _run_direction(
    lstm: nn.LSTM,
    x: Tensor,
    pieces: Pieces,
    backward: bool,
    weight: Optional[Tensor] = None,
) -> Tensor:
    """Run one direction of a layer.

    lstm (nn.LSTM): An LSTM of one layer and direction.
    x (Tensor): The flattened batch, shape (T * B, width).
    pieces (Pieces): What runs side by side.
    backward (bool): Whether to run from the ends of sequences to their beginnings.
    weight (Optional[Tensor]): What to multiply the outputs by, shape (K, hidden_width).
    RETURNS (Tensor): Outputs, shape (T * B, hidden_width) or (T * B, K).
    """
    width = lstm.hidden_size if weight is None else len(weight)
    # The last row is for the steps behind the ends.
    outputs = x.new_zeros(len(x) + 1, width)
    # States after each block of all pieces, hidden and cell, one after the other. A piece
    # that runs again runs until it meets them.
    met: List[Tensor] = []
    tolerance = 100 * torch.finfo(x.dtype).eps
    size = max(1, BLOCK // len(pieces.columns))

    def run(index: Tensor, states: Tensor) -> Tensor:
        again = index
        is_first_run = not met
        for block, start in enumerate(range(0, pieces.steps, size)):
            rows = pieces.rows(again, start, start + size, backward)
            inputs = x.index_select(0, rows.flatten().clamp_max(len(x) - 1))
            # oneDNN wants whole tensors, not views of one.
            state = tuple(half.contiguous() for half in states.unsqueeze(0).chunk(2, -1))
            y, state = lstm(inputs.view(*rows.shape, -1), state)
            y = y.flatten(0, 1)
            outputs.index_copy_(
                0, rows.flatten(), y if weight is None else F.linear(y, weight)
            )
            states = torch.cat(state, -1).squeeze(0)
            if is_first_run:
                met.append(states)
                continue
            same = agree(states, met[block][again], tolerance)
            met[block][again] = states
            again, states = again[~same], states[~same]
            if not len(again):
                break
        return met[-1][index]

    zeros = x.new_zeros(len(pieces.columns), 2 * lstm.hidden_size)
    settle(run, zeros, pieces.begin, tolerance)
    return outputs[:-1]
