"""Be one of the processes that torchrun has started, and end with them."""

import logging
import os
import traceback
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from typing import Iterator, Mapping, Optional, Tuple, Type

import torch
import torch.distributed as dist
from spacy.util import logger

from .group import TIMEOUT, RankError, Ranks, describe


@contextmanager
def join_ranks(
    use_gpu: int, faults: Tuple[Type[BaseException], ...]
) -> Iterator[Optional[Ranks]]:
    """Be one of the processes that torchrun has started, for as long as this is entered.
    If one of them fails, all end: rank 0 with an error that says what has happened, and the
    others without a word. Nothing but rank 0 writes to the standard output.

    use_gpu (int): Whether to use GPUs: -1 for none.
    faults (Tuple[Type[BaseException], ...]): Errors whose message is enough.
    YIELDS (Optional[Ranks]): The ranks, or None if there is one process only.
    RAISES (RankError): On rank 0, if another one has failed, or it has by itself with one
        of these errors.
    """
    ranks = find_ranks(os.environ)
    if ranks is None:
        yield None
        return
    try:
        _connect(use_gpu >= 0)
    except (RuntimeError, ValueError, ImportError) as error:
        raise RankError(
            f"rank {ranks.rank} cannot reach the others ({describe(error)}): start all of "
            "them with torchrun"
        ) from error
    with ExitStack() as stack:
        stack.enter_context(ranks.interrupts)
        if not ranks.leads:
            stack.enter_context(_without_output())
        try:
            yield ranks
            # Rank 0 has still to save what the others have finished.
            ranks.meet()
        except BaseException as error:
            known = isinstance(error, (RankError, SystemExit, KeyboardInterrupt, *faults))
            if not (known or ranks.leads):
                traceback.print_exc()
            told = ranks.tell(error)
            if ranks.leads and known and isinstance(error, Exception):
                raise RankError(told) from error
            if ranks.leads:
                raise
            # torchrun ends all of them when one has ended: not before rank 0 has shown what
            # it knows, which leaves this without an answer.
            with suppress(RuntimeError):
                dist.all_reduce(torch.zeros(1))
            raise SystemExit(1) from error
    dist.destroy_process_group()


def find_ranks(environ: Mapping[str, str]) -> Optional[Ranks]:
    """Find out which of the processes this one is.

    environ (Mapping[str, str]): The environment, as torchrun sets it.
    RETURNS (Optional[Ranks]): The ranks, or None if there is one process only.
    RAISES (RankError): If the environment makes no sense.
    """
    if environ.get("WORLD_SIZE", "1") == "1":
        return None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    try:
        rank, count, local_rank = (int(environ[name]) for name in names)
    except (KeyError, ValueError) as error:
        found = ", ".join(f"{name} is {environ.get(name, 'not set')}" for name in names)
        raise RankError(
            f"{found}: start several processes with torchrun, or unset WORLD_SIZE"
        ) from error
    return Ranks(rank, count, local_rank)


def _connect(use_gpu: bool) -> None:
    # Some builds of torch have no such thing, and train in one process.
    # Functions in `nn` have for a default the group that is there when they are defined.
    # Torch imports them sooner or later: too late, and the group stays when it is
    # destroyed, with threads that abort the process when they meet the end of Python.
    import torch.distributed.nn  # noqa: F401
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, rank, count = next(rendezvous("env://", timeout=TIMEOUT))
    # Processes that torchrun starts again would find the addresses of those before.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    with_nccl = use_gpu and dist.is_nccl_available()
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if with_nccl else "gloo",
        store=PrefixStore(attempt, store),
        rank=rank,
        world_size=count,
        timeout=TIMEOUT,
    )


@contextmanager
def _without_output() -> Iterator[None]:
    """Write nothing to the standard output, and warnings only to the other one."""
    if logger.level == logging.INFO:
        logger.setLevel(logging.WARNING)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield
