"""Words that are entities: found in Docs, and put to the model as tags that alone are
allowed, or as a bonus for tags."""

from typing import Any, List, Sequence, Tuple

import numpy
from numpy.typing import NDArray

from .matching import Hits, Ints, WordMatcher, lay_out
from .query import Query
from .tags import count_tags
from .wordlist import Entry


class Dictionary:
    """What the words that are known say of Docs.

    rows (Sequence[Sequence]): The entries, see `wordlist.Entry`, as they are saved.
    """

    def __init__(self, rows: Sequence[Sequence[Any]]) -> None:
        self.rows = rows
        entries = [Entry(*row) for row in rows]
        # Not a number: the word must be an entity.
        self._bonus = numpy.array([entry.bonus for entry in entries], dtype="float64")
        self._labels = sorted({entry.label for entry in entries})
        label_ids = {label: i for i, label in enumerate(self._labels)}
        self._label_ids = numpy.array([label_ids[entry.label] for entry in entries])
        self._matcher = WordMatcher(
            [entry.word for entry in entries], [entry.ignore_case for entry in entries]
        )

    def __len__(self) -> int:
        return len(self.rows)

    def apply(self, query: Query, labels: Sequence[str]) -> Query:
        """Put to a model what the words say of its Docs. Words begin and end where tokens
        do. Of those that overlap, hard ones go before soft ones, then the longest, then
        the earliest. A word whose tags are not all allowed in the query does not count.

        query (Query): What is asked of the model.
        labels (Sequence[str]): The model's labels.
        RETURNS (Query): The same, with fewer tags allowed, or with a bonus for some.
        """
        hits = self._matcher.find(query.docs)
        if not len(hits.entries):
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


def _lay_out(hits: Hits, labels: Ints) -> Tuple[Ints, Ints, Ints]:
    """RETURNS (Tuple): The tokens of all the entities, their tags, and which of the
    entities they are of."""
    tokens, prefixes, which = lay_out(hits)
    return tokens, 1 + 4 * labels[which] + prefixes, which


def _split(flat: NDArray[Any], lengths: Sequence[int]) -> List[NDArray[Any]]:
    return numpy.split(flat, numpy.cumsum(lengths)[:-1])
