"""The processes of one training, started by torchrun, and what they tell each other."""

import re
import zlib
from array import array
from contextlib import contextmanager, suppress
from datetime import timedelta
from textwrap import shorten
from typing import Any, Iterable, Iterator, List, NamedTuple, NoReturn, Optional

import torch
import torch.distributed as dist
from torch import Tensor

from .interrupts import Interrupts

# How long a rank waits for the others: longer than any evaluation takes. Whoever is killed
# is missed at once.
TIMEOUT = timedelta(hours=2)
CPU = torch.device("cpu")
# Number of characters of an error that is not ours.
LONGEST = 160
# Where gloo was compiled.
SOURCE = re.compile(r"^\[[^\]]*\] *")


class RankError(ValueError):
    """Raised on all ranks if one of them cannot go on. The message names it."""


class Told(NamedTuple):
    """Why all ranks end.

    text (str): What one of them says.
    interrupted (bool): Whether it was interrupted, so that nothing is wrong.
    """

    text: str
    interrupted: bool = False


class Ranks:
    """This process among those that train one pipeline together. Each of them makes the
    same exchanges in the same order. Every exchange begins with a meeting, where all of
    them learn that one has failed, whatever it was about to exchange.

    rank (int): The number of this process. Rank 0 evaluates, logs and saves.
    count (int): How many there are.
    local_rank (int): The number among those of this machine, and of its GPU.
    """

    def __init__(self, rank: int, count: int, local_rank: int) -> None:
        self.rank = rank
        self.count = count
        self.local_rank = local_rank
        self.interrupts = Interrupts()
        self._trace = 0
        self._told: Optional[str] = None

    @property
    def leads(self) -> bool:
        """RETURNS (bool): Whether this is rank 0."""
        return self.rank == 0

    def pick_gpu(self, use_gpu: int) -> int:
        """Choose a GPU of this machine for this rank alone.

        use_gpu (int): Whether to use GPUs: -1 for none.
        RETURNS (int): Its number, or -1.
        RAISES (ValueError): If there are not so many.
        """
        if use_gpu < 0:
            return -1
        found = torch.cuda.device_count()
        if self.local_rank >= found:
            raise ValueError(
                f"GPU {self.local_rank} is needed, and this machine has {found}: lower "
                "--nproc-per-node, or leave --gpu-id out"
            )
        return self.local_rank

    def note(self, numbers: Iterable[int]) -> None:
        """Take down what is the same on each rank: if it is not, the next meeting fails."""
        self._trace = zlib.crc32(array("q", numbers), self._trace)

    def meet(self) -> None:
        """Wait for all ranks."""
        with self._exchange():
            pass

    def broadcast(self, value: Any) -> Any:
        """RETURNS (Any): The value of rank 0."""
        with self._exchange():
            return _broadcast(value, 0)

    def gather(self, value: Any) -> List[Any]:
        """RETURNS (List[Any]): On rank 0 the values of all ranks. Elsewhere nothing."""
        values = [None] * self.count if self.leads else None
        with self._exchange():
            dist.gather_object(value, values)
        return values or []

    def sum(self, tensor: Tensor) -> None:
        """Put the sum over all ranks in the place of a tensor.

        tensor (Tensor): Of the same size on each rank.
        """
        with self._exchange():
            dist.all_reduce(tensor)

    def tell(self, error: BaseException) -> str:
        """Let the other ranks know of an error, unless all know of one already.

        error (BaseException): The error. If it is a KeyboardInterrupt, it is one for the
            others too.
        RETURNS (str): The one that all know of.
        """
        if self._told is None:
            told = Told(describe(error), isinstance(error, KeyboardInterrupt))
            with suppress(RankError, KeyboardInterrupt), self._exchange(told):
                pass
        return str(self._told)

    @contextmanager
    def _exchange(self, told: Optional[Told] = None) -> Iterator[None]:
        with self.interrupts.held():
            try:
                self._meet(told)
                yield
            except RuntimeError as error:
                lost = shorten(SOURCE.sub("", str(error)), LONGEST)
                self._fail(
                    Told(
                        f"rank {self.rank} has lost another one, which was killed or "
                        f"cannot be reached: {lost}"
                    )
                )

    def _meet(self, told: Optional[Told]) -> None:
        mine = (self.count - self.rank if told else 0, self._trace, -self._trace)
        numbers = torch.tensor(mine)
        dist.all_reduce(numbers, op=dist.ReduceOp.MAX)
        failed, highest, lowest = numbers.tolist()
        if failed:
            rank = self.count - failed
            text, interrupted = _broadcast(told, rank)
            self._fail(Told(f"rank {rank}: {text}", interrupted))
        if highest != -lowest:
            self._fail(
                Told(
                    "the ranks read other batches: they need the same data, and readers "
                    "that draw random numbers from Python's `random` only"
                )
            )

    def _fail(self, told: Told) -> NoReturn:
        self._told = told.text
        if told.interrupted:
            # This rank may be about to get it too: not while it saves because of it.
            self.interrupts.ignore()
            raise KeyboardInterrupt
        raise RankError(told.text)


def _broadcast(value: Any, source: int) -> Any:
    box = [value]
    dist.broadcast_object_list(box, src=source, device=CPU)
    return box[0]


def describe(error: BaseException) -> str:
    """RETURNS (str): What an error says, in one line."""
    if isinstance(error, SystemExit) and error.__context__ is not None:
        # spaCy shows what is wrong with a config by itself, and ends the process.
        error = error.__context__
    return " ".join(str(error).split()) or type(error).__name__
