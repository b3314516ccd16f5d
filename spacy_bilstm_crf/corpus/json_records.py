"""Files of JSON, or of Python literals, as a series of records: what all readers
of JSON have in common.
"""

import ast
import json
import reprlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Literal, Optional, TextIO, Tuple

from .lines import NOT_UTF8, UTF8_BOM, check_is_text, decode, read_lines
from .sentence import CorpusError, Record, Sentence

CHUNK = 1 << 16
# Python refuses to read integers of thousands of digits. No offset has as many
# as these: longer ones stay text.
MAX_DIGITS = 18
# What a piece of JSON that ends in the middle may lack for its last token:
# "-Infinity" is the longest, beside strings.
MARGIN = 12
SHOWN = 60


@dataclass(frozen=True)
class Broken:
    """Stands where a record, or an object in it, cannot be used.

    why (str): The reason, in words.
    before (str): The beginning of what stands in the file.
    kind (str): Kind of the record that a reader makes of it.
    """

    why: str
    before: str = ""
    kind: Literal["bad-record", "not-utf8"] = "bad-record"


def read_records(path: Path) -> Iterator[Tuple[int, Any]]:
    """Go through the records of a file: the entries of one JSON array, or lines
    that each are JSON or a Python literal. One record at a time is in memory.

    path (Path): The file, in UTF-8.
    YIELDS (Tuple[int, Any]): Number of the first line, and the value, or Broken
        for a line that cannot be read.
    RAISES (CorpusError): If this is no text, or an array that is broken or cut
        off: where its entries end is unknown then.
    """
    check_is_text(path)
    return _read_array(path) if is_array(path) else _read_lines(path)


def is_array(path: Path) -> bool:
    """Check whether a file is one JSON array of records, rather than lines. A
    line may be an array itself, which begins with a text: ["text", {...}]

    path (Path): The file.
    RETURNS (bool): Whether an array of objects or arrays begins here.
    """
    with path.open("rb") as file_:
        start = file_.read(CHUNK).removeprefix(UTF8_BOM).lstrip()
    return start[:1] == b"[" and start[1:].lstrip()[:1] in (b"{", b"[", b"]", b"")


def bad_record(path: Path, line: int, broken: Broken) -> Sentence:
    """Stand in for a record that cannot be used at all, so that it is listed.

    path (Path): The file.
    line (int): Line number.
    broken (Broken): What is wrong.
    RETURNS (Sentence): A sentence without text that is to be dropped.
    """
    record = Record(str(path), line, broken.kind, broken.why, broken.before)
    return Sentence("", (), str(path), line, (record,))


def show(value: Any) -> str:
    """Write the beginning of a value, which may be of any size and depth.

    value (Any): The value.
    RETURNS (str): A few words.
    """
    return reprlib.repr(value)[:SHOWN]


def _read_lines(path: Path) -> Iterator[Tuple[int, Any]]:
    for number, line in read_lines(path):
        if line.strip():
            yield number, _parse_line(line)


def _parse_line(line: bytes) -> Any:
    text = decode(line)
    if text is None:
        shown = line[:SHOWN].decode("utf8", "replace")
        return Broken(NOT_UTF8, shown, "not-utf8")
    text = text.strip()
    try:
        return _check_text(_DECODER.decode(text))
    except json.JSONDecodeError as error:
        why = f"{error.msg}, column {error.colno}"
    except RecursionError:
        why = "nested too deeply"
    if text.startswith(("{", "(", "[")):
        try:
            return _check_text(_parse_literal(text))
        # Deep nesting is any of these, depending on where it is found.
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            pass
    return Broken(f"neither JSON nor a Python literal ({why})", text[:SHOWN])


def _parse_literal(text: str) -> Any:
    with warnings.catch_warnings():
        # About '\d' in a string, for one: it is what it looks like.
        warnings.simplefilter("ignore")
        tree = ast.parse(text, mode="eval")
    nodes: List[Optional[ast.expr]] = [tree.body]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Dict):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            if len(keys) != len(set(keys)):
                return Broken("a key stands twice in one dict", text[:SHOWN])
            nodes += node.values
        elif isinstance(node, (ast.List, ast.Tuple)):
            # Most of them are strings in long lists.
            nodes += [item for item in node.elts if not isinstance(item, ast.Constant)]
    return ast.literal_eval(tree)


def _check_text(value: Any) -> Any:
    """Find halves of surrogate pairs: escapes such as \\ud83d can name them, but
    no text can hold them.
    """
    try:
        json.dumps(value, ensure_ascii=False, skipkeys=True, default=repr).encode("utf8")
    except UnicodeEncodeError:
        return Broken("half of a surrogate pair is no character", show(value))
    except RecursionError:
        return Broken("nested too deeply", show(value))
    return value


def _make_object(pairs: List[Tuple[str, Any]]) -> Any:
    """Make a dict, where json would only keep the last of two equal keys."""
    values: Dict[str, Any] = dict(pairs)
    if len(values) == len(pairs):
        return values
    keys = [key for key, _ in pairs]
    twice = next(key for i, key in enumerate(keys) if key in keys[:i])
    return Broken(f"'{twice}' stands twice in one object", show(pairs))


def _make_integer(digits: str) -> Any:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


# Lenient about control characters in strings: it is clear what they mean.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_make_object, parse_int=_make_integer, strict=False
)


def _read_array(path: Path) -> Iterator[Tuple[int, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file_:
        window = _Window(path, file_)
        window.skip_char()
        char = window.peek()
        while char != "]":
            yield window.line, _check_text(window.decode())
            char = window.peek()
            if char not in (",", "]"):
                raise window.error("a comma is missing in the JSON array")
            if char == ",":
                window.skip_char()
                window.peek()
        window.skip_char()
        if window.peek(required=False):
            raise window.error("there is more after the end of the JSON array")


class _Window:
    """The part of a JSON file that is in memory: it grows at its end while a
    value is incomplete, and is cut off at its start behind each value.
    """

    def __init__(self, path: Path, file_: TextIO) -> None:
        self.path = path
        self.file = file_
        self.text = ""
        self.line = 1

    def error(self, why: str, index: int = 0) -> CorpusError:
        line = self.line + self.text.count("\n", 0, index)
        return CorpusError(f"{self.path}:{line}: {why}: export the file again")

    def peek(self, required: bool = True) -> str:
        """Skip whitespace and look at the next character."""
        while True:
            self._skip(len(self.text) - len(self.text.lstrip()))
            if self.text:
                return self.text[0]
            if not self._grow():
                if required:
                    raise self.error("the JSON array is cut off")
                return ""

    def skip_char(self) -> None:
        self.peek()
        self._skip(1)

    def decode(self) -> Any:
        """Read the value that begins here, as soon as all of it is in memory."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text)
            except json.JSONDecodeError as error:
                unclosed = error.msg.startswith("Unterminated string")
                if not unclosed and error.pos + MARGIN < len(self.text):
                    raise self.error(f"not JSON: {error.msg}", error.pos) from None
                if not self._grow():
                    why = "the JSON array is cut off"
                    raise self.error(why, len(self.text)) from None
            except RecursionError:
                raise self.error("the JSON is nested too deeply") from None
            else:
                self._skip(end)
                return value

    def _skip(self, length: int) -> None:
        self.line += self.text.count("\n", 0, length)
        self.text = self.text[length:]

    def _grow(self) -> bool:
        """Read as much again as is there, so that a long value is not looked at
        too many times.
        """
        try:
            more = self.file.read(max(CHUNK, len(self.text)))
        except UnicodeDecodeError:
            raise CorpusError(f"{self.path}:{self.line}: {NOT_UTF8}") from None
        self.text += more
        return bool(more)
