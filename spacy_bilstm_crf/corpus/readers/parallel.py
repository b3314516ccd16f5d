"""Read parallel files: sentences in one, a line each, and their tags in another."""

import re
from dataclasses import replace
from itertools import product, zip_longest
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence, Tuple

from ..lines import NOT_UTF8, check_is_text, decode, read_lines
from ..looks import looks_tagged
from ..sentence import CorpusError, Options, Record, Sentence
from ..tagging import TagReader, UnreadableTags

# One word tells the names of the two files apart, as in train.words.txt and
# train.tags.txt, or seq.in and seq.out.
SENTENCE_WORDS = (
    *("sentences", "sentence", "sents", "sent", "words", "word", "tokens", "token"),
    *("texts", "text", "chars", "char"),
)
PAIRS = (
    *product(SENTENCE_WORDS, ("tags", "tag", "labels", "label")),
    *(("source", "target"), ("src", "tgt"), ("input", "output"), ("in", "out")),
)
# Not str.split, which would also split at whitespace that is a token, as U+3000.
WORD = re.compile(r"[^ \t]+")


class ParallelReader:
    """Read a file of sentences and, line by line, the file of their tags. Spaces
    separate tokens and tags. A sentence without spaces is read as characters if
    there is a tag for each of them. So is one with spaces, in a file where most
    are read so.

    path (Path): The file of the sentences, in UTF-8. The tags are beside it.
    options (Options): The scheme.
    RAISES (CorpusError): If there is no file of tags, in UTF-8, beside it.
    """

    def __init__(self, path: Path, options: Options = Options()) -> None:
        self.path = path
        self.n_sentences = 0
        self._by_character = False
        tag_path = tag_file(path)
        if tag_path is None:
            what = "a file of tags" if sentence_file(path) else "no file of tags beside it"
            hint = "give the sentences, in a pair such as sentences.txt and tags.txt"
            raise CorpusError(f"{path}: {what}: {hint}")
        self.tag_path = tag_path
        check_is_text(path)
        check_is_text(tag_path)
        try:
            self._tags = TagReader(self._survey(), options.scheme)
        except UnreadableTags as error:
            raise CorpusError(f"{tag_path}:{self._find(error.tag)}: {error}") from error
        if self.n_sentences and not self._tags.n_tags:
            raise CorpusError(f"{tag_path}:{self._why_no_tags()}")
        self.evidence = f"tags in {tag_path.name}: {self._tags.evidence}"

    def __len__(self) -> int:
        return self.n_sentences

    def __iter__(self) -> Iterator[Sentence]:
        for line, sentence, tags in _pairs(self.path, self.tag_path):
            yield self._read(line, sentence, tags)

    def _read(
        self, line: int, sentence: Optional[bytes], tag_line: Optional[bytes]
    ) -> Sentence:
        """Build a sentence from its two lines, of which one may be missing."""
        source, tag_source = str(self.path), str(self.tag_path)
        records: List[Record] = []
        halves = []
        for path, content in ((source, sentence or b""), (tag_source, tag_line or b"")):
            half = decode(content)
            if half is None:
                half = content.decode("utf8", "replace")
                records.append(Record(path, line, "not-utf8", NOT_UTF8, half))
            halves.append(half)
        text, tags = halves[0], WORD.findall(halves[1])
        tokens = self._tokens(text, len(tags))
        lines = [line] * max(len(tags), 1)
        found = self._tags.read(tokens, tags, tag_source, lines, records)
        if len(tokens) == len(tags):
            return replace(found, source=source)
        why = f"{len(tokens)} tokens, or {len(text)} characters, but {len(tags)} tags"
        if sentence is None or tag_line is None:
            short = self.path if sentence is None else self.tag_path
            why = f"{short.name} ends before this line"
        records.append(Record(source, line, "length-mismatch", why))
        why = "entity dropped: not as many tags as tokens"
        for start, end, label, _ in found.spans:
            before = " ".join(tags[start:end])
            drop = Record(tag_source, line, "entity-dropped", why, before, label=label)
            records.append(drop)
        return Sentence(tokens, (), source, line, records)

    def _tokens(self, text: str, n_tags: int) -> Sequence[str]:
        words: List[str] = WORD.findall(text)
        if len(words) == n_tags:
            return words
        if len(words) == 1 and len(words[0]) == n_tags:
            return words[0]
        return text if self._by_character and len(text) == n_tags else words

    def _survey(self) -> Iterator[List[str]]:
        """Go through the tags, count the sentences, and see what their tokens are."""
        by_word = by_character = 0
        for _, sentence, content in _pairs(self.path, self.tag_path):
            self.n_sentences += 1
            text = decode(sentence or b"") or ""
            tags = WORD.findall(decode(content or b"") or "")
            words = WORD.findall(text)
            by_word += 1 < len(words) == len(tags)
            by_character += len(words) == 1 < len(words[0]) == len(tags)
            yield tags
        self._by_character = by_character > by_word

    def _find(self, tag: str) -> int:
        """The first line with a tag."""
        lines = _pairs(self.path, self.tag_path)
        return next(
            n for n, _, tags in lines if tag in WORD.findall(decode(tags or b"") or "")
        )

    def _why_no_tags(self) -> str:
        for line, _, content in _pairs(self.path, self.tag_path):
            tags = decode(content or b"")
            if tags is None:
                return f"{line}: {NOT_UTF8}"
            if tags.strip():
                return (
                    f"{line}: no tag such as O or B-PER in the file (here: '{tags[:20]}')"
                )
        return "1: no tags"


def tag_file(path: Path) -> Optional[Path]:
    """Find the file with the tags of some sentences.

    path (Path): The file with the sentences.
    RETURNS (Optional[Path]): A file beside it whose name says so, if there is one.
    """
    return next(_counterparts(path, PAIRS), None)


def sentence_file(path: Path) -> Optional[Path]:
    """Find the sentences of a file of tags.

    path (Path): The tags.
    RETURNS (Optional[Path]): The file that they are the tags of, if there is one.
    """
    swapped = ((tags, sentences) for sentences, tags in PAIRS)
    return next(_counterparts(path, swapped), None)


def matches(path: Path) -> bool:
    """Look for the other half of a pair. The half with the tags matches as well:
    nothing else could read it.

    path (Path): A file or folder.
    RETURNS (bool): Whether it is one of two parallel files.
    """
    sentences = path if tag_file(path) is not None else sentence_file(path)
    # Two column files may be called source and target as well.
    return path.is_file() and sentences is not None and not looks_tagged(sentences)


def _counterparts(path: Path, pairs: Iterable[Tuple[str, str]]) -> Iterator[Path]:
    parts = re.split(r"([._-])", path.name)
    for (word, other), i in product(pairs, range(len(parts))):
        if parts[i] == word:
            counterpart = path.with_name("".join((*parts[:i], other, *parts[i + 1 :])))
            if counterpart.is_file():
                yield counterpart


def _pairs(
    path: Path, tag_path: Path
) -> Iterator[Tuple[int, Optional[bytes], Optional[bytes]]]:
    """The lines with the same number, unless both are blank. After the last line
    of one file it is None.
    """
    pairs = zip_longest(read_lines(path), read_lines(tag_path))
    for number, (sentence, tags) in enumerate(pairs, 1):
        halves = (sentence and sentence[1], tags and tags[1])
        if any(half and half.strip() for half in halves):
            yield number, *halves
