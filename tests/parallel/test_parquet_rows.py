import datetime
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.parallel import parquet_rows
from spacy_bilstm_crf.parallel.parquet_rows import plan_table, predict_table

pyarrow = pytest.importorskip("pyarrow", reason="needs the extra `ray`")
parquet = pytest.importorskip("pyarrow.parquet")


def predict(path, find, shard_rows=4):
    """RETURNS (Tuple[List[Table], List[BadRow]]): A table per shard, and the bad rows."""
    tables, bad = [], []
    for shard in plan_table(path, 0, shard_rows):
        out = io.BytesIO()
        bad += predict_table(shard, find, out)
        tables.append(parquet.read_table(io.BytesIO(out.getvalue())))
    return tables, bad


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.integers(0, 30), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
def test_each_row_is_in_one_shard_however_groups_lie(
    tmp_path, find, total, group, shard_rows, part
):
    path = tmp_path / "in.parquet"
    table = pyarrow.table({"text": [f"a {i}" for i in range(total)]})
    parquet.write_table(table, path, row_group_size=group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_rows, "PART", part)
        tables, bad = predict(path, find, shard_rows)
    assert bad == []
    rows = [row for table in tables for row in table.to_pylist()]
    assert [row["text"] for row in rows] == table["text"].to_pylist()
    assert [row["entities"][0]["end"] for row in rows] == [len(row["text"]) for row in rows]


def test_other_columns_keep_their_types_and_entities_have_the_same_everywhere(
    tmp_path, find
):
    table = pyarrow.table(
        {
            "day": pyarrow.array([datetime.date(2020, 1, 1)] * 3),
            "text": pyarrow.array(["a", "b", "c 1"]).dictionary_encode(),
            "tags": pyarrow.array([[1], None, []], pyarrow.list_(pyarrow.int8())),
        }
    )
    path = tmp_path / "in.parquet"
    parquet.write_table(table, path)
    (first, last), _ = predict(path, find, 2)
    assert first.schema == last.schema
    assert first.schema.names == ["day", "text", "tags", "entities"]
    assert pyarrow.concat_tables([first, last]).select(table.schema.names) == table
    assert first["entities"].to_pylist() == [[], []]


def test_bad_rows_are_told_with_their_place_and_reason(tmp_path, find, monkeypatch):
    monkeypatch.setattr(parquet_rows, "PART", 2)
    texts = ["a 1", None, None, "b", "c 2"]
    path = tmp_path / "in.parquet"
    day = datetime.date(2020, 1, 1)
    parquet.write_table(pyarrow.table({"text": texts, "day": [day] * 5}), path)
    [table, second], bad = predict(path, find, 3)
    assert table["text"].to_pylist() + second["text"].to_pylist() == ["a 1", "b", "c 2"]
    assert [(row.row, row.source, row.reason) for row in bad] == [
        (1, f"{path}:2", "not a text: None"),
        (2, f"{path}:3", "not a text: None"),
    ]
    assert json.loads(bad[0].record) == {"text": None, "day": "2020-01-01"}


def test_columns_that_are_missing_or_in_the_way_are_errors(tmp_path, find):
    path = tmp_path / "in.parquet"
    parquet.write_table(pyarrow.table({"txt": ["a"], "b": [1]}), path)
    with pytest.raises(ValueError, match="no column 'text' among 'txt', 'b': name it"):
        predict(path, find)
    parquet.write_table(pyarrow.table({"text": ["a"], "entities": [1]}), path)
    with pytest.raises(ValueError, match="there is 'entities' already"):
        predict(path, find)


def test_what_is_no_parquet_file_is_an_error(tmp_path, find):
    path = tmp_path / "in.parquet"
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"in\.parquet is no Parquet file"):
        predict(path, find)
