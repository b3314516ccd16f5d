"""What the first lines of a file look like, where its name does not tell."""

from collections import Counter
from itertools import islice
from pathlib import Path

from .lines import decode, read_lines
from .notation import find_notation
from .readers.columns import split_columns

N_LOOKED_AT = 200


def looks_tagged(path: Path) -> bool:
    """Look whether nearly all lines end with a tag, after a token.

    path (Path): A file.
    RETURNS (bool): Whether it looks like a column file.
    """
    lines = [line for _, line in islice(read_lines(path), N_LOOKED_AT)]
    if any(b"\0" in line for line in lines):
        return False
    texts = [decode(line) for line in lines if line.strip()]
    columns = [split_columns(text) if text else [] for text in texts]
    tags = Counter(row[-1] for row in columns if len(row) > 1)
    notation = find_notation(tags)
    readable = sum(n for tag, n in tags.items() if notation.read(tag) is not None)
    return readable > 0.9 * len(columns)
