"""The words of a lexicon: what is known of them, and where they stand in Docs."""

from typing import Any, Dict, List, NamedTuple, Sequence

import numpy
import srsly
from numpy.typing import NDArray
from spacy.strings import get_string_id
from spacy.tokens import Doc
from thinc.api import deserialize_attr, serialize_attr

from ..matching import Hits, Ints, WordMatcher

# Entities that one, two, or three and more texts have are of different types: the fewer
# there are, the less is a word to be trusted.
LEVELS = 3


class Matches(NamedTuple):
    """Words found in Docs, and what is known of them, as parallel arrays.

    hits (Hits): Where they stand.
    frequencies (float array): How frequent they are.
    types (int array): Their types.
    own (int array): Their own learned vectors, or -1.
    vectors (int array): Their given vectors, 0 for none.
    """

    hits: Hits
    frequencies: NDArray[numpy.float32]
    types: Ints
    own: Ints
    vectors: Ints

    def pick(self, index: NDArray[Any]) -> "Matches":
        """RETURNS (Matches): Some of them."""
        return Matches(self.hits.pick(index), *(column[index] for column in self[1:]))


class Lexicon:
    """Words, and what is known of each.

    words (List[str]): The words: first those of entities, last those with given vectors.
    types (int array): Index of each one's type.
    frequencies (float array): How frequent it is. For an entity: in how many texts it is.
    own (int array): Index of its own learned vector, or -1.
    vectors (float array): The given vectors, after one of zeros for words without.
    homes (uint64 array): Sorted keys of the entities with the texts that have them, see
        `home_keys`.
    num_entities (int): How many words are those of entities.
    min_freq (int): The frequency of an entity with its own vector.
    """

    def __init__(
        self,
        words: List[str],
        types: Ints,
        frequencies: NDArray[numpy.float32],
        own: Ints,
        vectors: NDArray[numpy.float32],
        homes: NDArray[numpy.uint64],
        num_entities: int,
        min_freq: int,
    ) -> None:
        self.words = words
        self.types = types
        self.frequencies = frequencies
        self.own = own
        self.vectors = vectors
        self.homes = homes
        self.num_entities = num_entities
        self.min_freq = min_freq
        self._matcher = WordMatcher(words, [False] * len(words))

    def __len__(self) -> int:
        return len(self.words)

    @property
    def num_types(self) -> int:
        """RETURNS (int): The number of types, each in its `LEVELS`."""
        return LEVELS * (1 + int(self.types.max(initial=-1)))

    @property
    def num_own(self) -> int:
        """RETURNS (int): The number of words with vectors of their own."""
        return 1 + int(self.own.max(initial=-1))

    def match(self, docs: Sequence[Doc], leave_out: bool) -> Matches:
        """Find the words in Docs.

        docs (Sequence[Doc]): The Docs.
        leave_out (bool): Whether to know of entities in each Doc only what all others tell,
            as if the lexicon had been gathered without it.
        RETURNS (Matches): All words that begin and end where tokens do.
        """
        hits = self._matcher.find(docs)
        frequencies = self.frequencies[hits.entries]
        if leave_out:
            texts = numpy.array([text_id(doc) for doc in docs], dtype="uint64")
            ends = numpy.cumsum([len(doc) for doc in docs])
            text = texts[numpy.searchsorted(ends, hits.starts, side="right")]
            frequencies = frequencies - _is_in(home_keys(text, hits.entries), self.homes)
            known = frequencies > 0
            hits, frequencies = hits.pick(known), frequencies[known]
        entity = hits.entries < self.num_entities
        level = numpy.where(entity, numpy.minimum(frequencies, LEVELS), LEVELS).astype(
            "int64"
        )
        types = LEVELS * self.types[hits.entries] + level - 1
        rare = entity & (frequencies < self.min_freq)
        own = numpy.where(rare, -1, self.own[hits.entries])
        without = len(self.words) - len(self.vectors)
        vectors = numpy.maximum(hits.entries - without, 0)
        return Matches(hits, frequencies, types, own, vectors)


def text_id(doc: Doc) -> int:
    """RETURNS (int): What tells a Doc's text from others, in any process."""
    return int(get_string_id(doc.text))


def home_keys(texts: NDArray[numpy.uint64], entries: Ints) -> NDArray[numpy.uint64]:
    """RETURNS (uint64 array): Keys of words in texts. Ids of texts are good hashes, of
    which one bit more or less makes another."""
    keys: NDArray[numpy.uint64] = texts ^ entries.astype("uint64")
    return keys


def _is_in(keys: NDArray[numpy.uint64], known: NDArray[numpy.uint64]) -> NDArray[Any]:
    """RETURNS (bool array): Which keys are among sorted ones."""
    found = numpy.zeros(len(keys), dtype="bool")
    if len(known):
        places = numpy.searchsorted(known, keys)
        places[places == len(known)] = 0
        found = known[places] == keys
    return found


_FIELDS = (
    "words",
    "types",
    "frequencies",
    "own",
    "vectors",
    "homes",
    "num_entities",
    "min_freq",
)


@serialize_attr.register(Lexicon)
def _to_bytes(_: Any, value: Lexicon, name: str, model: Any) -> bytes:
    return bytes(srsly.msgpack_dumps({field: getattr(value, field) for field in _FIELDS}))


@deserialize_attr.register(Lexicon)
def _from_bytes(_: Any, value: bytes, name: str, model: Any) -> Lexicon:
    fields = srsly.msgpack_loads(value)
    if not _is_sound(fields):
        raise ValueError("the words of LexiconEmbed and what is known of them do not fit")
    return Lexicon(**fields)


def _is_sound(fields: Dict[str, Any]) -> bool:
    words, types, frequencies, own, vectors, homes, num_entities, min_freq = (
        fields[name] for name in _FIELDS
    )
    columns = (types, own, frequencies)
    return (
        [column.dtype.kind for column in columns] == ["i", "i", "f"]
        and all(column.shape == (len(words),) for column in columns)
        and all(isinstance(word, str) and word for word in words)
        and bool((numpy.isfinite(frequencies) & (frequencies > 0)).all())
        and types.min(initial=0) >= 0
        and own.min(initial=-1) >= -1
        and vectors.dtype == "float32"
        and vectors.ndim == 2
        and 1 <= len(vectors) <= 1 + len(words)
        and homes.dtype == "uint64"
        and homes.ndim == 1
        and 0 <= num_entities <= len(words)
        and min_freq >= 1
    )
