"""JSON lines -> the same lines with entities."""

import json
from itertools import islice
from pathlib import Path
from typing import IO, Any, Iterator, List, Tuple

from ..batch import EntityBatch
from ..corpus.json_records import is_array
from ..corpus.lines import NOT_UTF8, UTF8_BOM, check_is_text, decode
from .shards import BadRow, Shard

# How many are read at a time.
PART = 1000


def plan_lines(path: Path, first: int, shard_rows: int) -> Iterator[Shard]:
    """Divide the lines of a file. Blank ones are no rows.

    path (Path): The file.
    first (int): Number of its first row among all.
    shard_rows (int): The number of rows of a shard.
    YIELDS (Shard): The shards.
    RAISES (CorpusError): If this is no text, or no JSON lines.
    """
    check_is_text(path)
    if is_array(path):
        raise ValueError(f"{path}:1: one JSON array: write each row on a line of its own")
    place, line, count, end = 0, 1, 0, 0
    with path.open("rb") as lines:
        for number, content in enumerate(lines, 1):
            if _strip(number, content):
                if not count:
                    place, line = end, number
                count += 1
                if count == shard_rows:
                    yield Shard(str(path), place, line, first, count)
                    first, count = first + count, 0
            end += len(content)
    if count:
        yield Shard(str(path), place, line, first, count)


def predict_lines(shard: Shard, find: EntityBatch, out: IO[bytes]) -> List[BadRow]:
    """Find the entities of a shard. All else in a row stays as it stands there, to the
    byte: numbers that Python would write otherwise, and keys that it would not keep.

    shard (Shard): The shard.
    find (EntityBatch): Finds them.
    out (IO[bytes]): Where to write the rows.
    RETURNS (List[BadRow]): Those without entities.
    """
    bad = []
    rows = enumerate(_read_lines(shard), shard.first)
    while part := list(islice(rows, PART)):
        read = [_read_text(line, find, shard, number) for _, (number, line) in part]
        good = [text for text, reason in read if reason is None]
        found = iter(zip(*find.find(good), strict=True))
        for (row, (number, line)), (_, reason) in zip(part, read, strict=True):
            if reason is None:
                entities, reason = next(found)
            if reason is None:
                added = json.dumps({find.entities_column: entities}, ensure_ascii=False)
                out.write(b"%b, %b\n" % (line[:-1], added[1:].encode()))
            else:
                record = line.decode("utf8", "replace")
                bad.append(BadRow(row, f"{shard.source}:{number}", reason, record))
    return bad


def _read_lines(shard: Shard) -> Iterator[Tuple[int, bytes]]:
    """YIELDS (Tuple[int, bytes]): Number and content of each line that is a row."""
    left = shard.count
    with open(shard.source, "rb") as lines:
        lines.seek(shard.place)
        for number, line in enumerate(lines, shard.line):
            if row := _strip(number, line):
                yield number, row
                left -= 1
            if not left:
                return
    raise ValueError(f"{shard.source} became shorter while it was read: run again")


def _strip(number: int, line: bytes) -> bytes:
    return (line.removeprefix(UTF8_BOM) if number == 1 else line).strip()


def _read_text(
    line: bytes, find: EntityBatch, shard: Shard, number: int
) -> Tuple[Any, Any]:
    """RETURNS (Tuple[Any, Optional[str]]): The text of a row, whatever it is; or why there
    is none."""
    content = decode(line)
    if content is None:
        return None, NOT_UTF8
    try:
        row = json.loads(content)
    except (ValueError, RecursionError) as error:
        return None, f"not JSON: {error}"
    if not isinstance(row, dict):
        return None, "no JSON object"
    if find.entities_column in row:
        raise ValueError(
            f"{shard.source}:{number}: there is '{find.entities_column}' already: choose "
            "another name with --entities-column"
        )
    if find.text_column not in row:
        return None, f"there is no '{find.text_column}'"
    return row[find.text_column], None
