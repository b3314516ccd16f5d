"""What went into a conversion, what came out, and every difference."""

import json
import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Optional

from .hints import Tally
from .outputs import aside
from .sentence import Record

# A corpus can be faulty from end to end: memory must stay flat.
MAX_KEPT = 10_000


@dataclass
class Report:
    """Counts of what was read and written, and the records of what was changed.

    Entities read are entities written plus entities dropped, per label.

    on_record (Optional[Callable[[Record], None]]): Is given every record.
    evidence (Dict[str, str]): How each input was understood.
    outputs (Dict[str, int]): Number of Docs in each output file.
    sentences_read (int): Sentences, or documents, in the inputs.
    sentences_written (int): Those that are in the outputs, whole or in pieces.
    tokens_read (int): Tokens in the inputs; characters for text with offsets.
    tokens_written (int): Tokens in the outputs, as the pipeline cuts them.
    tokens_missing (int): Those of them that are marked as not annotated.
    entities_read (Counter[str]): Entities in the inputs, by label.
    entities_written (Counter[str]): Entities in the outputs, by label.
    entities_dropped (Counter[str]): Entities that are not there, by label.
    kinds (Counter[str]): Number of records, by kind.
    tally (Tally): Counts that tell whether the options fit the corpus.
    hints (List[str]): What may not be as it was meant.
    records (List[Record]): The first 10,000 repairs, adjustments and drops.
    """

    on_record: Optional[Callable[[Record], None]] = None
    evidence: Dict[str, str] = field(default_factory=dict)
    outputs: Dict[str, int] = field(default_factory=dict)
    sentences_read: int = 0
    sentences_written: int = 0
    tokens_read: int = 0
    tokens_written: int = 0
    tokens_missing: int = 0
    entities_read: Counter[str] = field(default_factory=Counter)
    entities_written: Counter[str] = field(default_factory=Counter)
    entities_dropped: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    hints: List[str] = field(default_factory=list)
    records: List[Record] = field(default_factory=list)

    def add(self, records: Iterable[Record]) -> None:
        """Account for repairs, adjustments and drops.

        records (Iterable[Record]): The records.
        """
        for record in records:
            self.kinds[record.kind] += 1
            if record.kind == "entity-dropped":
                self.entities_dropped[record.label] += 1
            if len(self.records) < MAX_KEPT:
                self.records.append(record)
            if self.on_record is not None:
                self.on_record(record)


@contextmanager
def record_file(path: Path) -> Iterator[Callable[[Record], None]]:
    """Write records to a JSONL file as they come, under another name at first.
    It is kept if the conversion fails: it may say why.

    path (Path): The file. Its folder is created if need be.
    YIELDS (Callable[[Record], None]): Writes one record.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = aside(path)
    # A lone surrogate, which JSON can hold and UTF-8 cannot, is written as JSON's
    # own escape.
    with temporary.open("x", encoding="utf8", errors="backslashreplace") as file_:
        try:
            yield lambda record: print(
                json.dumps(vars(record), ensure_ascii=False), file=file_
            )
        finally:
            file_.flush()
            os.replace(temporary, path)
