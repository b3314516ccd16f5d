"""Time two or more ways of doing one thing in turn, so that a machine whose speed drifts
slows all of them down alike."""

import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence

import torch

Runs = Dict[str, List[float]]


def interleave(
    ways: Mapping[str, Callable[[], object]], *, seconds: float = 2.0, min_rounds: int = 5
) -> Runs:
    """Run all ways in turn, A B C A B C ..., after one warm-up round.

    ways (Mapping[str, Callable]): What to run, by name.
    seconds (float): How long to go on, at least `min_rounds` rounds.
    RETURNS (Runs): Seconds of each run, by name.
    """
    for run in ways.values():
        run()
    runs: Runs = {name: [] for name in ways}
    begin = time.perf_counter()
    while len(runs[next(iter(ways))]) < min_rounds or time.perf_counter() - begin < seconds:
        for name, run in ways.items():
            runs[name].append(_time(run))
    return runs


def _time(run: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        return float(start.elapsed_time(end)) / 1000
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def ratio(runs: Runs, slow: str, fast: str) -> Dict[str, float]:
    """How many times longer one way takes than another, round by round.

    RETURNS (Dict[str, float]): Median, and the first and third quartile.
    """
    ratios = [a / b for a, b in zip(runs[slow], runs[fast], strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return {"median": median, "low": low, "high": high}


def median(seconds: Sequence[float]) -> float:
    return float(statistics.median(seconds))


def show(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a Markdown table."""
    show_row(columns)
    show_row(["---"] * len(columns))
    for row in rows:
        show_row(row)


def show_row(cells: Sequence[Any]) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def spread(value: Dict[str, float], digits: int = 1) -> str:
    """RETURNS (str): Median and quartiles of a ratio."""
    low, middle, high = (f"{value[k]:.{digits}f}" for k in ("low", "median", "high"))
    return f"{middle} ({low}-{high})"


def machine() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What the figures were measured on."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def write_json(path: Path, results: Dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Results of an earlier run may be among them, and its machine.
    content = {"machine": None, **results}
    content["machine"] = machine()
    path.write_text(json.dumps(content, indent=1) + "\n", "utf8")
