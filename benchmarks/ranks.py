"""Train in one process and in several: how many sentences a second, and how good? Each has
one thread. Throughput is that of the steps, without evaluations."""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import timing

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "corpus" / "demo"
RANK_SPEEDS = "rank_docs_per_second"
ONE = "one process"
# Words of a batch in the shipped configs.
SIZE = 1200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="train and dev.spacy")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "bilstm_crf.cfg")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="of throughput")
    parser.add_argument("--steps", type=int, default=150, help="of each round")
    parser.add_argument("--seeds", type=int, default=3, help="of trainings to the end")
    parser.add_argument("--end", type=int, default=600, help="steps of one process")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/ranks.json"))
    args = parser.parse_args()
    # One part may be measured by itself.
    results = json.loads(args.json.read_text("utf8")) if args.json.exists() else {}
    results.update(ranks=args.ranks, steps=args.steps)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(Path(folder), args)
        if args.rounds:
            results["sentences_per_second"] = speeds = measure_speed(training, args)
            show("sentences/s", speeds)
            results["times_as_fast"] = {
                way: timing.ratio(speeds, way, ONE) for way in speeds if way != ONE
            }
            for way, times in results["times_as_fast"].items():
                print(f"{way}: {timing.spread(times, 2)} times as fast")
        if args.seeds:
            results["ents_f"] = measure_scores(training, args)
            show("F1", results["ents_f"])
    timing.write_json(args.json, results)


class Training:
    """Runs trainings, one after the other.

    folder (Path): Where they write to.
    args (argparse.Namespace): What is common to all.
    """

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self._folder = folder
        self._args = args

    def run(self, ranks: int, settings: Dict[str, Any]) -> List[Dict[str, Any]]:
        """RETURNS (List[Dict[str, Any]]): The rows of the step log."""
        log = self._folder / "log.jsonl"
        log.unlink(missing_ok=True)
        command = [sys.executable, "-m"]
        if ranks > 1:
            command += ["torch.distributed.run", "--standalone"]
            command += ["--nproc-per-node", str(ranks), "-m"]
        command += ["spacy", "bilstm-crf", "train", str(self._args.config)]
        settings = {
            "paths.train": self._args.corpus / "train.spacy",
            "paths.dev": self._args.corpus / "dev.spacy",
            "training.logger.output_file": log,
            "training.logger.progress_bar": False,
            **settings,
        }
        for name, value in settings.items():
            command += [f"--{name}", str(value).lower() if value is False else str(value)]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        return [json.loads(line) for line in log.read_text("utf8").splitlines()]


def measure_speed(training: Training, args: argparse.Namespace) -> timing.Runs:
    """RETURNS (timing.Runs): Sentences per second of each round, by way, in turn."""
    ways = {
        ONE: (1, SIZE),
        f"{args.ranks} ranks": (args.ranks, SIZE),
        f"{args.ranks} ranks, smaller batches": (args.ranks, SIZE // args.ranks),
    }
    speeds: timing.Runs = {way: [] for way in ways}
    for _ in range(args.rounds):
        for way, (ranks, size) in ways.items():
            settings = {
                "training.batcher.size": size,
                "training.max_steps": args.steps,
                "training.eval_frequency": args.steps,
            }
            # The first step is of another kind: memory is allocated, code is loaded.
            rows = [row for row in training.run(ranks, settings) if row["step"] > 0]
            speeds[way].append(read_speed(rows))
        print({way: round(values[-1]) for way, values in speeds.items()}, flush=True)
    return speeds


def read_speed(rows: List[Dict[str, Any]]) -> float:
    """RETURNS (float): Sentences per second, of all ranks together."""
    [evaluation] = [row for row in rows if row["type"] == "evaluation"]
    if RANK_SPEEDS in evaluation:
        return float(sum(evaluation[RANK_SPEEDS]))
    steps = [row for row in rows if row["type"] == "step"]
    docs, seconds = (sum(row[k] for row in steps) for k in ("docs", "step_seconds"))
    return float(docs / seconds)


def measure_scores(training: Training, args: argparse.Namespace) -> timing.Runs:
    """RETURNS (timing.Runs): Best F1 on the development data for each seed, by way. All
    see as many sentences."""
    rate, ranks, fewer = 0.003, args.ranks, args.end // args.ranks
    ways = {
        ONE: (1, args.end, SIZE, rate),
        "smaller batches": (ranks, args.end, SIZE // ranks, rate),
        "fewer steps": (ranks, fewer, SIZE, rate),
        "fewer steps, higher rate": (ranks, fewer, SIZE, rate * math.sqrt(ranks)),
    }
    scores: timing.Runs = {way: [] for way in ways}
    for seed in range(args.seeds):
        for way, (ranks, steps, batch, rate) in ways.items():
            settings = {
                "system.seed": seed,
                "training.batcher.size": batch,
                "training.max_steps": steps,
                "training.optimizer.learn_rate.initial_rate": rate,
                "training.optimizer.learn_rate.total_steps": steps,
                "training.optimizer.learn_rate.warmup_steps": steps // 15,
                "training.eval_frequency": steps // 6,
            }
            rows = training.run(ranks, settings)
            best = max(row["score"] for row in rows if row["type"] == "evaluation")
            scores[way].append(100 * best)
            print(seed, way, round(100 * best, 2), flush=True)
    return scores


def show(name: str, found: timing.Runs) -> None:
    """Print the median, and all values."""
    timing.show(
        (name, "median", "all"),
        [
            (way, f"{statistics.median(values):.1f}", [round(v, 1) for v in values])
            for way, values in found.items()
        ],
    )


if __name__ == "__main__":
    main()
