"""Read column files: one token per line, sentences separated by blank lines."""

import re
from collections import Counter
from functools import lru_cache, partial
from itertools import chain, groupby
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..lines import NOT_UTF8, UTF8_BOM, check_is_text, decode
from ..schemes import OUTSIDE
from ..sentence import CorpusError, Options, Record, Sentence
from ..tagging import TagReader, UnreadableTags
from .spreadsheets import explain_no_tags, is_header

# Lines that begin with one of these stand between two documents or sentences.
BOUNDARIES = (b"-DOCSTART-", b"# newdoc", b"# id ", b"# sent_id =", b"# text =")
# 科0 is the character 科, the first of its word, and 10 is the character 1.
SEGMENTED = re.compile(r"([^0-9]+|[0-9])[0-9]")
# Most lines repeat an earlier one, the same token with the same tag: what is done
# once per distinct line costs next to nothing.
N_CACHED_LINES = 1 << 16


class Row(NamedTuple):
    """What a line says: its token (comments have none), its tag, the number of its
    columns, the line itself, and what is wrong with it.
    """

    token: str
    tag: str
    width: int
    text: str
    fault: str = ""


COMMENT = Row("", "", 0, "")


class ColumnReader:
    """Read a column file: token in the first column, tag in the last one, if the
    options do not say otherwise.

    The file is read twice and never held in memory: first to learn the scheme
    and the number of columns, then, on iteration, for the sentences.

    path (Path): The file, in UTF-8. Columns are separated by tabs or spaces.
    options (Options): The scheme, the columns, comments and segmentation digits.
    RAISES (CorpusError): If this is not a column file in UTF-8 with tags.
    """

    def __init__(self, path: Path, options: Options = Options()) -> None:
        self.path = path
        self.n_sentences = 0
        self.n_columns = 0
        self._options = options
        self._most_columns = 0
        self._undecodable = 0
        self._header: Optional[Record] = None
        check_is_text(path)
        self._header = self._find_header()
        try:
            self._tags = TagReader(self._survey(), options.scheme)
        except UnreadableTags as error:
            raise CorpusError(f"{path}:{self._find_tag(error.tag)}: {error}") from error
        except CorpusError as error:
            raise CorpusError(f"{path}: {error}") from error
        if self.n_sentences:
            self._check_columns()
        self.evidence = self._tags.evidence
        columns = (options.token_column, options.tag_column)
        if self.n_columns > 2 or columns != (Options.token_column, Options.tag_column):
            self.evidence += (
                f"; token in column {options.token_column}, "
                f"tag in column {options.tag_column} of {self.n_columns}"
            )

    def __len__(self) -> int:
        return self.n_sentences

    def __iter__(self) -> Iterator[Sentence]:
        source = str(self.path)
        header = self._header
        for lines, rows in self._blocks():
            tokens, tags, widths, _, faults = zip(*rows, strict=True)
            records: List[Record] = [] if header is None else [header]
            header = None
            if any(faults) or not {1, self.n_columns}.issuperset(widths):
                records.extend(self._find_faults(lines, rows))
            yield self._tags.read(list(tokens), tags, source, lines, records)

    def _blocks(self) -> Iterator[Tuple[Sequence[int], Sequence[Row]]]:
        """Split the file into sentences.

        YIELDS (Tuple[Sequence[int], Sequence[Row]]): The line numbers of a sentence,
            and what these lines say.
        """
        parse = lru_cache(N_CACHED_LINES)(partial(parse_line, options=self._options))
        with self.path.open("rb") as file_:
            # A generator such as lines.read_lines would double the time of this loop.
            first_line = file_.readline().removeprefix(UTF8_BOM)
            parsed = groupby(map(parse, chain((first_line,), file_)), bool)
            number = 1
            for is_content, group in parsed:
                if not is_content:
                    number += sum(1 for _ in group)
                    continue
                rows = [row for row in group if row]
                lines: Sequence[int] = range(number, number + len(rows))
                number += len(rows)
                if self._options.comment:
                    kept = [i for i, row in enumerate(rows) if row != COMMENT]
                    lines, rows = [lines[i] for i in kept], [rows[i] for i in kept]
                if rows and self._header and lines[0] == self._header.line:
                    lines, rows = lines[1:], rows[1:]
                if rows:
                    yield lines, rows

    def _find_header(self) -> Optional[Record]:
        """Look whether the first line names the columns."""
        rows = self._rows()
        line, row = next(rows, (0, COMMENT))
        # Where any word may be a label, only one that stands there once is none.
        alone = self._options.scheme.lower() == "io"
        if not is_header(row.tag) or (alone and any(r.tag == row.tag for _, r in rows)):
            return None
        why = "a header line"
        return Record(str(self.path), line, "not-read", why, row.text, fault=False)

    def _rows(self) -> Iterator[Tuple[int, Row]]:
        """Go through the rows of all sentences, each with its line number."""
        for lines, rows in self._blocks():
            yield from zip(lines, rows, strict=True)

    def _survey(self) -> Iterator[Sequence[str]]:
        """Go through the tags of the file, and count what else is needed."""
        n_wide: Counter[int] = Counter()
        for lines, rows in self._blocks():
            self.n_sentences += 1
            faults = [row.fault for row in rows]
            if "not-utf8" in faults:
                first = lines[faults.index("not-utf8")]
                self._undecodable = self._undecodable or first
                rows = [row for row in rows if row.fault != "not-utf8"]
            n_wide.update(row.width for row in rows)
            yield [row.tag for row in rows]
        self._most_columns = max(n_wide, default=0)
        del n_wide[1]
        self.n_columns = max(n_wide, key=lambda n: n_wide[n], default=2)

    def _find_faults(self, lines: Sequence[int], rows: Sequence[Row]) -> Iterator[Record]:
        """List the lines of a sentence with too few columns for the chosen ones, or
        with so many that those counted from the end are others.
        """
        source = str(self.path)
        from_end = min(self._options.token_column, self._options.tag_column) < 0
        undecodable = False
        for line, row in zip(lines, rows, strict=True):
            shifted = from_end and row.width not in (1, self.n_columns)
            if row.fault == "column-count" or shifted:
                why = f"{row.width} columns instead of {self.n_columns}"
                after = f"{row.token} {row.tag}"
                yield Record(source, line, "column-count", why, row.text, after)
            if row.fault == "not-utf8" and not undecodable:
                undecodable = True
                yield Record(source, line, "not-utf8", NOT_UTF8, row.text)

    def _check_columns(self) -> None:
        """Reject a file whose columns are others than the chosen ones."""
        line, row = next(self._rows())
        where = f"{self.path}:{line}"
        if not self._tags.n_tags:
            why = explain_no_tags(row.text for _, row in self._rows())
            if why:
                raise CorpusError(f"{where}: {why}")
        chosen = (self._options.token_column, self._options.tag_column)
        for column in chosen if self._most_columns else ():
            if not -self._most_columns <= column < self._most_columns:
                raise CorpusError(
                    f"{where}: no line has a column {column}: the file has "
                    f"{self._most_columns}, counted from 0"
                )
        token_column, tag_column = (n + self.n_columns if n < 0 else n for n in chosen)
        if token_column == tag_column:
            raise CorpusError(
                f"{where}: token and tag cannot both be in column {tag_column}"
            )
        if not self._tags.n_tags:
            if self._undecodable:
                raise CorpusError(f"{self.path}:{self._undecodable}: {NOT_UTF8}")
            found = f"'{row.tag}'" if row.width > 1 else "only one column"
            has = (
                "ends with a tag" if chosen[1] == -1 else f"has in column {chosen[1]} a tag"
            )
            raise CorpusError(
                f"{where}: no line of the file {has} such as O or B-PER (here: {found}): "
                "put the token first and the tag last on each line, or name their columns "
                "(--token-column, --tag-column)"
            )

    def _find_tag(self, tag: str) -> int:
        """Find the first line with a tag."""
        return next(line for line, row in self._rows() if row.tag == tag)


def parse_line(line: bytes, options: Options) -> Optional[Row]:
    """Find the token and the tag of a line.

    line (bytes): The line.
    options (Options): Which columns these are, and what else to look for.
    RETURNS (Optional[Row]): What the line says, or None if it stands between two
        sentences.
    """
    line = line.rstrip(b"\r\n")
    if not line.strip() or line.startswith(BOUNDARIES):
        return None
    if options.comment and line.startswith(options.comment.encode("utf8")):
        return COMMENT
    decoded = decode(line)
    text = line.decode("utf8", "replace") if decoded is None else decoded
    columns = split_columns(text)
    token = _pick(columns, options.token_column)
    tag = _pick(columns, options.tag_column)
    if len(columns) == 1 and token:
        tag = ""
    lacks = token is None or tag is None
    token = columns[0] if token is None else token
    if options.segmentation:
        token = SEGMENTED.sub(r"\1", token) if SEGMENTED.fullmatch(token) else token
    fault = "not-utf8" if decoded is None else "column-count" if lacks else ""
    return Row(token, OUTSIDE if tag is None else tag.strip(" "), len(columns), text, fault)


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


def _pick(columns: Sequence[str], number: int) -> Optional[str]:
    return columns[number] if -len(columns) <= number < len(columns) else None
