"""Add labels to a trained pipeline, and see what becomes of the old ones.

A pipeline is trained on a corpus without the entities of some labels: their tokens are O.
Then it gets these labels and goes on, in several ways, for a fraction of the steps. Each
way is scored on the test data, the old and the new labels apart.
"""

import argparse
import random
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import spacy
import timing
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.batchers import minibatch_by_padded_size
from thinc.api import Adam, fix_random_seed, warmup_linear

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "corpus" / "resume"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--corpus", type=Path, default=CORPUS, help="train, dev, test.spacy"
    )
    parser.add_argument("--new", nargs="+", default=["LOC", "PRO"], help="labels to add")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--learn-rate", type=float, default=0.001)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "bilstm_crf.cfg")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "training" / "add_label", help="is reused"
    )
    parser.add_argument(
        "--json", type=Path, default=Path("benchmarks/results/add_label.json")
    )
    args = parser.parse_args()
    docs = {name: read(args.corpus / f"{name}.spacy") for name in ("train", "dev", "test")}
    if not (args.work / "model-best").is_dir():
        train_without(docs, args.new, args.config, args.work)
    has_new = [any(ent.label_ in args.new for ent in doc.ents) for doc in docs["train"]]
    some = [doc for doc, new in zip(docs["train"], has_new, strict=True) if new]
    rest = [doc for doc, new in zip(docs["train"], has_new, strict=True) if not new]
    ways: Dict[str, Dict[str, Any]] = {
        "all texts": {"docs": docs["train"]},
        "all texts, rehearsing": {"docs": docs["train"], "rehearse_on": docs["train"]},
        "texts with new labels": {"docs": some},
        "texts with new labels, rehearsing on the rest": {
            "docs": some,
            "rehearse_on": rest,
        },
    }
    before = spacy.load(args.work / "model-best")
    report = {"before": score(before, docs["test"], args.new)}
    for name, settings in ways.items():
        fix_random_seed(0)
        nlp = spacy.load(args.work / "model-best")
        go_on(nlp, args.new, args.steps, args.learn_rate, **settings)
        report[name] = score(nlp, docs["test"], args.new)
    timing.show(
        ("", "old labels", *args.new),
        [(name, *row.values()) for name, row in report.items()],
    )
    timing.write_json(args.json, report)


def read(path: Path) -> List[Doc]:
    return list(DocBin().from_disk(path).get_docs(spacy.blank("zh").vocab))


def train_without(
    docs: Dict[str, List[Doc]], labels: Sequence[str], config: Path, work: Path
) -> None:
    """Train a pipeline as `spacy train` does, as if nobody knew of these labels."""
    work.mkdir(parents=True, exist_ok=True)
    overrides: Dict[str, Any] = {"training.logger.progress_bar": False}
    for name in ("train", "dev"):
        path = work / f"{name}.spacy"
        DocBin(docs=[without(doc, labels) for doc in docs[name]]).to_disk(path)
        overrides[f"paths.{name}"] = str(path)
    train(config, work, overrides=overrides)


def without(doc: Doc, labels: Sequence[str]) -> Doc:
    """RETURNS (Doc): A copy in which the entities of these labels are O."""
    copied = doc.copy()
    copied.set_ents([e for e in doc.ents if e.label_ not in labels], default="outside")
    return copied


def go_on(
    nlp: Language,
    labels: Sequence[str],
    steps: int,
    learn_rate: float,
    *,
    docs: List[Doc],
    rehearse_on: Optional[List[Doc]] = None,
) -> None:
    """Add the labels and train, with as many rehearsals as updates if there are texts for
    them. The weights are those of the end: the learning rate falls to 0."""
    rate: Any = warmup_linear(learn_rate, steps // 10, steps)
    optimizer = nlp.resume_training(sgd=Adam(rate, grad_clip=5.0, use_averages=False))
    ner: Any = nlp.get_pipe("ner")
    for label in labels:
        ner.add_label(label)
    batches = make_batches(nlp, docs)
    rehearsals = make_batches(nlp, rehearse_on) if rehearse_on else None
    for _ in range(steps):
        nlp.update(next(batches), sgd=optimizer)
        if rehearsals is not None:
            nlp.rehearse(next(rehearsals), sgd=optimizer)
        optimizer.step_schedules()


def make_batches(nlp: Language, docs: List[Doc]) -> Iterator[List[Example]]:
    """YIELDS (List[Example]): Batches of the shipped config's size, without an end."""
    order = list(docs)
    while True:
        random.shuffle(order)
        for batch in minibatch_by_padded_size(order, size=1200, buffer=512):
            yield [Example(nlp.make_doc(doc.text), doc) for doc in batch]


def score(nlp: Language, docs: List[Doc], labels: Sequence[str]) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): F1 in percent: of all other labels, of each of these."""
    gold, found = (
        {(i, e.start, e.end, e.label_) for i, doc in enumerate(some) for e in doc.ents}
        for some in (docs, nlp.pipe(doc.text for doc in docs))
    )
    kinds: Dict[str, Any] = {"old labels": lambda label: label not in labels}
    for name in labels:
        kinds[name] = name.__eq__
    scores = {}
    for kind, belongs in kinds.items():
        true = sum(belongs(entity[3]) for entity in gold & found)
        total = sum(belongs(entity[3]) for some in (gold, found) for entity in some)
        scores[kind] = round(200 * true / total, 2) if total else 0.0
    return scores


if __name__ == "__main__":
    main()
