"""A config with a transformer in each precision: the F1 that it reaches, sentences per
second in training and in prediction, and the memory of the GPU.

The BERT has random weights unless --transformer names one. All precisions are timed in turn
in one process, on weights of the same shape.
"""

import argparse
import io
import runpy
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List

import spacy
import timing
import torch
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config
from thinc.api import require_gpu

from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.model.precision import cpu_has_bfloat16

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "configs/bert_bilstm_crf.cfg")
    parser.add_argument("--corpus", type=Path, default=ROOT / "assets/demo")
    parser.add_argument("--transformer", help="folder or name of a pretrained one")
    parser.add_argument("--layers", type=int, default=4, help="of the random BERT")
    parser.add_argument("--width", type=int, default=256, help="of the random BERT")
    parser.add_argument("--steps", type=int, default=600, help="0 for speed alone")
    parser.add_argument("--rate", type=float, default=5e-4, help="learning rate")
    parser.add_argument("--sentences", type=int, default=200, help="to time with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gpu-id", type=int, default=-1)
    parser.add_argument(
        "--json", type=Path, default=ROOT / "benchmarks/results/transformer.json"
    )
    args = parser.parse_args()
    precisions = ["float32"]
    if args.gpu_id >= 0:
        require_gpu(args.gpu_id)
        precisions += ["float16", "bfloat16"]
    elif cpu_has_bfloat16():
        precisions += ["bfloat16"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("train", "dev", "test"):
            (path,) = args.corpus.glob(f"{part}.*")
            convert([path], folder / f"{part}.spacy", spacy.blank("zh"))
        transformer = args.transformer or make_bert(folder, args.layers, args.width)
        rows = measure(args, folder, transformer, precisions)
    timing.show(
        list(next(iter(rows.values()))), [list(row.values()) for row in rows.values()]
    )
    settings = {
        k: v for k, v in vars(args).items() if k not in ("config", "corpus", "json")
    }
    settings["config"], settings["corpus"] = args.config.stem, args.corpus.name
    timing.write_json(args.json, {"settings": settings, "rows": list(rows.values())})


def measure(
    args: argparse.Namespace, folder: Path, transformer: str, precisions: List[str]
) -> Dict[str, Dict[str, Any]]:
    rows: Dict[str, Dict[str, Any]] = {p: {"precision": p} for p in precisions}
    predicting: Dict[str, Callable[[], object]] = {}
    learning: Dict[str, Callable[[], object]] = {}
    docs = list(
        DocBin().from_disk(folder / "train.spacy").get_docs(spacy.blank("zh").vocab)
    )
    docs = docs[: args.sentences]
    for precision in precisions:
        nlp = make_pipeline(args, folder, transformer, precision)
        if args.steps:
            nlp, _ = train(nlp, use_gpu=args.gpu_id, stdout=io.StringIO())
            scores = nlp.evaluate(list(Corpus(folder / "test.spacy")(nlp)))
            rows[precision]["F1"] = round(100 * scores["ents_f"], 2)
        predicting[precision] = make_prediction(nlp, [doc.text for doc in docs])
        learning[precision] = make_training(nlp, docs)
    for name, ways in (("training", learning), ("prediction", predicting)):
        for precision, way in ways.items():
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
                way()
                peak = torch.cuda.max_memory_allocated() / 2**20
                rows[precision][f"{name}, MiB"] = round(peak)
        runs = timing.interleave(ways, seconds=0, min_rounds=args.rounds)
        for precision in precisions:
            speed = len(docs) / timing.median(runs[precision])
            rows[precision][f"{name}, sentences/s"] = round(speed, 1)
            ratio = timing.ratio(runs, precisions[0], precision)
            rows[precision][f"{name}, times {precisions[0]}"] = timing.spread(ratio)
    return rows


def make_bert(folder: Path, layers: int, width: int) -> str:
    make = runpy.run_path(str(ROOT / "scripts" / "make_bert.py"))["make_bert"]
    vocab = spacy.blank("zh").vocab
    docs = DocBin().from_disk(folder / "train.spacy").get_docs(vocab)
    make(folder / "bert", {c for doc in docs for c in doc.text}, layers, width)
    return str(folder / "bert")


def make_pipeline(
    args: argparse.Namespace, folder: Path, transformer: str, precision: str
) -> Language:
    overrides: Dict[str, Any] = {
        "paths.transformer": transformer,
        "paths.train": str(folder / "train.spacy"),
        "paths.dev": str(folder / "dev.spacy"),
        "components.transformer.model.precision": precision,
        "components.ner.model.mixed_precision": precision != "float32",
        # The LSTM trains in float16 on a GPU, unless this is bfloat16.
        "components.ner.model.precision": "bfloat16"
        if precision == "bfloat16"
        else "float32",
        "training.max_steps": args.steps,
        "training.eval_frequency": max(1, args.steps),
        "training.patience": 0,
        "training.optimizer.learn_rate.initial_rate": args.rate,
        "training.optimizer.learn_rate.total_steps": max(1, args.steps),
    }
    if args.transformer is None:
        # Random weights have as much to learn as those above them.
        for group in ("lstm", "classifier", "crf"):
            overrides[f"training.optimizer.multiples.{group}"] = 4.0
    return init_nlp(load_config(args.config, overrides), use_gpu=args.gpu_id)


def make_prediction(nlp: Language, texts: List[str]) -> Callable[[], object]:
    return lambda: list(nlp.pipe(texts))


def make_training(nlp: Language, docs: List[Any]) -> Callable[[], object]:
    optimizer = nlp.create_optimizer()  # type: ignore[no-untyped-call]
    optimizer.learn_rate = 0.0

    def run() -> None:
        for start in range(0, len(docs), 32):
            batch = [Example(nlp.make_doc(d.text), d) for d in docs[start : start + 32]]
            # In this order the transformer learns what the component says of it now.
            nlp.update(batch, sgd=False)  # type: ignore[arg-type]
            for _, pipe in nlp.pipeline:
                pipe.finish_update(optimizer)  # type: ignore[attr-defined]

    return run


if __name__ == "__main__":
    main()
