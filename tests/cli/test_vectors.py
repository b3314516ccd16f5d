import pytest
import spacy
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import group


@pytest.fixture
def run():
    def invoke(*args):
        command = ["vectors", *map(str, args)]
        result = CliRunner().invoke(group, command, env={"COLUMNS": "200"})
        return result.exit_code, " ".join(result.output.split())

    return invoke


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "some.vec"
    path.write_text("5 2\n  1 2\n中 3 4\n中 5 6\n国 7\n人 8 9\n", encoding="utf8")
    return path


def test_vectors_are_written_and_what_was_odd_is_shown(run, source, tmp_path):
    output = tmp_path / "new" / "folder"
    code, shown = run(source, output, "--lang", "zh")
    assert code == 0, shown
    assert f"{output}: 3 x 2 vectors" in shown
    assert f"1 row left out: a word that an earlier row has, first at {source}:4" in shown
    assert f"1 row left out: not a word and 2 numbers, first at {source}:5" in shown
    assert "The header says" not in shown
    vocab = spacy.load(output).vocab
    assert vocab[" "].vector.tolist() == [1, 2]
    assert vocab["中"].vector.tolist() == [3, 4]
    assert vocab.vectors.name == "zh_some"


def test_a_wrong_header_is_shown(run, source, tmp_path):
    source.write_text("7 2\n中 3 4\n", encoding="utf8")
    code, shown = run(source, tmp_path / "out", "--lang", "zh")
    assert code == 0, shown
    assert "The header says 7 x 2, the file has 1 x 2" in shown


def test_truncate(run, source, tmp_path):
    code, shown = run(source, tmp_path / "out", "--lang", "zh", "--truncate", 1)
    assert code == 0, shown
    assert "1 x 2 vectors" in shown
    assert "The header says" not in shown
    assert spacy.load(tmp_path / "out").vocab.vectors.n_keys == 1


def test_faults_are_one_line(run, source, tmp_path):
    source.write_bytes(b"")
    for options in (("--lang", "zh"), ("--lang", "nosuch")):
        code, shown = run(source, tmp_path / "out", *options)
        assert code == 1
        assert "Traceback" not in shown
        assert not (tmp_path / "out").exists()
    code, shown = run(tmp_path / "nosuch", tmp_path / "out", "--lang", "zh")
    assert (code, "no such file" in shown) == (1, True)
