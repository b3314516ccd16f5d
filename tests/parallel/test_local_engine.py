"""Real processes, real kills. They take seconds to start, so there are few of these."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures.process import BrokenProcessPool

import pytest

from spacy_bilstm_crf.parallel.apply import apply_parallel
from spacy_bilstm_crf.parallel.job import Job
from spacy_bilstm_crf.parallel.local_engine import LocalEngine
from spacy_bilstm_crf.parallel.shards import Output, Shard

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")


def is_alive(pid):
    """Whether a process is at work: one that has ended may wait for somebody to ask."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True)
    return state.stdout.strip()[:1] not in (b"", b"Z")


def test_a_worker_that_died_while_it_was_idle_is_known_as_such(find, tmp_path):
    class Broken:
        def submit(self, *args):
            raise BrokenProcessPool

    engine = LocalEngine(Job(find, Output(tmp_path, ".jsonl")))
    with pytest.raises(engine.died):
        engine.result(engine.submit(Broken(), Shard("in.jsonl", 0, 1, 0, 1)))


def test_after_an_error_nobody_waits_for_its_workers(find, tmp_path):
    others = multiprocessing.Process(target=time.sleep, args=(60,), daemon=True)
    own = multiprocessing.Process(target=time.sleep, args=(60,), daemon=True)

    def fail():
        with LocalEngine(Job(find, Output(tmp_path, ".jsonl"))):
            own.start()
            raise OSError("disk full")

    with warnings.catch_warnings():
        # Python 3.12 and later warn of a fork while there are threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        others.start()
        with pytest.raises(OSError, match="disk full"):
            fail()
    own.join(20)
    assert own.exitcode == -signal.SIGKILL
    assert others.is_alive()
    others.kill()


def test_worker_and_parent_can_be_killed_and_nothing_is_lost(
    find, model, code_path, write_rows, tmp_path, here, read_rows
):
    texts = [f"{i} and {i}" for i in range(30)]
    texts[5] = f"worker {tmp_path / 'first'}"
    texts[15] = f"parent {tmp_path / 'second'}"
    command = ["bilstm-crf", "apply-parallel", model, write_rows(texts), tmp_path / "out"]
    options = ["--engine", "local", "--shard-rows", "10", "--code", code_path]
    done = subprocess.run(
        [sys.executable, "-m", "spacy", *map(str, command + options)],
        capture_output=True,
        timeout=200,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    first, second = (int((tmp_path / name).read_text()) for name in ("first", "second"))
    assert first != second
    # The worker does not go on for nobody.
    for _ in range(200):
        if not is_alive(second):
            break
        time.sleep(0.1)
    else:
        pytest.fail("the worker is still there")
    assert len(list((tmp_path / "out" / "rows").glob("0*"))) in (1, 2)
    done = apply_parallel(find, tmp_path / "in.jsonl", tmp_path / "out", shard_rows=10)
    assert done.rows == 30
    assert done.before in (10, 20)
    rows = read_rows()
    assert [(row["id"], row["text"]) for row in rows] == list(enumerate(texts))
    assert [row["entities"] for row in rows] == find({"text": texts})["entities"]
    # What the killed ones have begun is gone.
    assert len(os.listdir(tmp_path / "out" / "rows")) == 3
