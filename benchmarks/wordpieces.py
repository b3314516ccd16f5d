"""Entities whose borders fall inside numbers and Latin words: what does it take to learn
them from a BERT with random weights, and does the alignment of spacy-transformers do?

Half of the texts are runs of digits and letters with entities in them, one right after the
other now and then ("134" + "24"). How much the alignment matters depends on the vocabulary:
on how many characters of such a run are one wordpiece.
"""

import argparse
import io
import itertools
import random
import runpy
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Tuple

import spacy
import timing
from spacy.tokens import DocBin, Span
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config

ROOT = Path(__file__).resolve().parent.parent
ALIGNMENTS = {
    "spacy-bilstm-crf.TransformerModel.v1": {},
    # Without the settings that the stock architecture does not have.
    "spacy-transformers.TransformerModel.v3": {"precision", "overlap"},
}
Run = Tuple[Dict[str, str], str, str]
AROUND = "我在上海的公司从三月起到今天为止一共卖了"
# What an entity begins with and its label, what it goes on with, and what stands around it.
DIGITS: Run = ({"1": "YEAR", "2": "CODE"}, "34", "56780")
LETTERS: Run = ({"x": "UNIT", "y": "NAME"}, "mn", "abcde")
Text = Tuple[str, List[Tuple[int, int, str]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--configs", nargs="+", default=["bert_bilstm_crf", "bert_crf"], help="in configs/"
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--longest",
        type=int,
        nargs="+",
        default=[1, 2, 4],
        help="vocabularies: all runs of up to so many characters are wordpieces",
    )
    parser.add_argument(
        "--json", type=Path, default=ROOT / "benchmarks/results/wordpieces.json"
    )
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_bert = runpy.run_path(str(ROOT / "scripts" / "make_bert.py"))["make_bert"]
        for part, size in (("train", 2000), ("dev", 100), ("test", 500)):
            write(folder / f"{part}.spacy", random.Random(part), size)
        for longest in args.longest:
            make_bert(folder / "bert", list_pieces(longest))
            for config, architecture in itertools.product(args.configs, ALIGNMENTS):
                f1 = [
                    learn(config, folder, architecture, args.steps, seed)
                    for seed in range(args.seeds)
                ]
                rows.append([longest, config, architecture, f1])
    columns = ["longest wordpiece", "config", "architecture", "F1 of each seed"]
    timing.show(columns, rows)
    results = [dict(zip(columns, row, strict=True)) for row in rows]
    timing.write_json(args.json, {"steps": args.steps, "rows": results})


def list_pieces(longest: int) -> List[str]:
    """RETURNS (List[str]): All characters, and all runs of digits or letters of up to so
    many characters."""
    pieces = list(AROUND)
    for starts, inner, noise in (DIGITS, LETTERS):
        characters = [*starts, *inner, *noise]
        runs = [""]
        for _ in range(longest):
            runs = [run + character for run in runs for character in characters]
            pieces += runs
    return pieces


def write(path: Path, rng: random.Random, size: int) -> None:
    nlp = spacy.blank("zh")
    docs = DocBin()
    for _ in range(size):
        text, entities = make_text(rng)
        doc = nlp.make_doc(text)
        # Each character is a token.
        spans = [Span(doc, *entity) for entity in entities]
        doc.set_ents(spans, default="outside")
        docs.add(doc)
    docs.to_disk(path)


def make_text(rng: random.Random) -> Text:
    text, entities = "", []
    for _ in range(rng.randint(1, 4)):
        text += "".join(rng.choices(AROUND, k=rng.randint(1, 6)))
        starts, inner, noise = rng.choice((DIGITS, LETTERS))
        for _ in range(rng.randint(1, 3)):
            text += "".join(rng.choices(noise, k=rng.randint(0, 3)))
            first = rng.choice(list(starts))
            entity = first + "".join(rng.choices(inner, k=rng.randint(1, 3)))
            entities.append((len(text), len(text) + len(entity), starts[first]))
            text += entity
    return text, entities


def learn(config: str, folder: Path, architecture: str, steps: int, seed: int) -> float:
    """RETURNS (float): Percent F1 on the test texts after training."""
    overrides: Dict[str, Any] = {
        "paths.transformer": str(folder / "bert"),
        "paths.train": str(folder / "train.spacy"),
        "paths.dev": str(folder / "dev.spacy"),
        "system.seed": seed,
        "system.gpu_allocator": None,
        "components.transformer.model.@architectures": architecture,
        "components.ner.model.hidden_width": 64,
        "training.max_steps": steps,
        "training.patience": 0,
        "training.eval_frequency": steps,
        "training.batcher.size": 600,
        "training.logger.progress_bar": False,
        # Random weights have more to learn than pretrained ones.
        "training.optimizer.learn_rate.initial_rate": 0.0005,
        "training.optimizer.learn_rate.total_steps": steps,
        "training.optimizer.multiples.lstm": 4.0,
        "training.optimizer.multiples.classifier": 4.0,
        "training.optimizer.multiples.crf": 20.0,
    }
    loaded = load_config(ROOT / "configs" / f"{config}.cfg", overrides, interpolate=True)
    for setting in ALIGNMENTS[architecture]:
        del loaded["components"]["transformer"]["model"][setting]
    nlp, _ = train(init_nlp(loaded), stdout=io.StringIO(), stderr=io.StringIO())
    scores = nlp.evaluate(list(Corpus(folder / "test.spacy")(nlp)))
    return round(100 * float(scores["ents_f"]), 1)


if __name__ == "__main__":
    main()
