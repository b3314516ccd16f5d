import json
import os
from pathlib import Path

import pytest
import spacy

from spacy_bilstm_crf.batch import EntityBatch
from spacy_bilstm_crf.corpus.sentence import CorpusError
from spacy_bilstm_crf.parallel import job
from spacy_bilstm_crf.parallel.apply import apply_parallel

TEXTS = [f"{i} of {i * i}" if i % 3 else "none" for i in range(25)]


@pytest.fixture
def run(find, tmp_path):
    def apply(path, output="out", **settings):
        settings = {"shard_rows": 10, **settings}
        return apply_parallel(find, path, tmp_path / output, **settings)

    return apply


def list_ents(nlp, text):
    return [(ent.start_char, ent.end_char, ent.label_) for ent in nlp(text).ents]


def test_rows_are_complete_and_in_order_with_what_the_pipeline_finds(
    run, find, write_rows, tmp_path, here, read_rows
):
    done = run(write_rows(TEXTS))
    assert done == (25, 3, 0, 0, None)
    rows = read_rows()
    assert [(row["id"], row["text"]) for row in rows] == list(enumerate(TEXTS))
    for row in rows:
        found = [(ent["start"], ent["end"], ent["label"]) for ent in row["entities"]]
        assert found == list_ents(find.nlp, row["text"])


def test_rows_of_a_folder_are_in_the_order_of_its_files(
    run, write_rows, tmp_path, here, read_rows
):
    folder = tmp_path / "in"
    folder.mkdir()
    write_rows(["3"] * 3, "in/b.jsonl")
    write_rows(["2"] * 12, "in/a.jsonl")
    write_rows(["1"], "in/.hidden.jsonl")
    (folder / "README.md").touch()
    assert run(folder).rows == 15
    names = sorted(path.stem for path in (tmp_path / "out" / "rows").iterdir())
    assert [name.split("-") for name in names] == [
        ["000000000000", "000000000009"],
        ["000000000010", "000000000011"],
        ["000000000012", "000000000014"],
    ]
    assert [row["text"] for row in read_rows()] == ["2"] * 12 + ["3"] * 3


def test_parquet_files_give_parquet_files(run, tmp_path, here):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra `ray`")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"text": TEXTS}), tmp_path / "in.parquet")
    assert run(tmp_path / "in.parquet").rows == 25
    table = parquet.read_table(tmp_path / "out" / "rows")
    assert table["text"].to_pylist() == TEXTS
    assert len(table["entities"][1].as_py()) == 2


def test_only_what_is_missing_is_done_again(run, write_rows, tmp_path, here, read_rows):
    path = write_rows(TEXTS)
    run(path)
    expected = read_rows()
    assert run(path) == (25, 3, 25, 0, None)
    assert len(here) == 1
    (tmp_path / "out" / "rows" / "000000000010-000000000019.jsonl").unlink()
    assert run(path).before == 15
    assert here[1].done == ["000000000010-000000000019"]
    assert read_rows() == expected


def test_what_was_done_before_an_error_stays(
    run, find, write_rows, tmp_path, here, read_rows
):
    path = write_rows(TEXTS)
    run(path, "whole")
    predict = find.find
    find.find = lambda texts: predict(texts) if TEXTS[23] not in texts else 1 / 0
    with pytest.raises(ZeroDivisionError):
        run(path)
    del find.find
    files = sorted(p.name for p in (tmp_path / "out" / "rows").iterdir())
    assert files == ["000000000000-000000000009.jsonl", "000000000010-000000000019.jsonl"]
    assert run(path).before == 20
    assert read_rows() == read_rows("whole")


def test_how_fast_it_goes_may_change_in_between(run, find, write_rows, tmp_path, here):
    path = write_rows(TEXTS)
    run(path)
    find.batch_size = 1
    assert run(path, workers=3, engine="ray").before == 25


def test_bad_rows_are_counted_and_the_first_is_told(
    run, write_rows, tmp_path, here, read_rows
):
    path = write_rows(["1", None, "2", *[3] * 20])
    done = run(path)
    assert done.bad == 21
    assert done.first_bad[:3] == (1, f"{path}:2", "not a text: None")
    assert [row["text"] for row in read_rows()] == ["1", "2"]
    assert run(path) == done._replace(before=23)


def test_no_rows_are_no_error(run, write_rows, here):
    assert run(write_rows([])) == (0, 0, 0, 0, None)
    assert here == []


def change_input(path, model, settings):
    path.write_text(path.read_text("utf8").replace("none", "nine"), "utf8")


def change_model(path, model, settings):
    meta = json.loads((model / "meta.json").read_text("utf8"))
    (model / "meta.json").write_text(json.dumps({**meta, "version": "9"}), "utf8")


def change_shards(path, model, settings):
    settings["shard_rows"] = 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_input, "the content of the input in.jsonl has changed"),
        (change_model, "the content of the model has changed"),
        (change_shards, "shard_rows was 10 and is 5"),
    ],
)
def test_rows_of_another_run_are_an_error(write_rows, tmp_path, here, change, message):
    spacy.blank("en").to_disk(tmp_path / "model")
    find = EntityBatch(tmp_path / "model")
    path = write_rows(TEXTS)
    settings = {"shard_rows": 10}
    apply_parallel(find, path, tmp_path / "out", **settings)
    change(path, tmp_path / "model", settings)
    with pytest.raises(ValueError, match=message):
        apply_parallel(find, path, tmp_path / "out", **settings)


def test_wrong_inputs_are_errors(run, write_rows, tmp_path, here):
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(ValueError, match=r"in has no \.jsonl or \.parquet file"):
        run(folder)
    with pytest.raises(ValueError, match=r"nowhere does not exist"):
        run(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"in\.txt is no \.jsonl or \.parquet file"):
        run(write_rows(["1"], "in.txt"))
    write_rows(["1"], "in/a.jsonl")
    write_rows(["1"], "in/b.parquet")
    with pytest.raises(ValueError, match="name a folder with one kind"):
        run(folder)


def test_nothing_is_written_into_the_input(run, write_rows, tmp_path, here):
    (tmp_path / "in").mkdir()
    path = write_rows(["1"], "in/a.jsonl")
    for output in ("in", "in/out", "in/a.jsonl"):
        with pytest.raises(CorpusError, match="is an input, or within one"):
            run(tmp_path / "in", output)
    assert os.listdir(tmp_path / "in") == [path.name]


def test_a_pipeline_may_be_a_package(run, find, write_rows, tmp_path, here, monkeypatch):
    path = write_rows(["1"])
    model, find.model = find.model, "zh_ner_mine"
    monkeypatch.setattr(job, "is_package", lambda name: name == "zh_ner_mine")
    monkeypatch.setattr(job, "get_package_path", lambda name: Path(model))
    monkeypatch.setattr(find, "find", lambda texts: ([[]], [None]))
    assert run(path).rows == 1
    # Its content counts, as that of a folder does.
    monkeypatch.setattr(job, "get_package_path", lambda name: path)
    with pytest.raises(ValueError, match="the content of the model has changed"):
        run(path)


def test_a_pipeline_that_is_not_there_is_an_error(write_rows, tmp_path, here):
    with pytest.raises(ValueError, match="no pipeline 'nowhere'"):
        apply_parallel(EntityBatch("nowhere"), write_rows(["1"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()
