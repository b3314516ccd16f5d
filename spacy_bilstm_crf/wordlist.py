"""Word lists: files of words and labels, or patterns -> entries of a dictionary."""

import math
from pathlib import Path
from typing import (
    Any,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import numpy

from .corpus.lines import NOT_UTF8, check_is_text, decode, read_lines
from .corpus.sentence import CorpusError

MODES = ("soft", "hard")
# Between what helps with words that are often something else and what helps with those
# that never are; see benchmarks/README.md.
DEFAULT_BONUS = 0.5
# What 32 bits hold.
MAX_FREQUENCY = float(numpy.finfo("float32").max)
# With a larger one the scores of all other tags drown in rounding errors.
MAX_BONUS = 1e4
BONUS_RANGE = (
    f"a number from {-MAX_BONUS:g} to {MAX_BONUS:g} (words that must be entities: hard)"
)
PATTERN_KEYS = frozenset(("label", "pattern", "bonus"))

# A path, or patterns.
Words = Union[str, Path, Iterable[Any]]


class Entry(NamedTuple):
    """A word that is an entity, or likely to be one.

    word (str): The word, as it stands in a text.
    label (str): Label of the entity.
    bonus (Optional[float]): Added to the score of the entity at each of its tokens. None:
        it must be one.
    ignore_case (bool): Whether upper and lower case count as the same.
    """

    word: str
    label: str
    bonus: Optional[float]
    ignore_case: bool


class _Given(NamedTuple):
    """A word as it was given, and where."""

    where: str
    word: str
    label: str
    bonus: Any


def read_entries(
    words: Words, labels: Sequence[str], *, mode: str, bonus: float, ignore_case: bool
) -> List[Entry]:
    """Read a word list, and check it.

    words (Words): Path of a UTF-8 file with a word, a tab and a label on each line, and
        after another tab the word's own bonus, if it has one. Or patterns as the
        EntityRuler takes them, dicts with "label" and "pattern", the latter a string, and
        with the word's own "bonus", if it has one.
    labels (Sequence[str]): The labels that the model knows.
    mode (str): "soft": the words get a bonus. "hard": they must be entities.
    bonus (float): That of words without their own, not used if hard.
    ignore_case (bool): Whether upper and lower case count as the same.
    RETURNS (List[Entry]): The entries, in order.
    RAISES (CorpusError): At the first one that is wrong.
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}, expected one of {', '.join(MODES)}")
    if not _is_bonus(bonus):
        raise ValueError(f"bonus is {bonus!r}, expected {BONUS_RANGE}")
    if not isinstance(ignore_case, bool):
        raise ValueError(f"ignore_case is {ignore_case!r}, expected true or false")
    if not isinstance(words, (Path, Iterable)):
        raise ValueError(f"words is {words!r}, expected the path of a file, or patterns")
    given = _read_file(Path(words)) if isinstance(words, (str, Path)) else _read(words)
    entries = []
    for where, word, label, own in given:
        if not word:
            raise CorpusError(f"{where}: the word is empty")
        if len(word.splitlines()) > 1:
            raise CorpusError(
                f"{where}: a line break in the word {word!r}: make it two words"
            )
        if label not in labels:
            raise CorpusError(
                f"{where}: the model has no label {label!r}, but {', '.join(labels)}"
            )
        if own is not None and mode == "hard":
            raise CorpusError(
                f"{where}: a bonus of {own} in a hard dictionary, whose words must be "
                "entities: leave it out, or add the words as a soft one"
            )
        if own is not None and not _is_bonus(own):
            raise CorpusError(f"{where}: bonus {own!r} is not {BONUS_RANGE}")
        value = float(bonus if own is None else own)
        entries.append(Entry(word, label, value if mode == "soft" else None, ignore_case))
    return entries


def merge(rows: Iterable[Sequence[Any]], entries: Iterable[Entry]) -> List[List[Any]]:
    """Add entries to others. A word may have several labels; of two entries with the same
    word and label the later one counts.

    rows (Iterable[Sequence]): The other entries, as they are saved.
    entries (Iterable[Entry]): The entries to add.
    RETURNS (List[List]): All of them, to be saved as JSON.
    """
    return list({(row[0], row[1]): list(row) for row in (*rows, *entries)}.values())


def read_lexicon(path: Union[str, Path]) -> Iterator[Tuple[str, str, float]]:
    """Read words for a lexicon, whose types need not be labels.

    path (Union[str, Path]): Path of a UTF-8 file with a word, a tab and a type on each
        line, and after another tab how often the word was counted, if that is known.
    YIELDS (Tuple[str, str, float]): Each word, its type, and its frequency, or 1.
    RAISES (CorpusError): At the first one that is wrong.
    """
    for where, word, name, frequency in _read_file(Path(path)):
        if not word or not name:
            raise CorpusError(f"{where}: the {'type' if word else 'word'} is empty")
        frequency = 1.0 if frequency is None else frequency
        if not _is_finite(frequency) or not 1.0 <= frequency <= MAX_FREQUENCY:
            raise CorpusError(
                f"{where}: frequency {frequency!r} is not a number from 1 to "
                f"{MAX_FREQUENCY:.1e}: write how often the word was counted"
            )
        yield word, name, frequency


def _read_file(path: Path) -> Iterator[_Given]:
    if not path.is_file():
        raise CorpusError(f"word list {path}: no such file")
    check_is_text(path)
    empty = True
    for number, line in read_lines(path):
        where = f"{path}:{number}"
        text = decode(line)
        if text is None:
            raise CorpusError(f"{where}: {NOT_UTF8}")
        if not text.strip():
            continue
        empty = False
        columns = [column.strip() for column in text.split("\t")]
        if len(columns) not in (2, 3):
            raise CorpusError(
                f"{where}: {len(columns)} columns, expected a word, a tab and its label "
                "or type, and perhaps another tab and a number"
            )
        yield _Given(where, columns[0], columns[1], _number(columns[2:]))
    if empty:
        raise CorpusError(f"{path}:1: a word list without words")


def _read(patterns: Iterable[Any]) -> Iterator[_Given]:
    for number, pattern in enumerate(patterns, 1):
        where = f"pattern {number}"
        if not isinstance(pattern, dict) or not {"label", "pattern"} <= pattern.keys():
            raise CorpusError(
                f'{where}: expected {{"label": ..., "pattern": ...}}, got {pattern!r}'
            )
        if not isinstance(pattern["pattern"], str) or not pattern.keys() <= PATTERN_KEYS:
            raise CorpusError(
                f"{where}: a dictionary takes words, with a label and perhaps a bonus: "
                "token patterns and ids are for an entity_ruler before this component"
            )
        word = pattern["pattern"].strip()
        yield _Given(where, word, pattern["label"], pattern.get("bonus"))


def _number(columns: Sequence[str]) -> Union[float, str, None]:
    """The third column; what is no number comes back as it is."""
    if not any(columns):
        return None
    try:
        return float(columns[0])
    except ValueError:
        return columns[0]


def _is_bonus(value: Any) -> bool:
    return _is_finite(value) and bool(abs(value) <= MAX_BONUS)


def _is_finite(value: Any) -> bool:
    # True is a 1 to Python.
    numbers = (int, float, numpy.integer, numpy.floating)
    is_number = isinstance(value, numbers) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
