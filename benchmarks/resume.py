"""Kill a training at random steps, resume it each time, and compare it with one that was
left alone: all weights, their averages, and all that the optimizer knows."""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Optional

import numpy
import spacy
import timing
from safetensors.numpy import load_file
from spacy.util import load_config

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "corpus" / "demo"
KINDS = ("weights", "averages", "mom1", "mom2")
# A callback that the config names: the process dies before it learns from this step.
KILL = """
import os, signal, spacy

@spacy.registry.callbacks("kill.v1")
def create_kill():
    def before_update(nlp, args):
        if str(args["step"]) == os.environ.get("KILL_AT"):
            os.kill(os.getpid(), signal.SIGKILL)
    return before_update
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="train and dev.spacy")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "bilstm_crf.cfg")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--eval-frequency", type=int, default=25)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the steps to be killed at")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/resume.json"))
    args = parser.parse_args()
    kill_at = sorted(random.Random(args.seed).sample(range(1, args.steps + 1), args.kills))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        command = prepare(work, args)
        begin = time.perf_counter()
        run(command, work / "whole")
        whole = time.perf_counter() - begin
        for step in kill_at:
            run(command, work / "parts", kill_at=step)
            # Whenever it is killed, there are two pipelines that can be used.
            for name in ("model-last", "model-best"):
                spacy.load(work / "parts" / name)
        run(command, work / "parts")
        differences = compare(work / "whole", work / "parts")
    timing.show(
        ("", "arrays", "largest difference"),
        [(kind, *found.values()) for kind, found in differences.items()],
    )
    timing.write_json(
        args.json,
        {
            "steps": args.steps,
            "killed_at": kill_at,
            "seconds_uninterrupted": round(whole, 1),
            "differences": differences,
        },
    )


def prepare(work: Path, args: argparse.Namespace) -> List[str]:
    """RETURNS (List[str]): The command that trains, but for its output folder."""
    config = load_config(args.config)
    config["training"]["before_update"] = {"@callbacks": "kill.v1"}
    config["training"]["max_steps"] = args.steps
    config["training"]["optimizer"]["learn_rate"]["total_steps"] = args.steps
    config["training"]["eval_frequency"] = args.eval_frequency
    config["training"]["logger"]["progress_bar"] = False
    for name in ("train", "dev"):
        config["paths"][name] = str(args.corpus / f"{name}.spacy")
    config.to_disk(work / "config.cfg")
    (work / "kill.py").write_text(KILL, encoding="utf8")
    command = [sys.executable, "-m", "spacy", "bilstm-crf", "train", "--resume"]
    return [*command, str(work / "config.cfg"), "--code", str(work / "kill.py")]


def run(command: List[str], output: Path, kill_at: Optional[int] = None) -> None:
    """Train or resume, until the end or until the process is killed."""
    # With several threads sums come in another order each time.
    env = {**os.environ, "KILL_AT": str(kill_at), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--output", str(output)], env=env)
    expected = 0 if kill_at is None else -signal.SIGKILL
    if done.returncode != expected:
        sys.exit(f"exit code {done.returncode}, expected {expected}")


def compare(one: Path, other: Path) -> Dict[str, Dict[str, float]]:
    """RETURNS (Dict[str, Dict[str, float]]): For each kind of arrays their number, and the
    largest difference between any two numbers."""
    found = {}
    for kind in KINDS:
        arrays, others = (
            load_file(path / "checkpoint" / f"{kind}.safetensors") for path in (one, other)
        )
        if arrays.keys() != others.keys():
            sys.exit(f"{kind}: not the same arrays")
        differences = [numpy.abs(arrays[n] - others[n]).max() for n in arrays]
        found[kind] = {"arrays": len(arrays), "difference": float(max(differences))}
    return found


if __name__ == "__main__":
    main()
