"""Which rows are predicted together, and the files that they go to."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, NamedTuple, Sequence

from ..corpus.outputs import write_whole
from ..training.fingerprint import Fingerprint, list_differences

SETTINGS = "settings.json"
# By this a folder is known as one of ours.
MADE_BY = {"made by": "spacy bilstm-crf apply-parallel"}
ROWS, BAD_ROWS = "rows", "bad_rows"
# So that the order of the names is that of the rows.
DIGITS = 12


@dataclass(frozen=True)
class Shard:
    """Rows that are predicted by one worker and written to one file.

    source (str): The file that has them.
    place (int): Where they begin there: bytes of a .jsonl file, rows of a .parquet file.
    line (int): Number of the first one's line or row there, from 1.
    first (int): Number of the first one among all rows, from 0.
    count (int): How many there are.
    """

    source: str
    place: int
    line: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """RETURNS (str): The numbers of its first and last row."""
        last = self.first + self.count - 1
        return f"{self.first:0{DIGITS}}-{last:0{DIGITS}}"


class BadRow(NamedTuple):
    """A row without entities, which is kept aside.

    row (int): Its number among all rows, from 0.
    source (str): File, and number of the line or row there, from 1.
    reason (str): Why it has none.
    record (str): What stands there.
    """

    row: int
    source: str
    reason: str
    record: str


@dataclass(frozen=True)
class Output:
    """The folder that holds a file of rows for each shard, and one of its bad rows if it
    has any. A shard is done when there is its file of rows: that is written last.

    folder (Path): The folder.
    suffix (str): That of the files of rows.
    """

    folder: Path
    suffix: str

    def rows(self, shard: Shard) -> Path:
        """RETURNS (Path): Where the rows of a shard go, with their entities."""
        return self.folder / ROWS / f"{shard.name}{self.suffix}"

    def bad_rows(self, shard: Shard) -> Path:
        """RETURNS (Path): Where its rows go that have no entities but a reason."""
        return self.folder / BAD_ROWS / f"{shard.name}.jsonl"

    def prepare(self, settings: Fingerprint, shards: Sequence[Shard]) -> List[Shard]:
        """Make the folder, or go on with it.

        settings (Fingerprint): What the rows depend on.
        shards (Sequence[Shard]): All shards.
        RETURNS (List[Shard]): Those that are not done.
        RAISES (ValueError): If it has something else, or rows by other settings.
        """
        settings = {**MADE_BY, **settings}
        before = self._read_settings()
        rows, bad_rows = self.folder / ROWS, self.folder / BAD_ROWS
        for folder in (rows, bad_rows):
            if folder.is_symlink():
                raise ValueError(f"{folder} is a link to another folder: remove it first")
        if before:
            self.clean()
        if before and rows.is_dir() and any(rows.iterdir()):
            differences = list_differences(before, settings)
            if differences:
                raise ValueError(
                    f"{self.folder} has rows of another run, {'; '.join(differences)}: go "
                    "on with what it was, or name another folder"
                )
        else:
            # First of all: without it nobody would know whose folder this is.
            self.folder.mkdir(parents=True, exist_ok=True)
            with write_whole(self.folder / SETTINGS) as file_:
                file_.write(json.dumps(settings, ensure_ascii=False, indent=1).encode())
        for folder in (rows, bad_rows):
            folder.mkdir(exist_ok=True)
        return [shard for shard in shards if not self.rows(shard).exists()]

    def clean(self) -> None:
        """Remove what processes that were killed have begun. No other may be at work."""
        for folder in (self.folder, self.folder / ROWS, self.folder / BAD_ROWS):
            for left in folder.glob(".*.tmp"):
                left.unlink()

    def write_bad_rows(self, shard: Shard, bad: Sequence[BadRow]) -> None:
        """Write the bad rows of a shard, before its rows make it one that is done.

        shard (Shard): The shard.
        bad (Sequence[BadRow]): Its bad rows.
        """
        path = self.bad_rows(shard)
        if not bad:
            # Of another attempt.
            path.unlink(missing_ok=True)
            return
        with write_whole(path) as file_:
            for row in bad:
                line = json.dumps(row._asdict(), ensure_ascii=False)
                # Half of a surrogate pair may be what is bad.
                file_.write(line.encode("utf8", "backslashreplace") + b"\n")

    def read_bad_rows(self) -> Iterator[BadRow]:
        """YIELDS (BadRow): The bad rows of all shards, in order."""
        for path in sorted((self.folder / BAD_ROWS).iterdir()):
            with path.open("rb") as lines:
                for line in lines:
                    yield BadRow(**json.loads(line))

    def _read_settings(self) -> Fingerprint:
        """RETURNS (Fingerprint): What the rows that are there depend on. Empty if nothing
        is there. Raises ValueError if it is not ours."""
        path = self.folder / SETTINGS
        if not path.exists():
            found = self.folder.iterdir() if self.folder.exists() else ()
            # A process that was killed at once leaves no more than a part of them.
            foreign = [p for p in found if not p.match(f".{SETTINGS}.*.tmp")]
        else:
            try:
                settings = json.loads(path.read_bytes())
            except ValueError:
                settings = None
            if isinstance(settings, dict) and settings.items() >= MADE_BY.items():
                return settings
            foreign = [path]
        if foreign:
            raise ValueError(
                f"{self.folder} has other files, such as {foreign[0].name}: name a folder "
                "that is new or empty"
            )
        return {}
