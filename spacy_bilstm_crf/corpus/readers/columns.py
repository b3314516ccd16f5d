"""Read column files: one token per line, sentences separated by blank lines."""

from collections import Counter
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from ..lines import NOT_UTF8, check_is_text, decode, read_lines
from ..sentence import CorpusError, Options, Record, Sentence
from ..tagging import TagReader


class ColumnReader:
    """Read a column file: token in the first column, tag in the last one.

    The file is read twice and never held in memory: first to learn the scheme
    and the number of columns, then, on iteration, for the sentences.

    path (Path): The file, in UTF-8. Columns are separated by tabs or spaces.
    options (Options): The scheme.
    RAISES (CorpusError): If this is not a column file in UTF-8 with tags.
    """

    def __init__(self, path: Path, options: Options = Options()) -> None:
        self.path = path
        self.n_sentences = 0
        self.n_columns = 0
        self._undecodable = 0
        check_is_text(path)
        try:
            self._tags = TagReader(self._survey(), options.scheme)
        except CorpusError as error:
            raise CorpusError(f"{path}: {error}") from error
        if self.n_sentences and not self._tags.n_tags:
            raise CorpusError(self._why_no_tags())
        self.evidence = self._tags.evidence

    def __len__(self) -> int:
        return self.n_sentences

    def __iter__(self) -> Iterator[Sentence]:
        for line, block in _blocks(self.path):
            text = decode(block)
            if text is None:
                yield self._sentence(line, block.decode("utf8", "replace"), block)
            else:
                yield self._sentence(line, text)

    def _sentence(self, line: int, text: str, broken: bytes = b"") -> Sentence:
        """Build a sentence from its lines, and list what had to be repaired."""
        source = str(self.path)
        rows = text.split("\n")
        columns = [split_columns(row) for row in rows]
        records = []
        for i, row in enumerate(columns):
            if len(row) not in (1, self.n_columns):
                why = f"{len(row)} columns instead of {self.n_columns}"
                after = f"{row[0]} {row[-1]}"
                records.append(
                    Record(source, line + i, "column-count", why, rows[i], after)
                )
        if broken:
            first = _undecodable_row(broken)
            records.append(Record(source, line + first, "not-utf8", NOT_UTF8, rows[first]))
        tokens = [row[0] for row in columns]
        tags = [_tag(row) for row in columns]
        return self._tags.read(tokens, tags, source, range(line, line + len(rows)), records)

    def _survey(self) -> Iterator[List[str]]:
        """Go through the tags of the file, and count what else is needed."""
        widths: Counter[int] = Counter()
        for line, block in _blocks(self.path):
            self.n_sentences += 1
            text = decode(block)
            if text is None:
                self._undecodable = self._undecodable or line + _undecodable_row(block)
                continue
            columns = [split_columns(row) for row in text.split("\n")]
            widths.update(map(len, columns))
            yield [_tag(row) for row in columns]
        del widths[1]
        self.n_columns = max(widths, key=lambda n: widths[n], default=2)

    def _why_no_tags(self) -> str:
        if self._undecodable:
            return f"{self.path}:{self._undecodable}: {NOT_UTF8}"
        line, block = next(_blocks(self.path))
        columns = split_columns(block.decode("utf8").split("\n")[0])
        found = f"'{columns[-1]}'" if len(columns) > 1 else "only one column"
        return (
            f"{self.path}:{line}: no line of the file ends with a tag such as O or "
            f"B-PER (here: {found}): put the token first and the tag last on each line"
        )


def split_columns(line: str) -> List[str]:
    """Split a line at its tabs, or at its spaces if it has no tab. A line that
    begins with the separator has that whitespace character as its token.

    line (str): A line that is not blank.
    RETURNS (List[str]): The columns, at least one, none of them empty.
    """
    separator = "\t" if "\t" in line else " "
    first, _, rest = line.partition(separator)
    # Several separators in a row align the columns for the eye.
    others = [column for column in rest.split(separator) if column]
    return [first or separator, *others]


def _tag(columns: List[str]) -> str:
    return columns[-1].strip(" ") if len(columns) > 1 else ""


def _blocks(path: Path) -> Iterator[Tuple[int, bytes]]:
    """Split a file into sentences.

    path (Path): The file.
    YIELDS (Tuple[int, bytes]): Number of the first line, and the lines joined
        by line feeds.
    """
    lines: List[bytes] = []
    number = 0
    for number, line in read_lines(path):
        if line.strip() and not line.startswith(b"-DOCSTART-"):
            lines.append(line)
        elif lines:
            yield number - len(lines), b"\n".join(lines)
            lines = []
    if lines:
        yield number - len(lines) + 1, b"\n".join(lines)


def _undecodable_row(block: bytes) -> int:
    return next(i for i, row in enumerate(block.split(b"\n")) if decode(row) is None)
