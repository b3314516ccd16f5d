"""A training batch that does not fit into memory, as two halves."""

from contextlib import contextmanager
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import torch
from spacy.util import logger
from torch import Tensor

SMALLER = (
    "make batches smaller (size in [training.batcher]), or cut long texts (--max-tokens of "
    "`spacy bilstm-crf convert`)"
)
# What torch and its libraries say, on a CPU and on a GPU.
MARKS = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")

# Of the token vectors, and of each weight: None if the loss does not depend on it.
Gradients = Tuple[Tensor, Sequence[Optional[Tensor]]]


class Padded(NamedTuple):
    """Arguments of `BiLSTMCRF` in training.

    vectors (Tensor): Token vectors, shape (T, B, width).
    others (List[Tensor]): Lengths, shape (B,), and perhaps allowed tags, shape (T, B, K).
    kwargs (Dict[str, Any]): All others.
    """

    vectors: Tensor
    others: List[Tensor]
    kwargs: Dict[str, Any]

    def halve(self) -> List["Padded"]:
        """RETURNS (List[Padded]): The first and the second half of the sequences."""
        middle = self.vectors.shape[1] // 2
        return [self._cut(0, middle), self._cut(middle, self.vectors.shape[1])]

    def _cut(self, start: int, end: int) -> "Padded":
        lengths, *allowed = self.others
        others = [lengths[start:end], *(tags[:, start:end] for tags in allowed)]
        kwargs = dict(self.kwargs)
        if kwargs.get("teacher") is not None:
            network, taught = kwargs["teacher"]
            kwargs["teacher"] = (network, taught[:, start:end])
        if kwargs.get("incorrect") is not None:
            spans = kwargs["incorrect"]
            column = spans[:, 0]
            kwargs["incorrect"] = spans[(column >= start) & (column < end)].clone()
            kwargs["incorrect"][:, 0] -= start
        vectors = self.vectors.detach()[:, start:end].requires_grad_()
        return Padded(vectors, others, kwargs)


def learn(
    batch: Padded,
    forward: Callable[[Padded], Tensor],
    differentiate: Callable[[Padded, Tensor, Tensor], Gradients],
) -> Tuple[Tensor, Callable[[Tensor], Gradients]]:
    """Run a batch for training. If memory does not suffice, run its halves, one after the
    other: the gradients are the same, but for what dropout draws, because losses are summed
    over sequences.

    batch (Padded): The batch.
    forward (Callable): Gives the losses of a batch, shape (B,).
    differentiate (Callable): Takes a batch, its losses and their gradient, and gives the
        gradients of the token vectors and of each weight. It adds them to nothing itself:
        half of what a failed attempt has found would count twice.
    RETURNS (Tuple[Tensor, Callable]): The losses, and a callback that takes their gradient
        and gives what `differentiate` does.
    RAISES (MemoryError): If a half is too much as well.
    """
    whole: Optional[Tensor] = None
    with _forgive():
        whole = forward(batch)
    losses = _losses_of_halves(batch, forward) if whole is None else whole

    def backprop(d_losses: Tensor) -> Gradients:
        if losses.requires_grad:
            with _forgive():
                return differentiate(batch, losses, d_losses)
            _warn(batch)
            # The caller holds the losses: this frees all that they were computed from.
            losses.detach_()
        halves = batch.halve()
        parts = zip(halves, d_losses.split([len(h.others[0]) for h in halves]), strict=True)
        with _explain(batch):
            (d_one, one), (d_two, two) = [
                differentiate(half, forward(half), d_half) for half, d_half in parts
            ]
        return torch.cat((d_one, d_two), dim=1), add_gradients(one, two)

    return losses, backprop


def add_gradients(
    one: Sequence[Optional[Tensor]], two: Sequence[Optional[Tensor]]
) -> List[Optional[Tensor]]:
    """RETURNS (List[Optional[Tensor]]): The sum for each weight."""
    pairs = zip(one, two, strict=True)
    return [a if b is None else b if a is None else a + b for a, b in pairs]


def _losses_of_halves(batch: Padded, forward: Callable[[Padded], Tensor]) -> Tensor:
    _warn(batch)
    # What both keep for the gradient would be too much again: backprop runs them anew.
    with _explain(batch), torch.no_grad():
        return torch.cat([forward(half) for half in batch.halve()])


@contextmanager
def _forgive() -> Iterator[None]:
    """Let what is inside fail for want of memory, and free what it held: as long as an
    error is handled it keeps its frames, and they keep their tensors."""
    try:
        yield
        return
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """RETURNS (bool): Whether an error says that memory did not suffice."""
    said = any(mark in str(error).lower() for mark in MARKS)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and said)


def _warn(batch: Padded) -> None:
    size = _describe(batch)
    if batch.vectors.shape[1] == 1:
        raise MemoryError(f"out of memory on {size}: {SMALLER}")
    logger.warning("Out of memory on %s: trying again in two halves", size)


@contextmanager
def _explain(batch: Padded) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(
            f"out of memory on {_describe(batch)}, and on half of them: {SMALLER}"
        ) from error


def _describe(batch: Padded) -> str:
    longest, count = batch.vectors.shape[:2]
    if count == 1:
        return f"a text of {longest:,} tokens"
    return f"{count:,} texts of up to {longest:,} tokens"
