"""Words that are entities: found in Docs, and put to the model as tags that alone are
allowed, or as a bonus for tags."""

from collections import defaultdict
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import ahocorasick
import numpy
from numpy.typing import NDArray
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc

from .query import Query
from .tags import BEGIN, INSIDE, LAST, UNIT, count_tags
from .wordlist import Entry

Ints = NDArray[numpy.int64]


class Hits(NamedTuple):
    """Entries found in Docs, as parallel arrays.

    starts (int array): Index of the first token, counted through all Docs.
    ends (int array): Index after the last token.
    entries (int array): Index of the entry.
    """

    starts: Ints
    ends: Ints
    entries: Ints

    def pick(self, index: NDArray[Any]) -> "Hits":
        """RETURNS (Hits): Some of them."""
        return Hits(*(column[index] for column in self))


class Dictionary:
    """Finds words in Docs, all at once, in time that hardly depends on their number
    (Aho & Corasick 1975).

    rows (Sequence[Sequence]): The entries, see `wordlist.Entry`, as they are saved.
    """

    def __init__(self, rows: Sequence[Sequence[Any]]) -> None:
        self.rows = rows
        entries = [Entry(*row) for row in rows]
        self._words = [entry.word for entry in entries]
        self._lengths = numpy.array([len(word) for word in self._words], dtype="int64")
        # Not a number: the word must be an entity.
        self._bonus = numpy.array([entry.bonus for entry in entries], dtype="float64")
        self._labels = sorted({entry.label for entry in entries})
        label_ids = {label: i for i, label in enumerate(self._labels)}
        self._label_ids = numpy.array([label_ids[entry.label] for entry in entries])
        folded = [fold(word) for word in self._words]
        self._cased = numpy.array(
            [
                not entry.ignore_case and not entry.word == lower == lower.upper()
                for entry, lower in zip(entries, folded, strict=True)
            ]
        )
        indices: Dict[str, List[int]] = defaultdict(list)
        for i, word in enumerate(folded):
            indices[word].append(i)
        self._automaton = ahocorasick.Automaton()
        for word, found in indices.items():
            self._automaton.add_word(word, found)
        self._automaton.make_automaton()

    def __len__(self) -> int:
        return len(self.rows)

    def __reduce__(self) -> Tuple[Any, ...]:
        # The automaton is made in less time than it is pickled.
        return Dictionary, (self.rows,)

    def apply(self, query: Query, labels: Sequence[str]) -> Query:
        """Put to a model what the words say of its Docs. Words begin and end where tokens
        do. Of those that overlap, hard ones go before soft ones, then the longest, then
        the earliest. A word whose tags are not all allowed in the query does not count.

        query (Query): What is asked of the model.
        labels (Sequence[str]): The model's labels.
        RETURNS (Query): The same, with fewer tags allowed, or with a bonus for some.
        """
        hits = self._find(query.docs) if self.rows else None
        if hits is None:
            return query
        lengths = [len(doc) for doc in query.docs]
        shape = (sum(lengths), count_tags(len(labels)))
        ids = numpy.array([labels.index(label) for label in self._labels])
        allowed = numpy.ones(shape, dtype="bool")
        if query.allowed:
            allowed = numpy.concatenate(query.allowed)
            tokens, tags, which = _lay_out(hits, ids[self._label_ids[hits.entries]])
            fits = numpy.ones(len(hits.entries), dtype="bool")
            fits[which[~allowed[tokens, tags]]] = False
            hits = hits.pick(fits)
        hits = self._choose(hits, shape[0])
        is_hard = numpy.isnan(self._bonus[hits.entries])
        if is_hard.any():
            hard = hits.pick(is_hard)
            tokens, tags, _ = _lay_out(hard, ids[self._label_ids[hard.entries]])
            allowed[tokens] = False
            allowed[tokens, tags] = True
            query = query._replace(allowed=_split(allowed, lengths))
        if not is_hard.all():
            soft = hits.pick(~is_hard)
            tokens, tags, which = _lay_out(soft, ids[self._label_ids[soft.entries]])
            bonus = numpy.zeros(shape, dtype="float32")
            bonus[tokens, tags] = self._bonus[soft.entries][which]
            query = query._replace(bonus=_split(bonus, lengths))
        return query

    def _find(self, docs: Sequence[Doc]) -> Optional[Hits]:
        """RETURNS (Optional[Hits]): All entries that begin and end where tokens do. None
        if the texts have no word at all."""
        texts = [doc.text for doc in docs]
        # No word has a line feed, so none reaches from one Doc into the next.
        text = "\n".join(texts)
        count = len(self._words)
        # Two numbers in one: half the time of a list of pairs.
        found = [
            last * count + entry
            for last, entries in self._automaton.iter(fold(text))
            for entry in entries
        ]
        if not found:
            return None
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

    def _choose(self, hits: Hits, num_tokens: int) -> Hits:
        """RETURNS (Hits): Those that take their place before others that overlap. In the
        same place several can be, with different labels."""
        soft = ~numpy.isnan(self._bonus[hits.entries])
        order = numpy.lexsort((hits.starts, hits.starts - hits.ends, soft))
        hits = hits.pick(order)
        places = (hits.starts.tolist(), hits.ends.tolist(), soft[order].tolist())
        taken = bytearray(num_tokens)
        chosen = []
        last = None
        for i, place in enumerate(zip(*places, strict=True)):
            if place != last:
                start, end, _ = place
                if taken.find(1, start, end) >= 0:
                    continue
                taken[start:end] = b"\1" * (end - start)
                last = place
            chosen.append(i)
        return hits.pick(numpy.array(chosen, dtype="int64"))


def fold(text: str) -> str:
    """Make upper and lower case the same, without changing the number of characters."""
    # The one letter whose lower case is longer, and the one that has two of them.
    return text.replace("İ", "i").lower().replace("ς", "σ")


def _lay_out(hits: Hits, labels: Ints) -> Tuple[Ints, Ints, Ints]:
    """RETURNS (Tuple): The tokens of all the entities, their tags, and which of the
    entities they are of."""
    lengths = hits.ends - hits.starts
    which = numpy.repeat(numpy.arange(len(lengths)), lengths)
    offsets = hits.starts - (numpy.cumsum(lengths) - lengths)
    tokens = numpy.arange(len(which)) + offsets[which]
    first, last = tokens == hits.starts[which], tokens == hits.ends[which] - 1
    prefix = numpy.where(
        first, numpy.where(last, UNIT, BEGIN), numpy.where(last, LAST, INSIDE)
    )
    return tokens, 1 + 4 * labels[which] + prefix, which


def _split(flat: NDArray[Any], lengths: Sequence[int]) -> List[NDArray[Any]]:
    return numpy.split(flat, numpy.cumsum(lengths)[:-1])
