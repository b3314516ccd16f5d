"""What spreadsheets and data frames leave in column files: header lines, commas as
separators, quotes around the columns.
"""

from collections import Counter
from itertools import islice
from typing import Iterable, Tuple

from ..notation import find_notation

# How a header calls the column of the tags. None of these can be read as a tag.
HEADERS = frozenset(
    (
        *("tag", "tags", "label", "labels", "entity", "entities", "ner"),
        *("ner_tag", "ner_tags", "ner_label", "ner_labels", "ner tag", "ner-tag"),
        *("entity_tag", "entity_label", "entity_type", "bio", "bioes", "bmes", "iob"),
        *("标签", "标记", "标注", "实体", "实体标签", "实体标注", "实体类型", "实体类别"),
    )
)
N_LOOKED_AT = 200


def is_header(tag: str) -> bool:
    """RETURNS (bool): Whether what stands in place of a tag is the name of its column."""
    return tag.lower() in HEADERS


def explain_no_tags(lines: Iterable[str]) -> str:
    """Say why a file is no column file, if it is one but for its separators.

    lines (Iterable[str]): Its lines, of which the first are looked at.
    RETURNS (str): What it looks like and what to do, or an empty text.
    """
    rows = [_split_last(line) for line in islice(lines, N_LOOKED_AT)]
    notation = find_notation(Counter(tag.strip(' "') for _, tag in rows))
    tagged = [row for row in rows if notation.read(row[1].strip(' "')) is not None]
    if 2 * sum(separator == "," for separator, _ in tagged) > len(rows):
        return "looks like CSV: save it as tab-separated text, without quotes"
    if 2 * sum(tag.startswith('"') for _, tag in tagged) > len(rows):
        return "its columns have quotes: save it as tab-separated text without them"
    return ""


def _split_last(line: str) -> Tuple[str, str]:
    """What stands before the last column, if it is not the only one, and that column."""
    separator = "\t" if "\t" in line else ","
    _, found, last = line.rpartition(separator)
    return found, last
