"""From tokens and tags to sentences: what all readers of tagged text share."""

from functools import lru_cache
from typing import Iterable, List, Sequence

from .detect import count_tags, detect_scheme
from .notation import USUAL, find_notation
from .schemes import get_scheme, tags_to_spans
from .sentence import CorpusError, EntitySpan, Record, Sentence


class UnreadableTags(CorpusError):
    """Raised for a source without a single entity tag that can be read.

    message (str): What is wrong, without a place.
    tag (str): The first of its tags that cannot be read.
    """

    def __init__(self, message: str, tag: str) -> None:
        super().__init__(message)
        self.tag = tag


class TagReader:
    """The tagging scheme of one source, given or found in all of its tags, and
    the way from its tags to entities.

    tags (Iterable[Sequence[str]]): The tags of every sentence of the source. It
        is gone through once and never held in memory.
    scheme (str): Name of the tagging scheme, or "auto" to detect it.
    RAISES (CorpusError): If the name is unknown, or the tags are no tags. The
        message has no place: the reader knows where to point at.
    """

    def __init__(self, tags: Iterable[Sequence[str]], scheme: str = "auto") -> None:
        given = None if scheme == "auto" else get_scheme(scheme)
        counts = count_tags(tags)
        labels_alone = given is not None and given.name == "io"
        self.notation = find_notation(counts.tags, labels_alone)
        self._usual = lru_cache(maxsize=4096)(self._spell_as_usual)
        detected = detect_scheme(counts.map(self._usual))
        if detected.known and detected.example and not detected.entity:
            raise UnreadableTags(
                f"no tag but O can be read (here: '{detected.example}'): write a letter, "
                "a hyphen and a label, such as B-PER, or give --scheme io if the tags "
                "are labels alone",
                detected.example,
            )
        self.n_tags = detected.known
        self.scheme = given or detected.scheme
        how = "as given" if given else "detected"
        if self.notation != USUAL:
            how += f", tags such as {self.notation}"
        self.evidence = f"{self.scheme.name}, {how} ({detected.evidence})"

    def read(
        self,
        tokens: Sequence[str],
        tags: Sequence[str],
        source: str,
        lines: Sequence[int],
        records: Iterable[Record] = (),
    ) -> Sentence:
        """Make a sentence, and list what had to be repaired in its tags.

        tokens (Sequence[str]): The tokens, or a str of one-character tokens.
        tags (Sequence[str]): As many tags. An empty one is missing.
        source (str): Path of the file.
        lines (Sequence[int]): Line number of each token.
        records (Iterable[Record]): What the reader had to repair before.
        RETURNS (Sentence): The sentence.
        """
        usual = tags if self.notation == USUAL else list(map(self._usual, tags))
        found, repairs = tags_to_spans(usual, self.scheme)
        all_records: List[Record] = [
            Record(
                source, lines[r.index], r.kind, r.why, tags[r.index], self._write(r.after)
            )
            for r in repairs
        ]
        spans = [EntitySpan(*span, lines[span[0]]) for span in found]
        return Sentence(tokens, spans, source, lines[0], (*all_records, *records))

    def _spell_as_usual(self, tag: str) -> str:
        # What the notation cannot read stays: most likely it is no tag at all.
        usual = self.notation.read(tag)
        return tag if usual is None else usual

    def _write(self, tag: str) -> str:
        return tag if self.notation == USUAL else self.notation.write(tag)
