"""Read inline tags: a sentence per line, made of text/tag pieces with spaces between."""

import re
from collections import Counter
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from ..lines import NOT_UTF8, check_is_text, decode, read_lines
from ..notation import find_notation
from ..sentence import CorpusError, EntitySpan, Options, Record, Sentence
from ..tagging import TagReader, UnreadableTags

# Not str.split, which would also split at whitespace that is text, as U+3000.
PIECE = re.compile(r"[^ \t]+")
# No tag set has more. A file that has is something else, and may not fit in memory.
MAX_TAGS = 1000


class InlineReader:
    """Read text/tag pieces. The last slash of a piece stands before the tag. A
    piece that is only a tag, such as /o, has a space as its text.

    Each piece with another tag than o or O is an entity, and those side by side
    are several. If most of these tags are of a scheme, such as B-PER or B_nr, all
    are read by it instead.

    path (Path): The file, in UTF-8.
    options (Options): The scheme. If it is given, the tags are read by it.
    RAISES (CorpusError): If no piece has a tag, or the file is not in UTF-8.
    """

    def __init__(self, path: Path, options: Options = Options()) -> None:
        self.path = path
        self.n_sentences = 0
        check_is_text(path)
        tags = self._survey()
        self._scheme: Optional[TagReader] = None
        if options.scheme != "auto" or _most_in_scheme(tags):
            try:
                all_tags = (tags for _, tags in self._tag_lines())
                self._scheme = TagReader(all_tags, options.scheme)
            except UnreadableTags as error:
                line = next(n for n, tags in self._tag_lines() if error.tag in tags)
                raise CorpusError(f"{path}:{line}: {error}") from error
            self.evidence = f"text/tag pieces, {self._scheme.evidence}"
        else:
            counts = ", ".join(f"{tag} {n:,}" for tag, n in tags.most_common(20))
            self.evidence = f"text/tag pieces, an entity each (tags {counts or 'none'})"

    def __len__(self) -> int:
        return self.n_sentences

    def __iter__(self) -> Iterator[Sentence]:
        source = str(self.path)
        for line, content in _lines(self.path):
            text = decode(content)
            records = []
            if text is None:
                text = content.decode("utf8", "replace")
                records.append(Record(source, line, "not-utf8", NOT_UTF8, text))
            pieces = [split_piece(piece) for piece in PIECE.findall(text)]
            tokens = [token for token, _ in pieces]
            tags = [tag for _, tag in pieces]
            if self._scheme is not None:
                lines = [line] * len(tags)
                yield self._scheme.read(tokens, tags, source, lines, records)
                continue
            spans = []
            for i, (token, tag) in enumerate(pieces):
                if not tag:
                    why = "no tag"
                    records.append(Record(source, line, "unknown-tag", why, token, "O"))
                elif tag != "O":
                    spans.append(EntitySpan(i, i + 1, tag, line))
            yield Sentence(tokens, spans, source, line, records)

    def _survey(self) -> Counter[str]:
        """Count the sentences, and how often there is each tag."""
        tags: Counter[str] = Counter()
        fault = ""
        for line, content in _lines(self.path):
            self.n_sentences += 1
            text = decode(content)
            if text is None:
                fault = fault or f"{line}: {NOT_UTF8}"
                continue
            pieces = [split_piece(piece) for piece in PIECE.findall(text)]
            tags.update(tag for _, tag in pieces if tag)
            if len(tags) > MAX_TAGS:
                why = f"more than {MAX_TAGS:,} different tags: not text/tag pieces"
                raise CorpusError(f"{self.path}:{line}: {why}")
            if "]" in text and _has_compound(pieces):
                why = (
                    "brackets around several pieces, as [中国/ns 银行/n]nt, cannot be read"
                )
                hint = "write each name as one piece, without brackets"
                raise CorpusError(f"{self.path}:{line}: {why}: {hint}")
            if not tags and not fault:
                what = f"no piece with a tag (here: '{pieces[0][0]}')"
                fault = f"{line}: {what}: write text/tag pieces with spaces between"
        if self.n_sentences and not tags:
            raise CorpusError(f"{self.path}:{fault}")
        return tags

    def _tag_lines(self) -> Iterator[Tuple[int, List[str]]]:
        for line, content in _lines(self.path):
            pieces = PIECE.findall(decode(content) or "")
            yield line, [split_piece(piece)[1] for piece in pieces]


def matches(path: Path) -> bool:
    """Look at the beginning of a file. A column file never matches, even if all
    of its tokens have a slash: its O has none.

    path (Path): A file or folder.
    RETURNS (bool): Whether it is a file of text/tag pieces.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file_:
        start = file_.read(65536).decode("utf8", "ignore")
    lines = [PIECE.findall(line) for line in start.split("\n")[:20]]
    tags = [split_piece(piece)[1] for line in lines for piece in line]
    # With a piece on each line it would be a column file of an unknown kind.
    if max(map(len, lines)) < 2 or "O" not in tags:
        return False
    return 10 * sum(map(bool, tags)) >= 9 * len(tags)


def split_piece(piece: str) -> Tuple[str, str]:
    """Split a piece at its last slash.

    piece (str): A piece, not empty.
    RETURNS (Tuple[str, str]): Its text, never empty, and its tag, empty if it
        has none. A small o is a capital one.
    """
    text, _, tag = piece.rpartition("/")
    if not tag or tag == piece:
        return piece, ""
    return text or " ", "O" if tag == "o" else tag


def _has_compound(pieces: List[Tuple[str, str]]) -> bool:
    """Whether one piece opens a bracket and the tag of another closes it."""
    opens = any(token.startswith("[") for token, _ in pieces)
    return opens and any("]" in tag.partition("[")[0] for _, tag in pieces)


def _most_in_scheme(tags: Counter[str]) -> bool:
    """Whether most entity tags have a letter for the place in the entity."""
    entity_tags = {tag: n for tag, n in tags.items() if tag != "O"}
    notation = find_notation(entity_tags)
    read = sum(n for tag, n in entity_tags.items() if notation.read(tag) is not None)
    return 2 * read > sum(entity_tags.values())


def _lines(path: Path) -> Iterator[Tuple[int, bytes]]:
    return ((number, line) for number, line in read_lines(path) if line.strip())
