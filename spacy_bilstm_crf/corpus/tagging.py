"""From tokens and tags to sentences: what all readers of tagged text share."""

from typing import Iterable, List, Sequence

from .schemes import detect_scheme, get_scheme, tags_to_spans
from .sentence import CorpusError, EntitySpan, Record, Sentence


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
        detected = detect_scheme(tags)
        if detected.known and detected.example and not detected.entity:
            raise CorpusError(
                f"no tag but O can be read (here: '{detected.example}'): write a letter, "
                "a hyphen and a label, such as B-PER"
            )
        self.n_tags = detected.known
        self.scheme = given or detected.scheme
        how = "as given" if given else "detected"
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
        found, repairs = tags_to_spans(tags, self.scheme)
        all_records: List[Record] = [
            Record(source, lines[r.index], r.kind, r.why, r.before, r.after)
            for r in repairs
        ]
        spans = [EntitySpan(*span, lines[span[0]]) for span in found]
        return Sentence(tokens, spans, source, lines[0], (*all_records, *records))
