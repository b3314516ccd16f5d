"""What is to be done: the rows of an input, and what becomes of each part of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Callable, Dict, Iterator, List, NamedTuple

from spacy.util import get_package_path, is_package

from ..batch import EntityBatch
from ..corpus.outputs import write_whole
from ..training.fingerprint import Fingerprint, take_checksum
from .json_rows import plan_lines, predict_lines
from .parquet_rows import plan_table, predict_table
from .shards import BadRow, Output, Shard


class RowFormat(NamedTuple):
    """A kind of files that have rows.

    plan (Callable): Divides the rows of a file.
    predict (Callable): Finds the entities of a shard.
    """

    plan: Callable[[Path, int, int], Iterator[Shard]]
    predict: Callable[[Shard, EntityBatch, IO[bytes]], List[BadRow]]


FORMATS: Dict[str, RowFormat] = {
    ".jsonl": RowFormat(plan_lines, predict_lines),
    ".parquet": RowFormat(plan_table, predict_table),
}


@dataclass(frozen=True)
class Job:
    """What a worker is told.

    find (EntityBatch): Finds the entities.
    output (Output): Where the rows go.
    """

    find: EntityBatch
    output: Output

    def predict(self, shard: Shard) -> int:
        """Find the entities of a shard, and write its files. It may be done over again.

        shard (Shard): The shard.
        RETURNS (int): The number of its rows.
        """
        with write_whole(self.output.rows(shard)) as rows:
            bad = FORMATS[self.output.suffix].predict(shard, self.find, rows)
            self.output.write_bad_rows(shard, bad)
        return shard.count


def find_inputs(path: Path) -> List[Path]:
    """Find the files with rows.

    path (Path): A file, or a folder of files of one kind.
    RETURNS (List[Path]): The files, in the order of their names.
    RAISES (ValueError): If there are none, or of several kinds.
    """
    if not path.exists():
        raise ValueError(f"{path} does not exist")
    known = " or ".join(FORMATS)
    if path.is_file():
        if path.suffix not in FORMATS:
            raise ValueError(f"{path} is no {known} file")
        return [path]
    inputs = sorted(p for p in path.iterdir() if p.suffix in FORMATS and p.is_file())
    inputs = [p for p in inputs if not p.name.startswith(".")]
    if not inputs:
        raise ValueError(f"{path} has no {known} file")
    if len({p.suffix for p in inputs}) > 1:
        raise ValueError(f"{path} has {known} files: name a folder with one kind of them")
    return inputs


def plan_shards(inputs: List[Path], shard_rows: int) -> List[Shard]:
    """Divide the rows of files. A shard is of one file.

    inputs (List[Path]): The files.
    shard_rows (int): The number of rows of a shard.
    RETURNS (List[Shard]): The shards, in the order of the rows.
    """
    shards: List[Shard] = []
    for path in inputs:
        first = shards[-1].first + shards[-1].count if shards else 0
        shards.extend(FORMATS[path.suffix].plan(path.resolve(), first, shard_rows))
    return shards


def list_settings(inputs: List[Path], find: EntityBatch, shard_rows: int) -> Fingerprint:
    """Describe what the rows of the output depend on: not on the number of workers, nor on
    how many texts go through the pipeline at a time.

    inputs (List[Path]): The files with rows.
    find (EntityBatch): Finds the entities.
    shard_rows (int): The number of rows of a shard.
    RETURNS (Fingerprint): The settings, and checksums of the files.
    """
    settings = {
        "text_column": json.dumps(find.text_column),
        "entities_column": json.dumps(find.entities_column),
        "scores": json.dumps(find.scores),
        "shard_rows": json.dumps(shard_rows),
        "the model": take_checksum(_find_model(find.model)),
    }
    if find.code_path is not None:
        settings["the code"] = take_checksum(Path(find.code_path))
    return {**settings, **{f"the input {p.name}": take_checksum(p) for p in inputs}}


def _find_model(model: str) -> Path:
    if Path(model).exists():
        return Path(model)
    if is_package(model):
        return Path(get_package_path(model))
    raise ValueError(f"no pipeline '{model}': give its folder, or the name of its package")
