"""Read column files: one token per line, sentences separated by blank lines."""

from collections import Counter
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from .schemes import detect_scheme, get_scheme, split_tag, tags_to_spans
from .sentence import CorpusError, Record, Sentence

SUFFIXES = (
    *(".bio", ".iob", ".iob1", ".bioes", ".bmes", ".bilou", ".bmewo"),
    *(".conll", ".tsv", ".txt"),
)
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class ColumnReader:
    """Read a column file: token in the first column, tag in the last one.

    The file is read twice and never held in memory: first to learn the scheme
    and the number of columns, then, on iteration, for the sentences.

    path (Path): The file, in UTF-8. Columns are separated by tabs or spaces.
    scheme (str): Name of the tagging scheme, or "auto" to detect it.
    RAISES (CorpusError): If this is not a column file in UTF-8 with tags.
    """

    def __init__(self, path: Path, scheme: str = "auto") -> None:
        self.path = path
        self.n_sentences = 0
        self.n_columns = 0
        self._undecodable = 0
        given = None if scheme == "auto" else get_scheme(scheme)
        _check_is_text(path)
        detected = detect_scheme(self._survey())
        if self.n_sentences and not detected.known:
            raise CorpusError(self._why_no_tags())
        if detected.unknown and not detected.entity:
            self._check_unknown_tags()
        self.scheme = given or detected.scheme
        how = "as given" if given else "detected"
        self.evidence = f"{self.scheme.name}, {how} ({detected.evidence})"

    def __len__(self) -> int:
        return self.n_sentences

    def __iter__(self) -> Iterator[Sentence]:
        for line, block in _blocks(self.path):
            text = _decode(block)
            if text is None:
                yield self._sentence(line, block.decode("utf8", "replace"), block)
            else:
                yield self._sentence(line, text)

    def _sentence(self, line: int, text: str, broken: bytes = b"") -> Sentence:
        """Build a sentence from its lines, and list what had to be repaired."""
        source = str(self.path)
        rows = text.split("\n")
        columns = [split_columns(row) for row in rows]
        spans, repairs = tags_to_spans([_tag(row) for row in columns], self.scheme)
        records = [
            Record(source, line + r.index, r.kind, r.why, r.before, r.after)
            for r in repairs
        ]
        for i, row in enumerate(columns):
            if len(row) not in (1, self.n_columns):
                why = f"{len(row)} columns instead of {self.n_columns}"
                after = f"{row[0]} {row[-1]}"
                records.append(
                    Record(source, line + i, "column-count", why, rows[i], after)
                )
        if broken:
            first = _undecodable_row(broken)
            why = "not UTF-8: save the file as UTF-8"
            records.append(Record(source, line + first, "not-utf8", why, rows[first]))
        tokens = [row[0] for row in columns]
        return Sentence(tokens, spans, source, line, tuple(records))

    def _survey(self) -> Iterator[List[str]]:
        """Go through the tags of the file, and count what else is needed."""
        widths: Counter[int] = Counter()
        for line, block in _blocks(self.path):
            self.n_sentences += 1
            text = _decode(block)
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
            return f"{self.path}:{self._undecodable}: not UTF-8: save the file as UTF-8"
        line, block = next(_blocks(self.path))
        columns = split_columns(block.decode("utf8").split("\n")[0])
        found = f"'{columns[-1]}'" if len(columns) > 1 else "only one column"
        return (
            f"{self.path}:{line}: no line of the file ends with a tag such as O or "
            f"B-PER (here: {found}): put the token first and the tag last on each line"
        )

    def _check_unknown_tags(self) -> None:
        """Where no tag can be read but O, tags of no scheme are more than slips."""
        for line, block in _blocks(self.path):
            for i, row in enumerate((_decode(block) or "").split("\n")):
                tag = _tag(split_columns(row))
                if tag and split_tag(tag) is None:
                    raise CorpusError(
                        f"{self.path}:{line + i}: no tag of the file but O can be read "
                        f"(here: '{tag}'): write a letter, a hyphen and a label, such as "
                        "B-PER"
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
    with path.open("rb") as file_:
        # Only a line feed ends a line: str.splitlines would also cut at
        # characters such as U+2028, which are tokens in real corpora.
        for number, line in enumerate(file_, 1):
            line = line.rstrip(b"\r\n")
            if number == 1 and line.startswith(UTF8_BOM):
                line = line[len(UTF8_BOM) :]
            if line.strip() and not line.startswith(b"-DOCSTART-"):
                lines.append(line)
            elif lines:
                yield number - len(lines), b"\n".join(lines)
                lines = []
    if lines:
        yield number - len(lines) + 1, b"\n".join(lines)


def _decode(block: bytes) -> Optional[str]:
    try:
        return block.decode("utf8")
    except UnicodeDecodeError:
        return None


def _undecodable_row(block: bytes) -> int:
    return next(i for i, row in enumerate(block.split(b"\n")) if _decode(row) is None)


def _check_is_text(path: Path) -> None:
    """Reject what would come out as garbage, whatever is done about errors."""
    with path.open("rb") as file_:
        start = file_.read(8192)
    if start.startswith(UTF16_BOMS):
        raise CorpusError(f"{path}:1: UTF-16: save the file as UTF-8")
    if b"\0" in start:
        line = start[: start.index(b"\0")].count(b"\n") + 1
        raise CorpusError(f"{path}:{line}: a binary file, not a column file")
    if b"\r" in start and b"\n" not in start:
        raise CorpusError(f"{path}:1: lines end with CR only: save the file with LF")
