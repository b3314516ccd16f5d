"""Time the BiLSTM against torch's own on packed sequences: forward, and with gradient."""

import argparse
from pathlib import Path
from typing import Any, Callable, Dict, List

import timing
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from spacy_bilstm_crf.model.bilstm import BiLSTM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=32, metavar="B")
    parser.add_argument("--steps", type=int, default=50, metavar="T")
    parser.add_argument("--widths", type=int, nargs="+", default=(128, 200))
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--seconds", type=float, default=3.0, help="for each comparison")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/bilstm.json"))
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    results: List[Dict[str, Any]] = []
    timing.show(("threads", "B", "T", "width", "inference", "training"), [])
    for threads in args.threads if device == "cpu" else (1,):
        torch.set_num_threads(threads)
        for width in args.widths:
            result = compare(args.batch, args.steps, width, device, args.seconds)
            results.append({"threads": threads, "width": width, **result})
            cells = (timing.spread(result[task]) for task in ("inference", "training"))
            timing.show_row((threads, args.batch, args.steps, width, *cells))
    timing.write_json(args.json, {"times faster than packed nn.LSTM": results})


def compare(
    size: int, steps: int, width: int, device: str, seconds: float
) -> Dict[str, Dict[str, float]]:
    """Compare one layer over sequences of half to full length.

    RETURNS (Dict): For each task how many times faster than the packed LSTM.
    """
    torch.manual_seed(0)
    lengths = torch.randint(steps // 2, steps + 1, (size,))
    lengths[0] = steps
    vectors = torch.randn(steps, size, width, device=device)
    ours = BiLSTM(width, width, 1).to(device)
    theirs = nn.LSTM(width, width, bidirectional=True).to(device)
    on_device = lengths.to(device)

    def run_ours(x: Tensor) -> Tensor:
        encoded: Tensor = ours(x, on_device)
        return encoded

    def run_packed(x: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        return pad_packed_sequence(theirs(packed)[0])[0]

    results = {}
    for task, make in (("inference", make_inference), ("training", make_training)):
        ways = {"theirs": make(run_packed, vectors), "ours": make(run_ours, vectors)}
        runs = timing.interleave(ways, seconds=seconds)
        results[task] = timing.ratio(runs, "theirs", "ours")
    return results


def make_inference(run: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    def infer() -> None:
        with torch.inference_mode():
            run(x)

    return infer


def make_training(run: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    def train() -> None:
        run(x.detach().requires_grad_()).sum().backward()

    return train


if __name__ == "__main__":
    main()
