"""Train on half of the labels: the rest summed out of the loss, or taken for no entity.

Each token outside entities and each entity is a unit; units are drawn at random until they
hold the share of the tokens that loses its labels. (A Doc cannot hold half an entity.) In
the variant "tokens" single tokens are drawn, inside entities too, and the learner is told
the tags of the others, which only the loss can represent.
"""

import argparse
import tempfile
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence
from unittest.mock import patch

import numpy
import spacy
import timing
from numpy.typing import NDArray
from spacy import util
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example

from spacy_bilstm_crf.tags import UNKNOWN
from spacy_bilstm_crf.targets import gold_tags

HERE = Path(__file__).resolve().parent
VARIANTS = {
    "full": "all labels",
    "missing": "missing, summed out",
    "tokens": "missing token by token, summed out",
    "outside": "the same as no entity (O)",
}


GoldTags = Callable[[Sequence[Example], Sequence[str]], List[NDArray[numpy.int64]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--corpus", type=Path, required=True, help="folder of train, dev and test.spacy"
    )
    parser.add_argument(
        "--config", type=Path, default=HERE.parent / "configs" / "bilstm_crf.cfg"
    )
    parser.add_argument("--share", type=float, default=0.5, help="of tokens, loses labels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS)
    )
    parser.add_argument("--json", type=Path, default=HERE / "results" / "partial.json")
    args = parser.parse_args()
    report: Dict[str, Any] = {"share": args.share, "seed": args.seed}
    timing.show_row(("labels of the training data", "tokens without", "P", "R", "F1"))
    timing.show_row(["---"] * 5)
    for variant in args.variants:
        with tempfile.TemporaryDirectory() as folder:
            report[variant] = run(variant, args, Path(folder))
        row = report[variant]
        cells = (f"{100 * row[key]:.2f}" for key in ("share", "p", "r", "f"))
        timing.show_row((VARIANTS[variant], *cells))
    timing.write_json(args.json, report)


def run(variant: str, args: argparse.Namespace, folder: Path) -> Dict[str, float]:
    """Train as `spacy train` does, and score on test.

    RETURNS (Dict[str, float]): Precision, recall, F1, share of tokens without labels.
    """
    vocab = spacy.blank(util.load_config(args.config)["nlp"]["lang"]).vocab
    docs = list(DocBin().from_disk(args.corpus / "train.spacy").get_docs(vocab))
    known: GoldTags = gold_tags
    lost = 0
    if variant in ("missing", "outside"):
        rng = numpy.random.default_rng(args.seed)
        lost = forget(docs, args.share, rng, default=variant)
    elif variant == "tokens":
        known = forget_tags(args.share, args.seed)
        labels = {ent.label_ for doc in docs for ent in doc.ents}
        targets = known([Example(doc, doc) for doc in docs], sorted(labels))
        lost = sum(int((tags == UNKNOWN).sum()) for tags in targets)
    DocBin(docs=docs).to_disk(folder / "train.spacy")
    overrides = {
        "paths.train": str(folder / "train.spacy"),
        "paths.dev": str(args.corpus / "dev.spacy"),
        "system.seed": args.seed,
        "training.logger.progress_bar": False,
    }
    with patch("spacy_bilstm_crf.component.gold_tags", known):
        train(args.config, folder / "model", overrides=overrides)
    nlp = spacy.load(folder / "model" / "model-best")
    scores = nlp.evaluate(list(Corpus(args.corpus / "test.spacy")(nlp)))
    share = lost / sum(map(len, docs))
    return {"share": share, **{key: scores[f"ents_{key}"] for key in "prf"}}


def forget(
    docs: List[Doc], share: float, rng: numpy.random.Generator, *, default: str
) -> int:
    """Take the labels away from random units.

    default (str): What their tokens become: "missing", or "outside" for O.
    RETURNS (int): How many tokens have lost theirs.
    """
    all_units = [(doc, unit) for doc in docs for unit in units(doc)]
    wanted, lost = share * sum(map(len, docs)), 0
    gone: Dict[Doc, List[slice]] = {}
    for i in rng.permutation(len(all_units)):
        if lost >= wanted:
            break
        doc, unit = all_units[i]
        gone.setdefault(doc, []).append(unit)
        lost += unit.stop - unit.start
    for doc, places in gone.items():
        starts = {unit.start for unit in places}
        kept = [ent for ent in doc.ents if ent.start not in starts]
        spans = {default: [doc[unit] for unit in places]}
        doc.set_ents(kept, **spans, default="unmodified")
    return lost


def units(doc: Doc) -> Iterator[slice]:
    """YIELDS (slice): Each entity, and each token outside of entities."""
    end = 0
    for start, stop in [*((e.start, e.end) for e in doc.ents), (len(doc), len(doc))]:
        yield from (slice(i, i + 1) for i in range(end, start))
        if stop > start:
            yield slice(start, stop)
        end = stop


def forget_tags(share: float, seed: int) -> GoldTags:
    """Make a `gold_tags` that never gives the tags of some tokens, always the same."""

    def some_tags(
        examples: Sequence[Example], labels: Sequence[str]
    ) -> List[NDArray[numpy.int64]]:
        targets = gold_tags(examples, labels)
        for eg, tags in zip(examples, targets, strict=True):
            rng = numpy.random.default_rng([seed, zlib.crc32(eg.reference.text.encode())])
            tags[rng.random(len(tags)) < share] = UNKNOWN
        return targets

    return some_tags


if __name__ == "__main__":
    main()
