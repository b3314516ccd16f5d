"""spacy bilstm-crf apply-parallel: the entities of large files, by several processes."""

import os
import time
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

from spacy.cli._util import Arg, Opt

from .show import msg

# What a wrong path, file or GPU ends in, here or within spaCy; and workers that die.
FAULTS = (ValueError, OSError, ImportError, RuntimeError)
MODEL = "Trained pipeline: its folder or its name."
INPUT = "Rows with texts: a .jsonl or .parquet file, or a folder of files of one kind."
OUTPUT = "Folder for the rows with their entities. What is there already is not done again."
WORKERS = "Number of processes. Each one loads the pipeline and takes one core."
ENGINE = "Who starts them: Ray, on this machine or on a cluster; or Python, on this one."
TEXT_COLUMN = "The column with the texts."
ENTITIES_COLUMN = "The new column for the entities."
SHARD_ROWS = "Rows of each output file. What a process that dies has begun is done again."
BATCH_SIZE = "Texts that go through the pipeline at a time."
SCORES = "Ask how sure the pipeline is of each entity, or not, which is faster."
CODE = "Path to a Python file with registered functions that a pipeline needs."
GPU_ID = "GPU ID or -1 for CPU. All workers share it; Ray gives each one a GPU of its own."


class EngineName(str, Enum):
    ray = "ray"
    local = "local"


def apply_parallel_cli(
    model: Annotated[str, Arg(help=MODEL, show_default=False)],
    input_path: Annotated[Path, Arg(help=INPUT, metavar="INPUT", show_default=False)],
    output: Annotated[Path, Arg(help=OUTPUT, file_okay=False, show_default=False)],
    workers: Annotated[int, Opt("--workers", "-n", help=WORKERS, min=1)] = 1,
    engine: Annotated[EngineName, Opt("--engine", "-e", help=ENGINE)] = EngineName.local,
    text_column: Annotated[str, Opt("--text-column", help=TEXT_COLUMN)] = "text",
    entities_column: Annotated[
        str, Opt("--entities-column", help=ENTITIES_COLUMN)
    ] = "entities",
    shard_rows: Annotated[int, Opt("--shard-rows", help=SHARD_ROWS, min=1)] = 10_000,
    batch_size: Annotated[int, Opt("--batch-size", help=BATCH_SIZE, min=1)] = 256,
    scores: Annotated[bool, Opt("--scores/--no-scores", help=SCORES)] = True,
    code_path: Annotated[Optional[Path], Opt("--code", "-c", help=CODE)] = None,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help=GPU_ID)] = -1,
) -> None:
    """
    Find the entities of large files, by several processes. Each row keeps its other
    columns; rows that have no text or cannot be read are kept aside, with the reason.
    The output is complete and in order, whatever happens to a process; if all of it is
    interrupted, the same command goes on where it was.
    """
    # They need torch, and take a while.
    from ..batch import EntityBatch
    from ..parallel.apply import apply_parallel

    begin = time.perf_counter()
    try:
        find = EntityBatch(
            model,
            text_column,
            entities_column=entities_column,
            batch_size=batch_size,
            scores=scores,
            gpu_id=use_gpu,
            code_path=code_path,
        )
        if engine is EngineName.ray and "RAY_ADDRESS" in os.environ:
            # It tries for long, and does not say so.
            msg.info(f"Connecting to Ray at {os.environ['RAY_ADDRESS']}")
        done = apply_parallel(
            find,
            input_path,
            output,
            workers=workers,
            engine=engine.value,
            shard_rows=shard_rows,
            progress=True,
        )
    except FAULTS as error:
        msg.fail(" ".join(str(error).split()), exits=1)
    except KeyboardInterrupt:
        msg.warn("Interrupted: the same command goes on where this one was")
        raise
    else:
        seconds = time.perf_counter() - begin
        if done.before:
            msg.info(f"{done.before:,} rows were done before")
        new = done.rows - done.before
        rate = f", {new / seconds:,.0f} rows/s" if new else ""
        files = "1 file" if done.shards == 1 else f"{done.shards:,} files"
        msg.good(f"{output}: {done.rows:,} rows in {files}{rate}")
        if done.first_bad is not None:
            folder, first = output / "bad_rows", done.first_bad
            rows = "1 bad row is" if done.bad == 1 else f"{done.bad:,} bad rows are"
            msg.warn(f"{rows} in {folder}. First: {first.source}: {first.reason}")
            if done.bad == done.rows:
                msg.fail("No row has a text that can be read", exits=1)
