"""Time the CRF against pytorch-crf: loss with gradient, and decoding."""

import argparse
import itertools
from pathlib import Path
from typing import Any, Callable, Dict, List

import timing
import torch
import torchcrf
from torch import Tensor

from spacy_bilstm_crf.model.crf import LinearChainCRF

BATCHES, STEPS, TAGS = (32, 64, 256), (50, 100, 300), (9, 29, 120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, nargs="+", default=BATCHES, metavar="B")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS, metavar="T")
    parser.add_argument("--tags", type=int, nargs="+", default=TAGS, metavar="K")
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--seconds", type=float, default=1.0, help="for each comparison")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/crf.json"))
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    timing.show(("threads", "B", "T", "K", "loss+gradient", "ms", "decode", "ms"), [])
    results: List[Dict[str, Any]] = []
    for threads, size, steps, tags in itertools.product(
        args.threads if device == "cpu" else (1,), args.batch, args.steps, args.tags
    ):
        torch.set_num_threads(threads)
        result = compare(size, steps, tags, device, args.seconds)
        results.append({"threads": threads, "B": size, "T": steps, "K": tags, **result})
        cells = [
            cell
            for task in ("loss", "decode")
            for cell in (timing.spread(result[task]), f"{result[task]['ms']:.2f}")
        ]
        timing.show_row((threads, size, steps, tags, *cells))
    timing.write_json(args.json, {"times faster than pytorch-crf": results})


def compare(
    size: int, steps: int, tags: int, device: str, seconds: float
) -> Dict[str, Dict[str, float]]:
    """Compare both tasks on full sequences, which pytorch-crf likes best.

    RETURNS (Dict): For each task how many times faster, and our median in milliseconds.
    """
    torch.manual_seed(0)
    theirs = torchcrf.CRF(tags).to(device)
    ours = LinearChainCRF(tags).to(device)
    ours.load_state_dict(theirs.state_dict())
    emissions = torch.randn(steps, size, tags, device=device)
    gold = torch.randint(tags, (steps, size), device=device)
    mask = torch.ones(steps, size, dtype=torch.bool, device=device)
    results = {}
    for task, make in (("loss", make_loss), ("decode", make_decode)):
        ways = {
            "theirs": make(theirs, emissions, gold, mask),
            "ours": make(ours, emissions, gold, mask),
        }
        runs = timing.interleave(ways, seconds=seconds, min_rounds=3)
        milliseconds = timing.median(runs["ours"]) * 1000
        results[task] = {**timing.ratio(runs, "theirs", "ours"), "ms": milliseconds}
    return results


def make_loss(
    crf: torchcrf.CRF, emissions: Tensor, gold: Tensor, mask: Tensor
) -> Callable[[], None]:
    def run() -> None:
        leaf = emissions.detach().requires_grad_()
        crf.zero_grad()
        (-crf(leaf, gold, mask)).backward()

    return run


def make_decode(
    crf: torchcrf.CRF, emissions: Tensor, gold: Tensor, mask: Tensor
) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return crf.decode(emissions, mask)

    return run


if __name__ == "__main__":
    main()
