"""What the figures of the data mean for training."""

from dataclasses import dataclass
from typing import Collection, Dict, Iterator, List, Literal, Sequence

from .counting import TRAIN
from .figures import Figures, Problem

Level = Literal["good", "warn", "fail"]
Unit = Literal["documents", "entities", "forms"]
# As `spacy debug data` has it.
MIN_ENTITIES = 50
MIN_DOCUMENTS = 100
# Beyond this, what is left no longer tells what an entity is.
MAX_MISALIGNED = 0.5
# The recognizers that have no way to an entity with whitespace at its edges.
NO_WHITESPACE = frozenset(("ner", "beam_ner"))


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    level (Level): "good", "warn", or "fail" if training cannot work with it.
    text (str): What was found.
    examples (Sequence[str]): Where, as far as that can be shown.
    """

    level: Level
    text: str
    examples: Sequence[str] = ()


def run_checks(figures: Figures) -> Dict[str, List[Check]]:
    """Judge the figures.

    figures (Figures): The figures of the data.
    RETURNS (Dict[str, List[Check]]): The checks of each subject.
    """
    return {
        "Documents": list(check_documents(figures)),
        "Labels": list(check_labels(figures)),
        "Entities": list(check_entities(figures)),
        "Overlap": list(check_overlap(figures)),
    }


def check_documents(figures: Figures) -> Iterator[Check]:
    """Judge the documents: their number, their lengths, their tokens.

    figures (Figures): The figures of the data.
    YIELDS (Check): The checks.
    """
    for name, split in figures.splits.items():
        n = split.documents
        if not n:
            yield Check("fail", f"{name}: no documents")
        elif name == TRAIN and n < MIN_DOCUMENTS:
            few = f"fewer than {MIN_DOCUMENTS} are few to learn from"
            yield Check("warn", f"{name}: {n} documents: {few}")
        # Not a share: most of these are not among the documents of the split.
        if empty := split.problems.get("empty"):
            yield Check("warn", f"{name}: documents without text: {empty:,}")
        if split.unread_tokens:
            unread = f"{split.unread_tokens:,} of {split.tokens + split.unread_tokens:,}"
            yield Check(
                "warn",
                f"{name}: {unread} tokens are left out by the reader: see max_length and "
                "limit in [corpora]",
            )
    wrong = "no entity annotation: they teach nothing"
    good = "All documents have entity annotation"
    yield from _check(figures, "unannotated", "documents", wrong, good)
    longer = f"longer than {figures.max_tokens:,} tokens"
    good = f"No document is {longer}"
    if figures.discard_oversize:
        longer += ": discard_oversize in [training.batcher] drops what exceeds a batch"
    yield from _check(figures, "too-long", "documents", longer, good)
    wrong = "other tokens than the pipeline's tokenizer makes"
    good = "The pipeline's tokenizer makes the tokens of the corpus"
    yield from _check(figures, "tokenization", "documents", wrong, good)


def check_labels(figures: Figures) -> Iterator[Check]:
    """Judge the labels: what can be learned, and what can be scored.

    figures (Figures): The figures of the data.
    YIELDS (Check): The checks.
    """
    if not figures.recognizers:
        yield Check("warn", "No component of the pipeline learns entities")
    lacking = [name for name, split in figures.splits.items() if not split.entities]
    for name in lacking:
        yield Check("fail", f"{name}: no entities")
    train = figures.splits[TRAIN]
    if TRAIN in lacking:
        return
    rare = [
        f"{label} {n.count}" for label, n in train.labels.items() if n.count < MIN_ENTITIES
    ]
    if rare:
        few = f"fewer than {MIN_ENTITIES} entities are few to learn from"
        yield Check("warn", f"{TRAIN}: {', '.join(rare)}: {few}")
    else:
        yield Check("good", f"At least {MIN_ENTITIES} entities of every label")
    always = [label for label, n in train.labels.items() if n.documents == train.documents]
    if always:
        yield Check("warn", f"{TRAIN}: {', '.join(always)}: in every document")
    else:
        yield Check("good", "Every label has documents without it")
    if train.without_entities:
        yield Check("good", f"{TRAIN}: documents without entities")
    else:
        yield Check("warn", f"{TRAIN}: no documents without entities")
    for name, split in figures.splits.items():
        if name != TRAIN and name not in lacking:
            yield from _compare(TRAIN, train.labels, name, split.labels, "not learned")
            yield from _compare(name, split.labels, TRAIN, train.labels, "not scored")
    yield from _check_recognizers(figures)


def check_entities(figures: Figures) -> Iterator[Check]:
    """Judge the entities, one by one.

    figures (Figures): The figures of the data.
    YIELDS (Check): The checks.
    """
    train = figures.splits[TRAIN]
    many = train.problems.get("misaligned", 0) > MAX_MISALIGNED * train.entities
    wrong = "lost, as the pipeline's tokens do not fit them"
    good = "All entities fit the pipeline's tokens"
    level: Level = "fail" if many else "warn"
    yield from _check(figures, "misaligned", "entities", wrong, good, level)
    refused = any(r.factory in NO_WHITESPACE for r in figures.recognizers.values())
    level = "fail" if refused else "warn"
    wrong, good = "whitespace at an edge", "No entity has whitespace at an edge"
    yield from _check(figures, "whitespace-edge", "entities", wrong, good, level)
    wrong, good = "punctuation at an edge", "No entity has punctuation at an edge"
    yield from _check(figures, "punctuation-edge", "entities", wrong, good)
    wrong, good = "several labels", "No surface form has several labels"
    yield from _check(figures, "ambiguous", "forms", wrong, good)


def check_overlap(figures: Figures) -> Iterator[Check]:
    """Judge what is there twice, within a split or in two of them.

    figures (Figures): The figures of the data.
    YIELDS (Check): The checks.
    """
    wrong, good = "the text of an earlier one", "No text is twice in a split"
    yield from _check(figures, "duplicate", "documents", wrong, good)
    wrong, good = f"{wrong}, but other entities", "No text has two annotations in a split"
    yield from _check(figures, "conflict", "documents", wrong, good)
    for name, split in figures.splits.items():
        for other, overlap in split.overlaps.items():
            if not overlap.texts:
                yield Check("good", f"{other} and {name} have no text in common")
                continue
            shared = f"{overlap.texts:,} of {split.texts:,} texts ({overlap.share:.1%})"
            yield Check("warn", f"{name}: {shared}: in {other} too", overlap.examples)
            if overlap.conflicts:
                shared = f"{overlap.conflicts:,} of {overlap.texts:,} texts"
                wrong = f"{name}: {shared} in {other} too: other entities there"
                yield Check("warn", wrong, overlap.conflict_examples)


def _check(
    figures: Figures,
    problem: Problem,
    unit: Unit,
    wrong: str,
    good: str,
    level: Level = "warn",
) -> Iterator[Check]:
    """Look for a problem in each split. The level is that of the training data."""
    met = {name: n for name, s in figures.splits.items() if (n := s.problems.get(problem))}
    for name, n in met.items():
        split = figures.splits[name]
        totals = {
            "documents": split.documents,
            "entities": split.entities,
            "forms": split.forms,
        }
        of = f"{totals[unit]:,} {'surface forms' if unit == 'forms' else unit}"
        text = f"{name}: {n:,} of {of} ({n / totals[unit]:.1%}): {wrong}"
        severity = level if name == TRAIN else "warn"
        yield Check(severity, text, split.examples.get(problem, ()))
    if not met:
        yield Check("good", good)


def _compare(
    name: str, labels: Collection[str], other: str, others: Collection[str], effect: str
) -> Iterator[Check]:
    unseen = [label for label in others if label not in labels]
    if unseen:
        yield Check("warn", f"{', '.join(unseen)}: in {other}, not in {name}: {effect}")
    else:
        yield Check("good", f"All labels of {other} are in {name}")


def _check_recognizers(figures: Figures) -> Iterator[Check]:
    """Compare the labels that components are told of with the training data."""
    labels = figures.splits[TRAIN].labels
    for name, recognizer in figures.recognizers.items():
        if recognizer.labels is None:
            continue
        unknown = [label for label in labels if label not in recognizer.labels]
        unused = [label for label in recognizer.labels if label not in labels]
        if unknown:
            text = f"{', '.join(unknown)}: in {TRAIN}, but no label of '{name}'"
            yield Check("fail", f"{text}: add to its labels in [initialize.components]")
        if unused:
            text = f"{', '.join(unused)}: a label of '{name}', but not in {TRAIN}"
            yield Check("warn", f"{text}: not learned")
        if not unknown and not unused:
            yield Check("good", f"'{name}' has the labels of {TRAIN}")
