"""Text files as lines of bytes: what all readers of text have in common."""

from pathlib import Path
from typing import Iterator, Optional, Tuple

from .sentence import CorpusError

UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
NOT_UTF8 = "not UTF-8: save the file as UTF-8"


def read_lines(path: Path) -> Iterator[Tuple[int, bytes]]:
    """Go through a file line by line, without byte order mark and line ends.

    Only a line feed ends a line: str.splitlines would also cut at characters
    such as U+2028, which are tokens in real corpora.

    path (Path): The file.
    YIELDS (Tuple[int, bytes]): The line number, from 1, and the line.
    """
    with path.open("rb") as file_:
        for number, line in enumerate(file_, 1):
            line = line.rstrip(b"\r\n")
            if number == 1 and line.startswith(UTF8_BOM):
                line = line[len(UTF8_BOM) :]
            yield number, line


def decode(line: bytes) -> Optional[str]:
    """Decode UTF-8.

    line (bytes): Some bytes.
    RETURNS (Optional[str]): The text, or None if this is not UTF-8.
    """
    try:
        return line.decode("utf8")
    except UnicodeDecodeError:
        return None


def check_is_text(path: Path) -> None:
    """Reject what would come out as garbage, whatever is done about errors.

    path (Path): The file.
    RAISES (CorpusError): If the file is binary, UTF-16, or has old Mac line ends.
    """
    with path.open("rb") as file_:
        start = file_.read(8192)
    if start.startswith(UTF16_BOMS):
        raise CorpusError(f"{path}:1: UTF-16: save the file as UTF-8")
    if b"\0" in start:
        line = start[: start.index(b"\0")].count(b"\n") + 1
        raise CorpusError(f"{path}:{line}: a binary file, not a text file")
    if b"\r" in start and b"\n" not in start:
        raise CorpusError(f"{path}:1: lines end with CR only: save the file with LF")
