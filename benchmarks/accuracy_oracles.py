"""Count entities as others do: spaCy, seqeval in its strict mode, and the CoNLL scorer."""

from itertools import chain
from typing import Dict, Iterator, List, Sequence, Tuple

from seqeval.scheme import BILOU, Entities  # type: ignore[import-untyped]
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from spacy_bilstm_crf.corpus.schemes import get_scheme
from spacy_bilstm_crf.evaluation.metrics import Counts, EntityScores, tag_docs

Tags = List[List[str]]


def check(scores: EntityScores, gold: Sequence[Doc], guessed: Sequence[Doc]) -> None:
    """Make sure that all scorers see the same entities.

    scores (EntityScores): What this project has counted.
    gold (Sequence[Doc]): The truth.
    guessed (Sequence[Doc]): The predictions.
    RAISES (AssertionError): If another scorer counts otherwise.
    """
    _check_spacy(scores, gold, guessed)
    for name, scheme, count in (
        ("seqeval (strict, BILOU)", "bilou", count_by_seqeval),
        ("the CoNLL scorer (IOBES)", "bioes", count_by_conlleval),
        ("the CoNLL scorer (BIO)", "bio", count_by_conlleval),
    ):
        tags = (tag_docs(docs, get_scheme(scheme)) for docs in (gold, guessed))
        theirs = count(*tags)
        for label in sorted(theirs.keys() | scores.per_label.keys()):
            nothing = Counts(0, 0, 0)
            ours = scores.per_label.get(label, nothing)
            if theirs.get(label, nothing) != ours:
                raise AssertionError(
                    f"{name} counts other entities of {label}: {theirs.get(label, nothing)}"
                    f", and evaluation.metrics {ours}"
                )


def _check_spacy(scores: EntityScores, gold: Sequence[Doc], guessed: Sequence[Doc]) -> None:
    """Compare with spaCy's scorer, which gives shares, not counts."""
    examples = [Example(a, b) for a, b in zip(guessed, gold, strict=True)]
    theirs = get_ner_prf(examples)
    total = scores.total
    for key, ours in (("p", total.precision), ("r", total.recall), ("f", total.f1)):
        # None if there is nothing to score.
        if abs((theirs[f"ents_{key}"] or 0.0) - ours) > 1e-9:
            raise AssertionError(
                f"spaCy's scorer gives {theirs[f'ents_{key}']} as ents_{key}, "
                f"evaluation.metrics {ours}"
            )


def count_by_seqeval(gold: Tags, guessed: Tags) -> Dict[str, Counts]:
    """RETURNS (Dict[str, Counts]): The entities of each label, from BILOU tags."""
    true, found = Entities(gold, BILOU), Entities(guessed, BILOU)
    counts = {}
    for label in true.unique_tags | found.unique_tags:
        a, b = true.filter(label), found.filter(label)
        counts[label] = Counts(len(a & b), len(b), len(a))
    return counts


def count_by_conlleval(gold: Tags, guessed: Tags) -> Dict[str, Counts]:
    """Count in one pass over both columns, as conlleval.pl does: a chunk is right if it
    begins and ends with one of the truth and has its type.

    RETURNS (Dict[str, Counts]): The chunks of each type, from BIO or IOBES tags.
    """
    right: Dict[str, int] = {}
    found: Dict[str, int] = {}
    true: Dict[str, int] = {}
    # Type of the chunk that so far is the same in both.
    shared = ""
    before: Tuple[str, str] = ("O", "O")
    for now in _rows(gold, guessed):
        ends = [_ends(a, b) for a, b in zip(before, now, strict=True)]
        starts = [_starts(a, b) for a, b in zip(before, now, strict=True)]
        if shared:
            if all(ends):
                right[shared] = right.get(shared, 0) + 1
                shared = ""
            elif any(ends) or now[0][2:] != now[1][2:]:
                shared = ""
        if all(starts) and now[0][2:] == now[1][2:]:
            shared = now[0][2:]
        for counts, tag, start in zip((true, found), now, starts, strict=True):
            if start:
                counts[tag[2:]] = counts.get(tag[2:], 0) + 1
        before = now
    return {
        label: Counts(right.get(label, 0), found.get(label, 0), true.get(label, 0))
        for label in true.keys() | found.keys()
    }


def _rows(gold: Tags, guessed: Tags) -> Iterator[Tuple[str, str]]:
    """YIELDS (Tuple[str, str]): Both tags of each token, two O's after each sentence."""
    for tags, predicted in zip(gold, guessed, strict=True):
        yield from zip(chain(tags, "O"), chain(predicted, "O"), strict=True)


def _ends(before: str, now: str) -> bool:
    """Whether a chunk ends between two tags: endOfChunk."""
    if before == "O":
        return False
    return before[0] in "ES" or now[0] in "BSO" or before[2:] != now[2:]


def _starts(before: str, now: str) -> bool:
    """Whether a chunk starts between two tags: startOfChunk."""
    if now == "O":
        return False
    return now[0] in "BS" or before[0] in "ESO" or before[2:] != now[2:]
