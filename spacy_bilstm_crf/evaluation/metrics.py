"""How good predicted entities are: as whole entities, and tag by tag."""

from collections import Counter
from dataclasses import dataclass
from typing import Dict, Hashable, Iterable, List, NamedTuple, Sequence, Tuple

from spacy.tokens import Doc

from ..corpus.schemes import Scheme, spans_to_tags

# What something is counted under, and what it is.
Named = Tuple[str, Hashable]


@dataclass(frozen=True)
class Counts:
    """How many there are of a kind: of all entities, of those of a label, of a tag.

    correct (int): Those that are predicted where they are.
    guessed (int): Those that are predicted.
    gold (int): Those that there are, known as support.
    """

    correct: int
    guessed: int
    gold: int

    @property
    def precision(self) -> float:
        """RETURNS (float): Share of the predicted ones that is right, or 0."""
        return self.correct / self.guessed if self.guessed else 0.0

    @property
    def recall(self) -> float:
        """RETURNS (float): Share of the true ones that is found, or 0."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """RETURNS (float): Harmonic mean of precision and recall."""
        total = self.guessed + self.gold
        return 2 * self.correct / total if total else 0.0


class EntityScores(NamedTuple):
    """Strict scores: an entity is right if its first and last character and its label are.

    total (Counts): Of all entities: what is known as micro average.
    per_label (Dict[str, Counts]): Of each label, in alphabetical order.
    """

    total: Counts
    per_label: Dict[str, Counts]


class TagScores(NamedTuple):
    """Scores of single tokens, O included.

    accuracy (float): Share of the tokens whose tag is right.
    weighted_f1 (float): Mean F1 of the tags, each weighted by its support: "weighted avg"
        in scikit-learn's `classification_report`.
    per_tag (Dict[str, Counts]): Of each tag, in alphabetical order.
    """

    accuracy: float
    weighted_f1: float
    per_tag: Dict[str, Counts]


def score_entities(gold: Iterable[Doc], guessed: Iterable[Doc]) -> EntityScores:
    """Compare the entities of Docs, as the CoNLL scorer, seqeval and spaCy do.

    gold (Iterable[Doc]): The truth, all of it annotated.
    guessed (Iterable[Doc]): Predictions for the same texts, in the same order.
    RETURNS (EntityScores): The scores.
    """
    # Tokens may differ between the two, characters may not.
    per_label = count_named(
        tuple([(e.label_, (e.start_char, e.end_char)) for e in some.ents] for some in pair)
        for pair in zip(gold, guessed, strict=True)
    )
    return EntityScores(add_counts(per_label.values()), per_label)


def count_named(pairs: Iterable[Tuple[Sequence[Named], ...]]) -> Dict[str, Counts]:
    """Count what is the same in gold and prediction.

    pairs (Iterable[Tuple[Sequence[Named], Sequence[Named]]]): What is true and what is
        predicted of each text, each under a name.
    RETURNS (Dict[str, Counts]): The counts of each name, in alphabetical order. Nothing
        that is true makes two guesses right.
    """
    true, found, right = Counter[str](), Counter[str](), Counter[str]()
    for gold, guessed in pairs:
        true.update(name for name, _ in gold)
        found.update(name for name, _ in guessed)
        right.update(name for name, _ in set(gold).intersection(guessed))
    return _collect(right, found, true)


def add_counts(counts: Iterable[Counts]) -> Counts:
    """RETURNS (Counts): The sum."""
    rows = [(c.correct, c.guessed, c.gold) for c in counts]
    return Counts(*map(sum, zip(*rows, strict=True))) if rows else Counts(0, 0, 0)


def count_overlaps(gold: Iterable[Doc], guessed: Iterable[Doc]) -> Counts:
    """Compare entities as lenient scorers do: a guess is right if it shares a character
    with an entity of its label. No entity makes two guesses right, and no guess finds two.

    gold (Iterable[Doc]): The truth, all of it annotated.
    guessed (Iterable[Doc]): Predictions for the same texts, in the same order.
    RETURNS (Counts): Of all entities. No pairing would find more.
    """
    true = found = right = 0
    for doc, predicted in zip(gold, guessed, strict=True):
        ents, guesses = _places(doc), _places(predicted)
        true += sum(map(len, ents.values()))
        found += sum(map(len, guesses.values()))
        right += sum(_pair(ents[label], guesses.get(label, [])) for label in ents)
    return Counts(right, found, true)


def score_tags(
    gold: Sequence[Sequence[str]], guessed: Sequence[Sequence[str]]
) -> TagScores:
    """Compare tags one by one.

    gold (Sequence[Sequence[str]]): The true tags of each sentence.
    guessed (Sequence[Sequence[str]]): The predicted ones.
    RETURNS (TagScores): The scores. They depend on the tagging scheme.
    RAISES (ValueError): If two sentences differ in length.
    """
    true, found, right = Counter[str](), Counter[str](), Counter[str]()
    for i, (tags, predicted) in enumerate(zip(gold, guessed, strict=True)):
        if len(tags) != len(predicted):
            raise ValueError(
                f"sentence {i} has {len(tags)} true tags and {len(predicted)} predicted "
                "ones: predict on the tokens of the truth"
            )
        true.update(tags)
        found.update(predicted)
        right.update(a for a, b in zip(tags, predicted, strict=True) if a == b)
    per_tag = _collect(right, found, true)
    total = max(1, true.total())
    weighted = sum(counts.gold * counts.f1 for counts in per_tag.values())
    return TagScores(right.total() / total, weighted / total, per_tag)


def tag_docs(docs: Iterable[Doc], scheme: Scheme) -> List[List[str]]:
    """Write the entities of Docs as tags.

    docs (Iterable[Doc]): The Docs.
    scheme (Scheme): The tagging scheme.
    RETURNS (List[List[str]]): A tag for each token of each Doc.
    """
    return [
        spans_to_tags([(e.start, e.end, e.label_) for e in doc.ents], len(doc), scheme)
        for doc in docs
    ]


def _places(doc: Doc) -> Dict[str, List[Tuple[int, int]]]:
    places: Dict[str, List[Tuple[int, int]]] = {}
    for ent in doc.ents:
        places.setdefault(ent.label_, []).append((ent.start_char, ent.end_char))
    return places


def _pair(ents: List[Tuple[int, int]], guesses: List[Tuple[int, int]]) -> int:
    """RETURNS (int): How many pairs there are, of spans that are in order and disjoint."""
    i = j = pairs = 0
    while i < len(ents) and j < len(guesses):
        (start, end), (first, last) = ents[i], guesses[j]
        if start < last and first < end:
            i, j, pairs = i + 1, j + 1, pairs + 1
        elif end < last:
            i += 1
        else:
            j += 1
    return pairs


def _collect(
    right: Counter[str], found: Counter[str], true: Counter[str]
) -> Dict[str, Counts]:
    names = sorted(true | found)
    return {name: Counts(right[name], found[name], true[name]) for name in names}
