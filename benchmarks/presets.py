"""An entity ruler before the component: are all its entities kept, and is the rest as good
as before?

The ruler knows what it finds several times in the training data, and always rightly.
"The rest" are gold and predicted entities that touch none of the ruler's.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Dict, List, Sequence, Set, Tuple

import spacy
import timing
from spacy.language import Language
from spacy.tokens import Doc, DocBin

Entity = Tuple[int, int, str]
Pattern = Dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="trained pipeline, path or name")
    parser.add_argument("train", type=Path, help="training data (.spacy)")
    parser.add_argument("test", type=Path, help="test data (.spacy)")
    parser.add_argument("--min-count", type=int, default=3)
    parser.add_argument(
        "--json", type=Path, default=Path("benchmarks/results/presets.json")
    )
    args = parser.parse_args()
    nlp = spacy.load(args.model)
    gold = list(DocBin().from_disk(args.test).get_docs(nlp.vocab))
    texts = [doc.text for doc in gold]
    alone = list(nlp.pipe(texts))
    train = list(DocBin().from_disk(args.train).get_docs(nlp.vocab))
    patterns = learn_patterns(nlp, train, args.min_count)
    ruled = list(make_ruler(nlp, patterns).pipe(texts))
    nlp.add_pipe("entity_ruler", first=True).add_patterns(patterns)  # type: ignore[attr-defined]
    both = list(nlp.pipe(texts))

    rows = {
        "the component alone": alone,
        "the ruler alone": ruled,
        "the ruler before the component": both,
    }
    known = [entities(doc) for doc in ruled]
    wanted = [entities(doc) for doc in gold]
    report: Dict[str, Dict[str, float]] = {}
    for name, docs in rows.items():
        found = [entities(doc) for doc in docs]
        report[name] = {
            "F1": score(wanted, found),
            "F1 of the rest": score(
                [rest(*pair) for pair in zip(wanted, known, strict=True)],
                [rest(*pair) for pair in zip(found, known, strict=True)],
            ),
            "kept of the ruler's": sum(
                len(a & b) for a, b in zip(found, known, strict=True)
            ),
        }
    print(f"{len(patterns):,} patterns, {sum(map(len, known)):,} entities of the ruler")
    timing.show(
        ("", *report["the ruler alone"]), [(n, *r.values()) for n, r in report.items()]
    )
    timing.write_json(args.json, report)


def learn_patterns(nlp: Language, docs: List[Doc], min_count: int) -> List[Pattern]:
    """What a ruler finds in the training data that often, and always rightly."""
    labels = {ent.text: ent.label_ for doc in docs for ent in doc.ents}
    texts = [doc.text for doc in docs]
    while True:
        patterns = [{"label": label, "pattern": text} for text, label in labels.items()]
        right: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        for doc, ruled in zip(docs, make_ruler(nlp, patterns).pipe(texts), strict=True):
            gold = entities(doc)
            for ent in ruled.ents:
                key = (ent.start_char, ent.end_char, ent.label_)
                (right if key in gold else wrong)[ent.text] += 1
        sure = {
            text: label
            for text, label in labels.items()
            if right[text] >= min_count and not wrong[text]
        }
        if len(sure) == len(labels):
            return patterns
        # Without the others these match in other places.
        labels = sure


def make_ruler(nlp: Language, patterns: List[Pattern]) -> Language:
    ruled = spacy.blank(str(nlp.lang))
    ruled.tokenizer = nlp.tokenizer
    ruled.add_pipe("entity_ruler").add_patterns(patterns)  # type: ignore[attr-defined]
    return ruled


def entities(doc: Doc) -> Set[Entity]:
    return {(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents}


def rest(found: Set[Entity], known: Set[Entity]) -> Set[Entity]:
    """The entities that touch none of the known ones."""
    return {
        (start, end, label)
        for start, end, label in found
        if not any(start < j and i < end for i, j, _ in known)
    }


def score(gold: Sequence[Set[Entity]], found: Sequence[Set[Entity]]) -> float:
    right = sum(len(a & b) for a, b in zip(gold, found, strict=True))
    total = sum(map(len, gold)) + sum(map(len, found))
    return round(200 * right / max(1, total), 2)


if __name__ == "__main__":
    main()
