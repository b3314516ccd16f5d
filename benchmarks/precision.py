"""What does `precision = "bfloat16"` gain in prediction on a CPU, and what does it cost?
Measured on a trained pipeline."""

import argparse
from functools import partial
from pathlib import Path
from typing import List

import spacy
import timing
import torch
from spacy.language import Language
from spacy.training import Corpus

PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="trained pipeline, path or name")
    parser.add_argument("test", type=Path, help="data, .spacy")
    parser.add_argument(
        "--characters", type=int, default=100_000, help="texts are repeated"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--json", type=Path, default=Path("benchmarks/results/precision.json")
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pipelines = {precision: load(args.model, precision) for precision in PRECISIONS}
    examples = list(Corpus(args.test)(pipelines["float32"]))
    texts = [example.reference.text for example in examples]
    texts *= -(-args.characters // sum(map(len, texts)))
    ways = {name: partial(run, nlp, texts) for name, nlp in pipelines.items()}
    runs = timing.interleave(ways, seconds=0, min_rounds=args.rounds)
    rows = {
        name: {
            "characters/s": round(sum(map(len, texts)) / timing.median(runs[name])),
            "times float32": timing.spread(timing.ratio(runs, "float32", name), 2),
            "F1": round(100 * nlp.evaluate(examples)["ents_f"], 2),
        }
        for name, nlp in pipelines.items()
    }
    header = ("precision", "characters/s", "times float32", "F1")
    timing.show(header, [(name, *row.values()) for name, row in rows.items()])
    timing.write_json(args.json, {"prediction": rows})


def load(model: str, precision: str) -> Language:
    config = {"components": {"ner": {"model": {"precision": precision}}}}
    return spacy.load(model, config=config)


def run(nlp: Language, texts: List[str]) -> None:
    for _ in nlp.pipe(texts):
        pass


if __name__ == "__main__":
    main()
