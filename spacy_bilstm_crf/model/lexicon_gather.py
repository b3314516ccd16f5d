"""Where the words of a lexicon come from."""

from collections import defaultdict
from typing import Dict, Iterable, List, Set, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc

from .lexicon_words import Lexicon, home_keys, text_id

Vector = NDArray[numpy.float32]
# A word and its label.
Entity = Tuple[str, str]


def gather_lexicon(
    docs: Iterable[Doc],
    listed: Iterable[Tuple[str, str, float]],
    vectors: Iterable[Tuple[str, Vector]],
    min_freq: int,
) -> Lexicon:
    """Make a lexicon of entities, of a list of words, and of word vectors. A word that
    comes from several of them counts several times, with different types.

    docs (Iterable[Doc]): Docs whose entities are taken.
    listed (Iterable[Tuple[str, str, float]]): Words with their types and frequencies.
    vectors (Iterable[Tuple[str, Vector]]): Words with their vectors, all as wide.
    min_freq (int): In how many texts an entity must occur for its own learned vector.
    RETURNS (Lexicon): The lexicon.
    """
    texts = _gather_entities(docs)
    entities = sorted(texts)
    counts = [len(texts[entity]) for entity in entities]
    rows = [
        (word, ("entity", label), float(count))
        for (word, label), count in zip(entities, counts, strict=True)
    ]
    rows += [(word, ("listed", name), frequency) for word, name, frequency in listed]
    given: List[Vector] = []
    for word, vector in vectors:
        rows.append((word, ("given", ""), 1.0))
        given.append(vector)

    types = {name: i for i, name in enumerate(dict.fromkeys(name for _, name, _ in rows))}
    own = numpy.full(len(rows), -1, dtype="int64")
    frequent = numpy.flatnonzero(numpy.array(counts, dtype="int64") >= min_freq)
    own[frequent] = numpy.arange(len(frequent))
    home_texts = [text for entity in entities for text in texts[entity]]
    home_entries = numpy.repeat(numpy.arange(len(entities)), counts)
    homes = home_keys(numpy.array(home_texts, dtype="uint64"), home_entries)
    return Lexicon(
        words=[word for word, _, _ in rows],
        types=numpy.array([types[name] for _, name, _ in rows], dtype="int64"),
        frequencies=numpy.array([count for _, _, count in rows], dtype="float32"),
        own=own,
        vectors=_stack(given),
        homes=numpy.sort(homes),
        num_entities=len(entities),
        min_freq=min_freq,
    )


def _gather_entities(docs: Iterable[Doc]) -> Dict[Entity, Set[int]]:
    """RETURNS (Dict[Entity, Set[int]]): The texts that have each entity."""
    texts = defaultdict(set)
    for doc in docs:
        text = text_id(doc)
        for ent in doc.ents:
            # What a matcher takes for the end of a Doc is no part of a word.
            if "\n" not in ent.text:
                texts[ent.text, ent.label_].add(text)
    return texts


def _stack(vectors: List[Vector]) -> Vector:
    """RETURNS (Vector): A table of vectors after one of zeros, scaled to a mean length of
    1: files differ by an order of magnitude."""
    width = len(vectors[0]) if vectors else 0
    table = numpy.stack([numpy.zeros(width, dtype="float32"), *vectors])
    lengths = numpy.linalg.norm(table[1:], axis=1)
    table /= lengths.mean() if lengths.any() else 1.0
    return table
