import io
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from spacy_bilstm_crf.training.ranks.group import RankError
from spacy_bilstm_crf.training.ranks.join import find_ranks, join_ranks


@pytest.mark.parametrize("environ", [{}, {"WORLD_SIZE": "1", "RANK": "0"}])
def test_one_process_has_no_ranks(environ):
    assert find_ranks(environ) is None


def test_torchrun_says_which_rank_this_is():
    ranks = find_ranks({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"})
    assert (ranks.rank, ranks.count, ranks.local_rank, ranks.leads) == (5, 8, 1, False)


@pytest.mark.parametrize("rank", [{}, {"RANK": "one", "LOCAL_RANK": "1"}])
def test_half_an_environment_is_an_error(rank):
    expected = f"RANK is {rank.get('RANK', 'not set')}, WORLD_SIZE is 2, .*: start several"
    with pytest.raises(RankError, match=expected):
        find_ranks({"WORLD_SIZE": "2", **rank})


@pytest.fixture
def run_joined(start_processes):
    """Call a function in each of two processes that join as ranks. An OSError is one whose
    message is enough.

    RETURNS (List[Tuple[str, str]]): How each ends, and what it writes to `stderr`.
    """

    def run(work):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        address = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environs = [
            {**address, "RANK": rank, "LOCAL_RANK": rank, "TORCHELASTIC_RESTART_COUNT": "0"}
            for rank in "01"
        ]
        return start_processes(_join, [(environ, work) for environ in environs])

    return run


def _join(environ, work, sender):
    os.environ.update(environ)
    sys.stderr = io.StringIO()
    end = "done"
    try:
        with join_ranks(-1, (OSError,)) as ranks:
            work(ranks)
    except BaseException as error:
        end = repr(error)
    sender.send((end, sys.stderr.getvalue()))


def interrupt(pid):
    os.kill(pid, signal.SIGINT)


def test_all_leave_together(run_joined):
    assert run_joined(lambda ranks: ranks.meet()) == [("done", "")] * 2


def test_an_interrupt_of_one_rank_is_one_for_all(run_joined):
    def work(ranks):
        if ranks.rank == 1:
            interrupt(os.getpid())
        try:
            ranks.meet()
        except KeyboardInterrupt:
            # torchrun sends it to all of them. What is saved is not broken off.
            interrupt(os.getpid())
            raise KeyboardInterrupt("saved") from None

    assert run_joined(work) == [("KeyboardInterrupt('saved')", ""), ("SystemExit(1)", "")]


def test_an_interrupt_waits_for_the_end_of_an_exchange(run_joined):
    def work(ranks):
        pid = ranks.broadcast(os.getpid())
        sums = torch.ones(2)
        if ranks.rank == 1:
            # Rank 0 is waiting by now.
            time.sleep(0.3)
            interrupt(pid)
            time.sleep(0.1)
        try:
            ranks.sum(sums)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(sums.tolist()) from None

    assert run_joined(work)[0][0] == "KeyboardInterrupt([2.0, 2.0])"


def test_an_unknown_error_of_another_rank_is_traced(run_joined):
    def work(ranks):
        if ranks.rank == 1:
            raise ZeroDivisionError("by zero")
        ranks.meet()

    (first, nothing), (second, trace) = run_joined(work)
    assert (first, second) == ("RankError('rank 1: by zero')", "SystemExit(1)")
    assert nothing == ""
    assert "Traceback" in trace
    assert trace.endswith("ZeroDivisionError: by zero\n")


def test_a_rank_that_is_done_waits_for_the_others(run_joined):
    def work(ranks):
        if ranks.leads:
            time.sleep(0.2)
            raise OSError("disk full")

    assert run_joined(work) == [
        ("RankError('rank 0: disk full')", ""),
        ("SystemExit(1)", ""),
    ]


# In an interpreter that has imported nothing yet.
END = """
import sys, pathlib
import torch.distributed as dist
from spacy_bilstm_crf.training.ranks import join

join._connect(False)
# As torch does while it trains.
import torch.distributed.nn.functional
dist.destroy_process_group()
print(*(task.joinpath("comm").read_text().strip() for task in
        pathlib.Path("/proc/self/task").iterdir()))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="lists threads on Linux")
def test_no_thread_is_left_that_could_meet_the_end_of_python():
    environ = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    environ["MASTER_PORT"] = "0"
    done = subprocess.run(
        [sys.executable, "-c", END],
        env={**os.environ, **environ},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "gloo" not in done.stdout
