"""Read JSON records of tokens and tags: {"text": [...], "labels": [...]}"""

from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Union

from ..json_records import Broken, bad_record, read_records, show
from ..sentence import CorpusError, Options, Record, Sentence
from ..tagging import TagReader
from .offset_records import is_offset

# Where a record has several of these, the tags belong to the tokens, not to the
# text.
TOKEN_KEYS = ("tokens", "words", "text", "sentence")
TAG_KEYS = ("labels", "tags", "ner_tags", "label")
N_LOOKED_AT = 20
N_KEYS_SHOWN = 8
SEE = "see docs/formats.md"
HOW_TO_WRITE = 'write records such as {"text": ["中"], "labels": ["B-LOC"]}'


class TaggedRecord(NamedTuple):
    """Tokens, or a text whose characters are the tokens, and their tags."""

    tokens: Sequence[str]
    tags: List[str]


class TaggedJsonReader:
    """Read JSON records, or Python dicts, with as many tags as tokens.

    The file is read twice and never held in memory: first to learn the scheme,
    then, on iteration, for the sentences.

    path (Path): The file, in UTF-8: one record per line, or one JSON array.
    options (Options): The scheme.
    RAISES (CorpusError): If no record of the file has tokens and tags.
    """

    def __init__(self, path: Path, options: Options = Options()) -> None:
        self.path = path
        self.n_sentences = 0
        self._problem = ""
        try:
            self._tags = TagReader(self._survey(), options.scheme)
        except CorpusError as error:
            # What comes from the records has a place already.
            if str(error).startswith(f"{path}:"):
                raise
            raise CorpusError(f"{path}: {error}") from error
        if self.n_sentences and not self._tags.n_tags:
            why = f"no tag such as O or B-PER: {HOW_TO_WRITE}"
            raise CorpusError(self._problem or f"{path}: {why}")
        self.evidence = self._tags.evidence

    def __len__(self) -> int:
        return self.n_sentences

    def __iter__(self) -> Iterator[Sentence]:
        for line, value in read_records(self.path):
            record = parse_tagged(value)
            if isinstance(record, Broken):
                yield bad_record(self.path, line, record)
            else:
                yield self._sentence(line, *record)

    def _sentence(self, line: int, tokens: Sequence[str], tags: List[str]) -> Sentence:
        source = str(self.path)
        records = []
        if len(tokens) != len(tags):
            why = _count(tokens, tags)
            records.append(Record(source, line, "length-mismatch", why))
            # A token for each tag, to list the entities that are dropped with it.
            filler = "\ufffd" * (len(tags) - len(tokens))
            is_text = isinstance(tokens, str)
            tokens = f"{tokens}{filler}" if is_text else [*tokens, *filler]
        lines = [line] * max(1, len(tokens))
        return self._tags.read(tokens, tags, source, lines, records)

    def _survey(self) -> Iterator[List[str]]:
        """Go through the tags of the file, and count its sentences."""
        for line, value in read_records(self.path):
            self.n_sentences += 1
            record = parse_tagged(value)
            if isinstance(record, TaggedRecord) and len(record.tokens) == len(record.tags):
                yield record.tags
                continue
            why = record.why if isinstance(record, Broken) else _count(*record)
            # What is broken says enough itself.
            hint = "" if isinstance(record, Broken) else f": {HOW_TO_WRITE}"
            self._problem = self._problem or f"{self.path}:{line}: {why}{hint}"


def matches(path: Path) -> bool:
    """Look at the beginning of a file for records of tokens and tags.

    path (Path): The file.
    RETURNS (bool): Whether this is such a file. A file that is JSON by its name
        and none of the other formats is taken as well: the reader knows best
        what is wrong with it.
    """
    if not path.is_file():
        return False
    if path.suffix in (".json", ".jsonl"):
        return True
    try:
        values = [value for _, value in islice(read_records(path), N_LOOKED_AT)]
    except CorpusError:
        return False
    return any(isinstance(parse_tagged(value), TaggedRecord) for value in values)


def parse_tagged(value: Any) -> Union[TaggedRecord, Broken]:
    """Find the tokens and the tags of a record.

    value (Any): Any JSON value, or Broken.
    RETURNS (Union[TaggedRecord, Broken]): The tokens and tags, which may differ
        in number, or why there are none.
    """
    if isinstance(value, Broken):
        return value
    shown = show(value)
    if not isinstance(value, dict):
        return Broken(f"not an object with tokens and tags: {HOW_TO_WRITE}", shown)
    tokens = next((value[k] for k in TOKEN_KEYS if _is_text(value.get(k))), None)
    tags = next((value[k] for k in TAG_KEYS if _is_strings(value.get(k))), None)
    if tokens is None or tags is None:
        return Broken(_explain(value, tokens is not None), shown)
    if "" in list(tokens):
        return Broken("an empty token", shown)
    return TaggedRecord(tokens, list(tags))


def _explain(record: Dict[Any, Any], has_text: bool) -> str:
    """Say why there are no tokens or no tags in a record."""
    if any(_is_numbers(record.get(key)) for key in TAG_KEYS):
        return "its tags are numbers: replace them by their names, such as B-PER"
    others = {key: value for key, value in record.items() if key not in TOKEN_KEYS}
    held = any(value for value in others.values() if isinstance(value, (dict, list, tuple)))
    if has_text and not held and others.keys().isdisjoint(TAG_KEYS):
        return "no annotation: it has only a text"
    # Keys may be of any length, and have line breaks in them.
    keys = ", ".join(repr(str(key))[1:-1][:20] for key in islice(record, N_KEYS_SHOWN))
    return f"a record with the keys {keys or '(none)'} is of no known layout: {SEE}"


def _count(tokens: Sequence[str], tags: Sequence[str]) -> str:
    return f"{len(tags)} tags for {len(tokens)} tokens"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or _is_strings(value)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(map(is_offset, value))


def _is_strings(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(x, str) for x in value)
