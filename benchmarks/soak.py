"""Use one pipeline for minutes in all the ways that could break it, at random but so that
it can be repeated: threads, processes, workers that die, texts of all kinds, Docs that
fail, long Docs, saving and loading, damaged files. Whatever comes of it must be what one
thread gives for the same texts, or the error that was expected.
"""

import argparse
import gc
import os
import time
import traceback
import warnings
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List

# torch keeps the kernels of 1,024 shapes of batches, which looks like a leak until all are
# there. It reads this when it is imported.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

import spacy
import timing
import torch
from long_input import resident_mib
from soak_ways import Soak
from tiny import train_tiny

MAX_GROWTH = 50.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="trained pipeline (default: trains a tiny one)")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="of torch, in the parent")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/soak.json"))
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    # Of workers that did not end well: some are killed here.
    warnings.filterwarnings("ignore", message=r"\[W127\]")
    torch.set_num_threads(args.threads)
    config = {"components": {"ner": {"spans_key": "sc"}}}
    nlp = spacy.load(args.model, config=config) if args.model else train_tiny()
    torch.randn(1000, 1000) @ torch.randn(1000, 1000)
    results = soak(Soak(nlp, args.seed), end)
    for name, value in results.items():
        print(f"{name}: {value:,}")
    timing.write_json(args.json, {"seed": args.seed, **results})
    if results["unexpected errors"] or results["MiB more"] > MAX_GROWTH:
        raise SystemExit(1)


def soak(state: Soak, end: float) -> Dict[str, Any]:
    """Go on until time is up.

    state (Soak): What to do.
    end (float): When to stop, as `time.monotonic` has it.
    RETURNS (Dict[str, Any]): What there was to count and to measure.
    """
    start = time.monotonic()
    rounds, unexpected = 0, 0
    seconds: Dict[str, float] = {}
    while rounds == 0 or time.monotonic() < end:
        # Elsewhere than Linux there may be no fork.
        method = "spawn" if rounds % 4 == 3 or not hasattr(os, "fork") else "fork"
        ways: List[Callable[[], Any]] = [
            *(state.use_threads, partial(state.use_processes, method), state.lose_docs),
            *(partial(state.lose_a_worker, method), state.save_and_load),
        ]
        for way in ways:
            if rounds == 0 or time.monotonic() < end:
                unexpected += not succeeds(way)
        if rounds == 0:
            seconds = state.read_long_texts()
            # All that is loaded and set up once is there.
            before = memory()
        rounds += 1
    after = memory()
    return {
        "minutes": round((time.monotonic() - start) / 60, 1),
        "rounds": rounds,
        **state.counts,
        "unexpected errors": unexpected,
        **{name: round(value, 2) for name, value in seconds.items()},
        "MiB after the first round": before,
        "MiB at the end": after,
        "MiB more": round(after - before, 1),
    }


def memory() -> float:
    gc.collect()
    return resident_mib()


def succeeds(way: Callable[[], Any]) -> bool:
    try:
        way()
    except Exception:
        traceback.print_exc()
        return False
    return True


if __name__ == "__main__":
    main()
