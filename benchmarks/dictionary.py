"""What does a dictionary do for accuracy, and what does it cost? Measured on a trained
pipeline: the entities of its training data as a dictionary with several bonuses, and the
same among many random words."""

import argparse
import random
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Set, Tuple, cast

import spacy
import timing
import torch
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_bilstm_crf.component import BiLSTMCRF
from spacy_bilstm_crf.wordlist import DEFAULT_BONUS

# Words and their labels.
Words = Set[Tuple[str, str]]

BONUSES = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="trained pipeline, path or name")
    parser.add_argument("corpus", type=Path, help="folder of train, dev and test.spacy")
    parser.add_argument(
        "--words", type=int, default=100_000, help="of the large dictionary"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument(
        "--json", type=Path, default=Path("benchmarks/results/dictionary.json")
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    nlp = spacy.load(args.model)
    splits = {
        name: list(DocBin().from_disk(args.corpus / f"{name}.spacy").get_docs(nlp.vocab))
        for name in ("train", "dev", "test")
    }
    known = {(ent.text, ent.label_) for doc in splits["train"] for ent in doc.ents}
    results = {
        "accuracy": measure_accuracy(nlp, known, splits),
        "speed": measure_speed(args.model, known, splits, args.words, args.rounds),
    }
    timing.write_json(args.json, results)


def measure_accuracy(
    nlp: Language, known: Words, splits: Dict[str, List[Doc]]
) -> List[Dict[str, Any]]:
    """Score dictionaries: the entities of the training data, and those of all data, which
    is what a dictionary that is complete and right would do."""
    complete = {
        (e.text, e.label_) for docs in splits.values() for d in docs for e in d.ents
    }
    rows = []
    columns = ("dictionary", "mode", "bonus", "dev F1", "test P", "test R", "test F1")
    timing.show(columns, [])
    for name, words in (("training data", known), ("all data", complete)):
        for mode in ("soft", "hard"):
            for bonus in BONUSES if mode == "soft" else (0.0,):
                use(nlp, words, mode, bonus)
                dev, test = score(nlp, splits["dev"]), score(nlp, splits["test"])
                scores = [dev["ents_f"], *(test[f"ents_{x}"] for x in "prf")]
                row = (name, mode, bonus, *(f"{100 * x:.2f}" for x in scores))
                timing.show_row(row)
                rows.append(dict(zip(columns, row, strict=True)))
    return rows


def measure_speed(
    model: str, words: Words, splits: Dict[str, List[Doc]], count: int, rounds: int
) -> Dict[str, Any]:
    """Time `nlp.pipe` without and with dictionaries: the entities of the training data,
    alone and among random words of its characters."""
    texts = [doc.text for doc in splits["test"]]
    ways: Dict[str, Callable[[], object]] = {"none": partial(run, spacy.load(model), texts)}
    for mode in ("soft", "hard"):
        for total in (len(words), count):
            nlp = spacy.load(model)
            labels = _ner(nlp).labels
            characters = "".join(doc.text for doc in splits["train"])
            use(nlp, fill_up(words, total, characters, labels), mode)
            found = sum(len(doc.ents) for doc in nlp.pipe(texts))
            name = f"{mode}, {total:,} entries"
            ways[f"{name} ({found:,} entities)"] = partial(run, nlp, texts)
    runs = timing.interleave(ways, seconds=0, min_rounds=rounds)
    result = {name: timing.ratio(runs, name, "none") for name in ways}
    rows = [(name, timing.spread(value, 3)) for name, value in result.items()]
    timing.show(("dictionary", "times the time"), rows)
    return result


def fill_up(words: Words, total: int, characters: str, labels: Sequence[str]) -> Words:
    """Add random words of 2 to 6 characters, each as frequent as in the texts."""
    rng = random.Random(0)
    filled = dict(sorted(words))
    while len(filled) < total:
        word = "".join(rng.choice(characters) for _ in range(rng.randint(2, 6)))
        filled.setdefault(word.strip() or "x", rng.choice(labels))
    return set(filled.items())


def use(nlp: Language, words: Words, mode: str, bonus: float = DEFAULT_BONUS) -> None:
    """Make these words the dictionary of the pipeline, and none else."""
    ner = _ner(nlp)
    ner.clear_dictionary()
    patterns = [{"pattern": word, "label": label} for word, label in sorted(words)]
    ner.add_dictionary(patterns, mode=mode, bonus=bonus)


def score(nlp: Language, docs: Sequence[Doc]) -> Dict[str, Any]:
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    return nlp.evaluate(examples)


def run(nlp: Language, texts: Sequence[str]) -> None:
    for _ in nlp.pipe(texts):
        pass


def _ner(nlp: Language) -> BiLSTMCRF:
    return cast(BiLSTMCRF, nlp.get_pipe("ner"))


if __name__ == "__main__":
    main()
