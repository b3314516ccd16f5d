"""Several ranks in a test: forked processes, which have all that was imported and built."""

import multiprocessing
import warnings
from contextlib import suppress
from datetime import timedelta

import pytest
import torch.distributed as dist

from spacy_bilstm_crf.training.ranks.group import Ranks

# Longer than a busy machine takes.
TIMEOUT = 300


@pytest.fixture
def run_ranks(tmp_path_factory, start_processes):
    """Call a function in each of some processes, with its ranks.

    RETURNS (List[Any]): What it has returned in each, or the error that it has raised. None
        if the process has died.
    """

    def run(work, count=2):
        store = tmp_path_factory.mktemp("ranks") / "store"
        return start_processes(_work, [(rank, count, store, work) for rank in range(count)])

    return run


@pytest.fixture
def start_processes(one_thread):
    """Call a function in a process for each of some tuples of arguments.

    RETURNS (List[Any]): What each has sent. None if the process has died.
    """

    def run(target, arguments):
        context = multiprocessing.get_context("fork")
        started = []
        for args in arguments:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=target, args=(*args, sender))
            with warnings.catch_warnings():
                # Python 3.12 and later warn of a fork while there are threads.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            sender.close()
            started.append((process, receiver))
        try:
            return [_receive(receiver) for _, receiver in started]
        finally:
            for process, _ in started:
                process.join(1)
                process.kill()

    return run


def _receive(receiver):
    assert receiver.poll(TIMEOUT), "a rank hangs"
    try:
        return receiver.recv()
    except EOFError:
        return None


def _work(rank, count, store, work, sender):
    ranks = Ranks(rank, count, rank)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{store}",
        rank=rank,
        world_size=count,
        timeout=timedelta(seconds=TIMEOUT),
    )
    try:
        sender.send(work(ranks))
    except Exception as error:
        sender.send(error)
    # A process that leaves looks like one that has died.
    with suppress(RuntimeError):
        dist.barrier()


class FakeRanks:
    """One of several ranks, of which the others do nothing."""

    def __init__(self, rank, count):
        self.rank = rank
        self.count = count
        self.leads = rank == 0

    def broadcast(self, value):
        return value

    def note(self, numbers):
        list(numbers)

    def sum(self, tensor):
        pass


@pytest.fixture
def fake_ranks():
    return FakeRanks
