"""Parquet files -> the same rows with a column of entities."""

import json
from pathlib import Path
from typing import IO, Any, Iterator, List

from ..batch import EntityBatch, make_array
from .shards import BadRow, Shard

# How many are read at a time.
PART = 1000


def plan_table(path: Path, first: int, shard_rows: int) -> Iterator[Shard]:
    """Divide the rows of a file.

    path (Path): The file.
    first (int): Number of its first row among all.
    shard_rows (int): The number of rows of a shard.
    YIELDS (Shard): The shards.
    RAISES (ValueError): If this is no Parquet file, or there is no package to read it.
    """
    with _open(path) as file_:
        total = file_.metadata.num_rows
    for place in range(0, total, shard_rows):
        count = min(shard_rows, total - place)
        yield Shard(str(path), place, place + 1, first + place, count)


def predict_table(shard: Shard, find: EntityBatch, out: IO[bytes]) -> List[BadRow]:
    """Find the entities of a shard.

    shard (Shard): The shard.
    find (EntityBatch): Finds them.
    out (IO[bytes]): Where to write the rows, as a Parquet file.
    RETURNS (List[BadRow]): Those without entities.
    RAISES (ValueError): If there is no column of texts, or one of entities.
    """
    from pyarrow.parquet import ParquetWriter

    bad = []
    with _open(Path(shard.source)) as file_:
        schema = _add_column(file_.schema_arrow, find, shard.source)
        with ParquetWriter(out, schema) as writer:
            row = shard.first
            for table in _read_tables(file_, shard):
                found, reasons = find.find(table[find.text_column].to_pylist())
                good = [reason is None for reason in reasons]
                entities = [ents for ents in found if ents is not None]
                kept = table.filter(good)
                columns = [*kept.columns, make_array(entities)]
                writer.write_table(type(table).from_arrays(columns, schema=schema))
                for index, reason in enumerate(reasons):
                    if reason is not None:
                        [values] = table.slice(index, 1).to_pylist()
                        number = row + index - shard.first + shard.line
                        record = json.dumps(values, ensure_ascii=False, default=str)
                        source = f"{shard.source}:{number}"
                        bad.append(BadRow(row + index, source, reason, record))
                row += len(table)
    return bad


def _open(path: Path) -> Any:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ValueError(
            f"{path}: Parquet files need another package: python -m pip install pyarrow"
        ) from None
    try:
        return ParquetFile(path)
    except ArrowInvalid as error:
        raise ValueError(f"{path} is no Parquet file: {error}") from error


def _add_column(schema: Any, find: EntityBatch, source: str) -> Any:
    if find.text_column not in schema.names:
        raise ValueError(
            f"{source}: no column '{find.text_column}' among "
            f"{', '.join(map(repr, schema.names))}: name it with --text-column"
        )
    if find.entities_column in schema.names:
        raise ValueError(
            f"{source}: there is '{find.entities_column}' already: choose another name "
            "with --entities-column"
        )
    import pyarrow

    return schema.append(pyarrow.field(find.entities_column, make_array([]).type))


def _read_tables(file_: Any, shard: Shard) -> Iterator[Any]:
    """YIELDS (pyarrow.Table): The rows of a shard, some at a time."""
    from pyarrow import Table

    end = shard.place + shard.count
    start = 0
    for group in range(file_.metadata.num_row_groups):
        after = start + file_.metadata.row_group(group).num_rows
        if after > shard.place and start < end:
            for batch in file_.iter_batches(PART, row_groups=[group]):
                low = max(shard.place - start, 0)
                high = min(end - start, len(batch))
                if low < high:
                    yield Table.from_batches([batch.slice(low, high - low)])
                start += len(batch)
        start = after
