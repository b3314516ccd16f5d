"""Files of word vectors in the text format of word2vec, GloVe and fastText."""

import gzip
import zlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import IO, Dict, Iterator, List, Optional, Tuple, cast

import numpy
from numpy.typing import NDArray
from spacy.vectors import Vectors
from spacy.vocab import Vocab

from .corpus.lines import UTF8_BOM, decode
from .corpus.sentence import CorpusError

Vector = NDArray[numpy.float32]
# Lines with their numbers.
Lines = List[Tuple[int, bytes]]

GZIP = b"\x1f\x8b"
# Lines at the start of a file that tell its width. Odd ones among them are outvoted.
LOOK_AHEAD = 100
NOT_TEXT = "not a UTF-8 text file: save the vectors as text, in UTF-8"
NO_VECTORS = "no vectors: expected a word and its numbers on each line"


@dataclass
class VectorReport:
    """What stood in a file of vectors, filled in as it is read.

    declared (Optional[Tuple[int, int]]): Rows and width by the header, if there is one.
    width (int): Width of the vectors, by the rows themselves.
    rows (int): Vectors that were read.
    skipped (Counter[str]): Rows that were not, by the reason.
    examples (Dict[str, str]): For each reason the first such row, as path:line.
    """

    declared: Optional[Tuple[int, int]] = None
    width: int = 0
    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: Dict[str, str] = field(default_factory=dict)

    def skip(self, why: str, where: str) -> None:
        """Account for a row that is not read.

        why (str): The reason.
        where (str): The row, as path:line.
        """
        self.skipped[why] += 1
        self.examples.setdefault(why, where)

    def list_skipped(self) -> List[str]:
        """RETURNS (List[str]): A line for each reason: how many rows, and the first one."""
        return [
            f"{'1 row' if count == 1 else f'{count:,} rows'} left out: {why}, first at "
            f"{self.examples[why]}"
            for why, count in self.skipped.items()
        ]


def read_vectors(
    path: Path, report: Optional[VectorReport] = None
) -> Iterator[Tuple[str, Vector]]:
    """Read a text file of word vectors, plain or packed by gzip, row by row: a word and its
    numbers, with spaces or tabs between. Words may hold spaces, or be one. How wide the
    vectors are is seen from the rows: there may be a header or none, and it may be wrong.
    Of several rows with the same word the first counts. Rows that are not like the
    others are left out and counted.

    path (Path): The file.
    report (Optional[VectorReport]): Is told what was read and what was not. It is complete
        at the end.
    YIELDS (Tuple[str, Vector]): A word, and its vector, float32, shape (width,).
    RAISES (CorpusError): If the file is no such file.
    """
    report = VectorReport() if report is None else report
    if not path.is_file():
        raise CorpusError(f"vectors {path}: no such file")
    try:
        with _open(path) as file_:
            yield from _read_rows(file_, path, report)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(f"{path}: the gzip file is damaged: {error}") from error


def load_vectors(vocab: Vocab, path: Path, truncate: int = 0) -> VectorReport:
    """Read a file of word vectors into a vocabulary, in place of those that it has.

    vocab (Vocab): The vocabulary.
    path (Path): The file.
    truncate (int): How many vectors to read, the first ones. 0 for all of them.
    RETURNS (VectorReport): What was read and what was not.
    RAISES (CorpusError): If the file is no such file.
    """
    report = VectorReport()
    words, vectors = [], []
    for word, vector in islice(read_vectors(path, report), truncate or None):
        words.append(word)
        vectors.append(vector)
        vocab.strings.add(word)
    name = f"{vocab.lang}_{path.stem}"
    data = numpy.stack(vectors)
    vocab.vectors = Vectors(strings=vocab.strings, data=data, keys=words, name=name)
    return report


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file_:
        is_packed = file_.read(len(GZIP)) == GZIP
    return cast(IO[bytes], gzip.open(path)) if is_packed else path.open("rb")


def _read_rows(
    file_: IO[bytes], path: Path, report: VectorReport
) -> Iterator[Tuple[str, Vector]]:
    # A binary file may have no lines.
    if b"\0" in file_.read(8192):
        raise CorpusError(f"{path}:1: {NOT_TEXT}")
    file_.seek(0)
    lines = _read_lines(file_)
    start = list(islice(lines, LOOK_AHEAD))
    report.declared = _read_header(start)
    start = start if report.declared is None else start[1:]
    report.width = _find_width(start, path)
    seen = set()
    for number, line in chain(start, lines):
        text, where = decode(line), f"{path}:{number}"
        if text is None:
            report.skip("not UTF-8", where)
            continue
        if not text.strip():
            continue
        word, vector = _read_row(text, report.width)
        if vector is None or not word:
            report.skip(f"not a word and {report.width} numbers", where)
        elif word in seen:
            report.skip("a word that an earlier row has", where)
        else:
            seen.add(word)
            report.rows += 1
            yield word, vector
    if not report.rows:
        raise CorpusError(f"{path}:1: {NO_VECTORS}")


def _read_lines(file_: IO[bytes]) -> Iterator[Tuple[int, bytes]]:
    """As `corpus.lines.read_lines`, for a file that may be packed."""
    for number, line in enumerate(file_, 1):
        bom = UTF8_BOM if number == 1 else b""
        yield number, line.rstrip(b"\r\n").removeprefix(bom)


def _read_header(start: Lines) -> Optional[Tuple[int, int]]:
    """RETURNS (Optional[Tuple[int, int]]): Rows and width, if the first line is two
    integers."""
    line = start[0][1] if start else b""
    fields = line.split()
    # Where it begins with a space, that is the word.
    is_header = len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit()
    if not is_header or line[:1].isspace():
        return None
    return int(fields[0]), int(fields[1])


def _find_width(start: Lines, path: Path) -> int:
    """RETURNS (int): How many numbers most of the first rows have."""
    texts = [text for text in (decode(line) for _, line in start) if text is not None]
    if 2 * len(texts) < len(start):
        raise CorpusError(f"{path}:1: {NOT_TEXT}")
    if len(start) == 1 and b"\r" in start[0][1]:
        raise CorpusError(f"{path}:1: lines end with CR only: save the file with LF")
    votes = Counter(filter(None, map(_count_numbers, texts)))
    if not votes:
        raise CorpusError(f"{path}:1: {NO_VECTORS}")
    return votes.most_common(1)[0][0]


def _count_numbers(text: str) -> int:
    """RETURNS (int): The numbers at the end of a row. Its first column is a word, also if
    it looks like a number, unless the word is whitespace."""
    columns = text.split()
    columns = columns[1:] if text[:1].strip() else columns
    return sum(
        1
        for _ in takewhile(
            lambda column: _read_numbers([column]) is not None, reversed(columns)
        )
    )


def _read_row(text: str, width: int) -> Tuple[str, Optional[Vector]]:
    """RETURNS (Tuple[str, Optional[Vector]]): The word and its vector, None if the row does
    not end with so many numbers."""
    word, *numbers = text.rsplit(None, width)
    if len(numbers) == width - 1:
        # The word is whitespace. A single character of it separates.
        numbers = [word, *numbers]
        word = text[: text.index(word)][:-1]
    return word, _read_numbers(numbers) if len(numbers) == width else None


def _read_numbers(columns: List[str]) -> Optional[Vector]:
    """RETURNS (Optional[Vector]): The numbers, if all columns are finite ones."""
    try:
        with numpy.errstate(over="ignore"):
            vector = numpy.array([float(column) for column in columns], dtype="float32")
    except ValueError:
        return None
    return vector if numpy.isfinite(vector).all() else None
