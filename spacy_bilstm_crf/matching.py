"""Where words stand in Docs."""

from collections import defaultdict
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import ahocorasick
import numpy
from numpy.typing import NDArray
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc

from .tags import BEGIN, INSIDE, LAST, UNIT

Ints = NDArray[numpy.int64]


class Hits(NamedTuple):
    """Words found in Docs, as parallel arrays.

    starts (int array): Index of the first token, counted through all Docs.
    ends (int array): Index after the last token.
    entries (int array): Index of the word.
    """

    starts: Ints
    ends: Ints
    entries: Ints

    def pick(self, index: NDArray[Any]) -> "Hits":
        """RETURNS (Hits): Some of them."""
        return Hits(*(column[index] for column in self))


class WordMatcher:
    """Finds words in Docs, all at once, in time that hardly depends on their number
    (Aho & Corasick 1975).

    words (Sequence[str]): The words, without line feeds. They need not be different.
    ignore_case (Sequence[bool]): Of each word, whether upper and lower case count as the
        same.
    """

    def __init__(self, words: Sequence[str], ignore_case: Sequence[bool]) -> None:
        self._words = list(words)
        self._ignore_case = list(ignore_case)
        self._lengths = numpy.array([len(word) for word in self._words], dtype="int64")
        folded = [fold(word) for word in self._words]
        self._cased = numpy.array(
            [
                not ignore and not word == lower == lower.upper()
                for word, ignore, lower in zip(words, ignore_case, folded, strict=True)
            ],
            dtype="bool",
        )
        indices: Dict[str, List[int]] = defaultdict(list)
        for i, word in enumerate(folded):
            indices[word].append(i)
        self._automaton = ahocorasick.Automaton()
        for word, found in indices.items():
            self._automaton.add_word(word, found)
        self._automaton.make_automaton()

    def __reduce__(self) -> Tuple[Any, ...]:
        # The automaton is made in less time than it is pickled.
        return WordMatcher, (self._words, self._ignore_case)

    def find(self, docs: Sequence[Doc]) -> Hits:
        """RETURNS (Hits): All words that begin and end where tokens do."""
        nothing = numpy.zeros(0, dtype="int64")
        # An automaton without words refuses to look. An empty word is none.
        if not len(self._automaton):
            return Hits(nothing, nothing, nothing)
        count = len(self._words)
        texts = [doc.text for doc in docs]
        # No word has a line feed, so none reaches from one Doc into the next.
        text = "\n".join(texts)
        # Two numbers in one: half the time of a list of pairs.
        found = [
            last * count + entry
            for last, entries in self._automaton.iter(fold(text))
            for entry in entries
        ]
        if not found:
            return Hits(nothing, nothing, nothing)
        last, entries = numpy.divmod(numpy.array(found, dtype="int64"), count)
        characters = last + 1 - self._lengths[entries]

        columns = [doc.to_array([IDX, LENGTH]).reshape(-1, 2) for doc in docs]
        index, length = numpy.concatenate(columns).astype("int64").T
        offsets = numpy.cumsum([0, *(len(text) + 1 for text in texts)])[:-1]
        index += numpy.repeat(offsets, [len(doc) for doc in docs])
        # The token that begins at each character, the one that follows it, or -1.
        begins, follows = numpy.full((2, len(text) + 1), -1)
        begins[index] = numpy.arange(len(index))
        follows[index + length] = numpy.arange(len(index)) + 1

        hits = Hits(begins[characters], follows[last + 1], entries)
        right = (hits.starts >= 0) & (hits.ends >= 0)
        for i in numpy.flatnonzero(right & self._cased[entries]).tolist():
            right[i] = text.startswith(self._words[entries[i]], characters[i])
        return hits.pick(right)


def fold(text: str) -> str:
    """Make upper and lower case the same, without changing the number of characters."""
    # The one letter whose lower case is longer, and the one that has two of them.
    return text.replace("İ", "i").lower().replace("ς", "σ")


def lay_out(hits: Hits) -> Tuple[Ints, Ints, Ints]:
    """Go through the tokens of all words found.

    RETURNS (Tuple[Ints, Ints, Ints]): Index of each token; its place in the word, BEGIN,
        INSIDE, LAST or UNIT; and index of the hit.
    """
    lengths = hits.ends - hits.starts
    which = numpy.repeat(numpy.arange(len(lengths)), lengths)
    offsets = hits.starts - (numpy.cumsum(lengths) - lengths)
    tokens = numpy.arange(len(which)) + offsets[which]
    first, last = tokens == hits.starts[which], tokens == hits.ends[which] - 1
    places = numpy.where(
        first, numpy.where(last, UNIT, BEGIN), numpy.where(last, LAST, INSIDE)
    )
    return tokens, places, which
