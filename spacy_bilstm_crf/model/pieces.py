"""torch: long sequences as pieces that run side by side.

A recursion over few sequences leaves most of a processor idle: each step waits for the one
before it. So the sequences are cut, each piece starts from a guess of the state that the
one before it ends in, and those whose guess proves wrong run again from the true one. The
result is that of the plain recursion, up to rounding, whatever the guesses.
"""

from typing import Callable, NamedTuple, Tuple

import torch
from torch import Tensor

# For recursions over tags. Steps of a piece, and steps after which its state mostly no
# longer depends on where it began.
PIECE = 512
WARM_UP = 64
# Steps from which on pieces are worth the trouble, and numbers in each step, B * K, up to
# which one step takes about as long as one of few.
LONG = 2048
NARROW = 512
# Rounds in which all wrong pieces run again together; after that one of each sequence.
ROUNDS = 3

# From the indices of pieces and the states they start in, shape (pieces, ...), to the
# states they end in.
Run = Callable[[Tensor, Tensor], Tensor]


class Pieces(NamedTuple):
    """The pieces of a padded batch of shape (T, B, ...), one sequence after the other.

    shape (Tuple[int, int]): T and B.
    steps (int): Length of a piece. The last one of a sequence may go on behind its end.
    columns (Tensor): Sequence of each piece, int64, shape (pieces,).
    starts (Tensor): Its first step there, int64, shape (pieces,).
    lengths (Tensor): Length of its sequence, int64, shape (pieces,).
    """

    shape: Tuple[int, int]
    steps: int
    columns: Tensor
    starts: Tensor
    lengths: Tensor

    @property
    def begin(self) -> Tensor:
        """RETURNS (Tensor): Whether a piece begins its sequence, bool, shape (pieces,)."""
        return self.starts == 0

    @property
    def end(self) -> Tensor:
        """RETURNS (Tensor): Whether a piece ends its sequence, bool, shape (pieces,)."""
        return self.starts + self.steps >= self.lengths

    def rows(self, index: Tensor, start: int, stop: int, backward: bool = False) -> Tensor:
        """Find some steps of some pieces in the batch flattened to (T * B, ...).

        index (Tensor): The pieces, shape (n,).
        start (int): The first step.
        stop (int): The step after the last one.
        backward (bool): Whether each sequence was reversed before it was cut.
        RETURNS (Tensor): Shape (stop - start, n); T * B behind the end of a sequence.
        """
        num_steps, num_seqs = self.shape
        lengths = self.lengths[index]
        steps = torch.arange(start, min(stop, self.steps), device=index.device)
        steps = self.starts[index] + steps.unsqueeze(1)
        inside = steps < lengths
        steps = lengths - 1 - steps if backward else steps
        rows = steps * num_seqs + self.columns[index]
        return torch.where(inside, rows, num_steps * num_seqs)


def is_worth_cutting(num_steps: int, num_seqs: int, num_tags: int) -> bool:
    """RETURNS (bool): Whether pieces are faster than a plain recursion over tags."""
    return num_steps >= LONG and num_seqs * num_tags <= NARROW


def cut(lengths: Tensor, num_steps: int, steps: int) -> Pieces:
    """Cut the sequences of a padded batch.

    lengths (Tensor): Their lengths, at least 1, int64, shape (B,).
    num_steps (int): T.
    steps (int): Length of a piece.
    """
    counts = (lengths + steps - 1).div(steps, rounding_mode="floor")
    columns = torch.arange(len(lengths), device=lengths.device).repeat_interleave(counts)
    before = counts.cumsum(0) - counts
    starts = (torch.arange(len(columns), device=lengths.device) - before[columns]) * steps
    return Pieces((num_steps, len(lengths)), steps, columns, starts, lengths[columns])


def settle(
    run: Run, guesses: Tensor, known: Tensor, atol: float, rtol: float = 0.0
) -> None:
    """Run pieces until each one starts in the state that the one before it ends in.

    run (Run): Runs some of the pieces and keeps their results.
    guesses (Tensor): State that each piece starts in, shape (pieces, ...). Changed in
        place.
    known (Tensor): Whether it is true and depends on no other piece, as for the first one,
        bool, shape (pieces,).
    atol (float): Largest difference between states that counts as none.
    rtol (float): And as a share of the state.
    """
    index = torch.arange(len(guesses), device=guesses.device)
    sequences = known.cumsum(0)
    ends = run(index, guesses)
    # In each round at least one more piece is right.
    for i in range(len(guesses) + ROUNDS):
        same = agree(guesses[1:], ends[:-1], atol, rtol) | known[1:]
        wrong = index[1:][~same]
        if not len(wrong):
            return
        if i >= ROUNDS:
            others = sequences[wrong]
            is_first = torch.ones_like(wrong, dtype=torch.bool)
            is_first[1:] = others[1:] != others[:-1]
            wrong = wrong[is_first]
        guesses[wrong] = ends[wrong - 1]
        ends[wrong] = run(wrong, guesses[wrong])


def agree(states: Tensor, others: Tensor, atol: float, rtol: float = 0.0) -> Tensor:
    """RETURNS (Tensor): Whether states of shape (n, ...) are the same, bool, shape (n,)."""
    # What is no number stays none: it cannot become more right.
    same = torch.isclose(states, others, rtol=rtol, atol=atol, equal_nan=True)
    return same.flatten(1).all(1)
