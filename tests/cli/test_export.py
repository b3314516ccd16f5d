import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import group

ZH = spacy.blank("zh")


@pytest.fixture
def run():
    def invoke(*args):
        command = ["export", *map(str, args)]
        result = CliRunner().invoke(group, command, env={"COLUMNS": "200"})
        return result.exit_code, " ".join(result.output.split())

    return invoke


@pytest.fixture
def path(tmp_path):
    doc = ZH("在青川\n沪。")
    doc.set_ents(
        [doc.char_span(1, 3, "LOC"), doc.char_span(4, 5, "LOC")], default="outside"
    )
    DocBin(docs=[doc]).to_disk(tmp_path / "in.spacy")
    return tmp_path / "in.spacy"


def test_export_writes_a_corpus_and_shows_what_it_lost(run, path, tmp_path):
    output = tmp_path / "out.bmes"
    options = ("--format", "columns", "--scheme", "bmes", "--lang", "zh")
    code, shown = run(path, output, *options)
    assert code == 0, shown
    rows = output.read_text("utf8").split("\n")
    assert rows == ["在 O", "青 B-LOC", "川 E-LOC", "  O", "沪 S-LOC", "。 O", "", ""]
    assert "LOC 2 2 0" in shown
    assert f"{output}: 1 Doc" in shown
    assert "text-changed 1" in shown
    assert f"{path}:1: the text made anew" in shown


def test_report_lists_every_record(run, path, tmp_path):
    report = tmp_path / "report.jsonl"
    options = ("--format", "columns", "--lang", "zh", "--report", report)
    code, shown = run(path, tmp_path / "out", *options)
    assert code == 0, shown
    [row] = srsly.read_jsonl(report)
    assert (row["source"], row["line"], row["kind"]) == (str(path), 1, "text-changed")


def test_several_files_are_written_as_one(run, path, tmp_path):
    DocBin(docs=[ZH("中")]).to_disk(tmp_path / "b.spacy")
    output = tmp_path / "out.jsonl"
    code, shown = run(path, tmp_path / "b.spacy", output, "--format", "doccano")
    assert code == 0, shown
    assert [row["text"] for row in srsly.read_jsonl(output)] == ["在青川\n沪。", "中"]


def test_spans_key_takes_other_spans(run, tmp_path):
    doc = ZH("青川")
    doc.spans["sc"] = [doc.char_span(0, 1, "X"), doc.char_span(0, 2, "LOC")]
    DocBin(docs=[doc]).to_disk(tmp_path / "in.spacy")
    args = (tmp_path / "in.spacy", tmp_path / "out", "--format", "brat")
    code, shown = run(*args, "--spans-key", "sc")
    assert code == 0, shown
    assert (tmp_path / "out" / "000001.ann").read_text("utf8") == (
        "T1\tLOC 0 2\t青川\nT2\tX 0 1\t青\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "csv"), "Unknown format 'csv'"),
        (("--format", "jsonl", "--scheme", "bies"), "Unknown scheme 'bies'"),
        (("--format", "columns"), "--lang"),
        (("--format", "jsonl", "--spans-key", "sc"), "No Doc has spans under 'sc'"),
    ],
)
def test_wrong_options_are_one_clear_error(run, path, tmp_path, options, message):
    code, shown = run(path, tmp_path / "out", *options)
    assert code == 1
    assert message in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "message"), [("no.spacy", "does not exist"), ("bad", "cannot be read")]
)
def test_bad_input_is_one_clear_error(run, tmp_path, name, message):
    (tmp_path / "bad").write_bytes(b"PK\x03\x04")
    code, shown = run(tmp_path / name, tmp_path / "out", "--format", "jsonl")
    assert code == 1
    assert message in shown
    assert "Traceback" not in shown


def test_output_that_cannot_be_written_is_one_clear_error(run, path, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for format_ in ("jsonl", "brat"):
        code, shown = run(path, tmp_path / "file" / "out", "--format", format_)
        assert code == 1
        assert "Not a directory" in shown or "exists" in shown
        assert "Traceback" not in shown


def test_help_explains_every_option(run):
    code, shown = run("--help")
    assert code == 0
    for option in ("--format", "--scheme", "--lang", "--spans-key", "--report"):
        assert option in shown
