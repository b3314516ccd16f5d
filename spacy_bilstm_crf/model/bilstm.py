"""torch: bidirectional LSTM over padded batches, without packing."""

from typing import Any, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BiLSTM(nn.Module):
    """Stacked bidirectional LSTM whose vectors never depend on padding.

    A bidirectional `nn.LSTM` over a padded batch runs its backward direction through the
    padding first, and packing the batch leaves the fast kernels. Here each direction is a
    unidirectional LSTM over right-padded input, the backward one on every sequence
    reversed within its own length. Equal to `nn.LSTM` on a `PackedSequence`.

    width (int): Width of the input vectors.
    hidden_width (int): Width of each direction; the output is twice as wide.
    depth (int): Number of layers. 0 gives the identity.
    """

    def __init__(self, width: int, hidden_width: int, depth: int) -> None:
        super().__init__()
        widths = [width, *([2 * hidden_width] * depth)]
        self.width_out = widths[depth]
        self.forwards = nn.ModuleList(nn.LSTM(w, hidden_width) for w in widths[:depth])
        self.backwards = nn.ModuleList(nn.LSTM(w, hidden_width) for w in widths[:depth])

    def forward(
        self, x: Tensor, lengths: Tensor, dropout: float = 0.0, locked: bool = False
    ) -> Tensor:
        """Encode a batch.

        x (Tensor): Right-padded vectors, shape (T, B, width).
        lengths (Tensor): Length of each sequence, int64, shape (B,).
        dropout (float): Dropout rate between layers, 0 in prediction.
        locked (bool): Drop the same units at every time step (variational dropout,
            Gal & Ghahramani 2016) instead of drawing anew.
        RETURNS (Tensor): Shape (T, B, 2 * hidden_width); values at padding are arbitrary.
        """
        index = reversal_index(lengths, x.shape[0])
        layers: Any = zip(self.forwards, self.backwards, strict=True)
        for i, (forwards, backwards) in enumerate(layers):
            if i:
                x = drop(x, dropout, locked)
            ahead = forwards(x)[0]
            behind = backwards(reverse(x, index))[0]
            x = torch.cat((ahead, reverse(behind, index)), dim=-1)
        return x


def drop(x: Tensor, rate: float, locked: bool) -> Tensor:
    """Apply dropout to padded vectors of shape (T, B, width).

    The rate is an argument, not a mode of the module: spaCy sets it anew for every
    update, and a module without modes can predict in several threads at once.
    """
    if rate <= 0.0:
        return x
    if locked:
        return x * F.dropout(x.new_ones(1, *x.shape[1:]), rate)
    return F.dropout(x, rate)


def reversal_index(lengths: Tensor, num_steps: int) -> Tensor:
    """Index that reverses each sequence within its own length and leaves padding alone.

    lengths (Tensor): Shape (B,).
    num_steps (int): T.
    RETURNS (Tensor): Rows of the batch flattened to (T * B, ...), int64, shape (T * B,).
    """
    steps = torch.arange(num_steps, device=lengths.device).unsqueeze(1)
    steps = torch.where(steps < lengths, lengths - 1 - steps, steps)
    columns = torch.arange(lengths.shape[0], device=lengths.device)
    return (steps * lengths.shape[0] + columns).flatten()


def reverse(x: Tensor, index: Tensor) -> Tensor:
    """Reverse each sequence of a batch of shape (T, B, ...) by `reversal_index`."""
    turned: Tensor = _Reverse.apply(x, index)  # type: ignore[no-untyped-call]
    return turned


class _Reverse(torch.autograd.Function):
    """The permutation is its own inverse, so the gradient is one more gather where autograd
    would scatter-add into zeros."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        return x.flatten(0, 1).index_select(0, index).view(x.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return reverse(grads[0], index), None
