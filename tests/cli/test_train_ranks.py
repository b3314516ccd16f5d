"""`torchrun ... -m spacy bilstm-crf train`, as people start it."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
from click import unstyle

from spacy_bilstm_crf.training.checkpoint import find_checkpoint

ROOT = Path(__file__).parents[2]
BEFORE_UPDATE = '\n[training.before_update]\n@callbacks = "fail.v1"\n'
# Rank 1 fails in step 5, and when torchrun has started all ranks again it is killed there.
FAIL = """
import os, pathlib, signal, spacy

@spacy.registry.callbacks("fail.v1")
def create_fail():
    def before_update(nlp, args):
        if "FAIL" not in os.environ or os.environ["RANK"] == "0" or args["step"] != 5:
            return
        if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            raise ValueError("it is broken")
        pathlib.Path(os.environ["FAIL"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return before_update
"""
# Longer than a busy machine takes.
TIMEOUT = 300


@pytest.fixture(scope="module")
def start(tmp_path_factory, overrides):
    """Start torchrun with some options. RETURNS (Popen): The process."""
    folder = tmp_path_factory.mktemp("ranks")
    config, code = folder / "fail.cfg", folder / "fail.py"
    text = (ROOT / "configs" / "bilstm_crf.cfg").read_text("utf8")
    config.write_text(text + BEFORE_UPDATE, "utf8")
    code.write_text(FAIL, "utf8")

    def start_torchrun(options, output, environ=None):
        command = [sys.executable, "-m", "torch.distributed.run", *options.split()]
        command += ["-m", "spacy", "bilstm-crf", "train", str(config), "--resume"]
        command += ["--code", str(code), "--output", str(output), *overrides]
        env = {"OMP_NUM_THREADS": "1", "COLUMNS": "200", **(environ or {})}
        return subprocess.Popen(
            command,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf8",
        )

    return start_torchrun


def end(process):
    """Wait for the end of a process. RETURNS (Tuple[int, str, str]): Its exit code, and
    what it has written."""
    try:
        shown, errors = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
    return process.returncode, unstyle(shown), errors


def find_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_two_machines_train_one_pipeline(start, tmp_path):
    options = f"--nnodes 2 --master-addr 127.0.0.1 --master-port {find_port()} --node-rank"
    agents = [start(f"{options} {rank}", tmp_path / "out") for rank in (0, 1)]
    (code, shown, errors), (other, nothing, _) = [end(agent) for agent in agents]
    assert (code, other) == (0, 0), errors
    assert nothing == ""
    steps = [line.split()[1] for line in shown.splitlines() if line.startswith("  ")]
    assert steps == ["0", "3", "6", "9", "12"]
    assert re.search(r"ℹ \d+ sentences/s: \d+ \+ \d+\n", shown)
    spacy.load(tmp_path / "out" / "model-best")


def test_a_rank_that_fails_or_is_killed_ends_all(start, tmp_path):
    # And they go on from the checkpoint if torchrun starts them again.
    killed = tmp_path / "killed"
    options = "--nproc-per-node 2 --max-restarts 1"
    process = start(options, tmp_path / "out", {"FAIL": str(killed)})
    code, shown, errors = end(process)
    assert code != 0
    assert time.time() - killed.stat().st_mtime < 60
    assert "✘ rank 1: it is broken\n" in shown
    # One message is all there is: the traceback is torchrun's.
    assert (shown + errors).count("it is broken") == 1
    assert "Resuming after step 3" in shown
    assert find_checkpoint(tmp_path / "out", resume=True).progress.step == 3
