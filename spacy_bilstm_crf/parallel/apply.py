"""Find the entities of large files, by several processes."""

import sys
from pathlib import Path
from typing import Literal, NamedTuple, Optional, Union

from tqdm import tqdm

from ..batch import EntityBatch
from ..corpus.outputs import check_distinct
from .job import Job, find_inputs, list_settings, plan_shards
from .local_engine import LocalEngine
from .ray_engine import RayEngine
from .shards import BadRow, Output
from .workers import run_shards

# Seconds between two lines of a log that is no terminal.
INTERVAL = 60.0


class Applied(NamedTuple):
    """What was done.

    rows (int): The number of all rows.
    shards (int): The number of files that they are written to.
    before (int): How many of the rows an earlier run had done.
    bad (int): How many have no entities but a reason.
    first_bad (Optional[BadRow]): The first one of these.
    """

    rows: int
    shards: int
    before: int
    bad: int
    first_bad: Optional[BadRow]


def apply_parallel(
    find: EntityBatch,
    path: Path,
    folder: Path,
    *,
    workers: int = 1,
    engine: Literal["ray", "local"] = "local",
    shard_rows: int = 10_000,
    progress: bool = False,
) -> Applied:
    """Find the entities of all rows of a file, or of the files of a folder. What another
    run with the same output folder has done is not done again.

    find (EntityBatch): Finds the entities.
    path (Path): The .jsonl or .parquet file, or the folder.
    folder (Path): The output folder. See `shards.Output`.
    workers (int): The number of processes.
    engine (str): What starts them: "ray" or "local".
    shard_rows (int): The number of rows of a shard.
    progress (bool): Whether to show a bar, or lines where there is no terminal.
    RETURNS (Applied): What was done.
    RAISES (ValueError): If the input cannot be read, or the output is something else.
    RAISES (RuntimeError): If processes die again and again.
    """
    inputs = find_inputs(path)
    check_distinct([path, *inputs], [folder], None)
    shards = plan_shards(inputs, shard_rows)
    output = Output(folder.resolve(), inputs[0].suffix)
    to_do = output.prepare(list_settings(inputs, find, shard_rows), shards)
    total = sum(shard.count for shard in shards)
    before = total - sum(shard.count for shard in to_do)
    if to_do:
        job = Job(find, output)
        bar = tqdm(
            total=total,
            initial=before,
            unit=" rows",
            disable=not progress,
            mininterval=0.1 if sys.stderr.isatty() else INTERVAL,
        )
        with bar, make_engine(engine, job, workers) as started:
            for shard in run_shards(started, to_do, workers):
                bar.update(shard.count)
        output.clean()
    first_bad = next(output.read_bad_rows(), None)
    bad = sum(1 for _ in output.read_bad_rows())
    return Applied(total, len(shards), before, bad, first_bad)


def make_engine(name: str, job: Job, workers: int) -> Union[RayEngine, LocalEngine]:
    """RETURNS (Union[RayEngine, LocalEngine]): What starts the workers."""
    return RayEngine(job, workers) if name == "ray" else LocalEngine(job)
