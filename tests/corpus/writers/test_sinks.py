import pytest

from spacy_bilstm_crf.corpus.sentence import CorpusError
from spacy_bilstm_crf.corpus.writers.sinks import open_file, open_folder


def interrupt(opened):
    with opened as sink:
        sink(("new",))
        raise KeyboardInterrupt


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_has_all_parts_as_they_are(tmp_path):
    with open_file(tmp_path / "new" / "out.txt") as sink:
        sink(("一\r\n",))
        sink(("二\n",))
        assert "out.txt" not in names(tmp_path / "new")
    assert names(tmp_path / "new") == ["out.txt"]
    assert (tmp_path / "new" / "out.txt").read_bytes() == "一\r\n二\n".encode()


def test_only_at_the_beginning_of_a_file_a_byte_order_mark_needs_another(tmp_path):
    with open_file(tmp_path / "out.txt") as sink:
        sink(("",))
        sink(("\ufeff一",))
        sink(("\ufeff二",))
    assert (tmp_path / "out.txt").read_text("utf8") == "\ufeff\ufeff一\ufeff二"


def test_folder_has_numbered_files(tmp_path):
    with open_folder(tmp_path / "new" / "out", (".txt", ".ann")) as sink:
        sink(("一\r\n", "A"))
        sink(("", ""))
        assert "out" not in names(tmp_path / "new")
    assert names(tmp_path / "new") == ["out"]
    assert names(tmp_path / "new" / "out") == [
        *("000001.ann", "000001.txt", "000002.ann", "000002.txt"),
    ]
    assert (tmp_path / "new" / "out" / "000001.txt").read_bytes() == "一\r\n".encode()


def test_empty_folder_is_used(tmp_path):
    (tmp_path / "out").mkdir()
    with open_folder(tmp_path / "out", (".txt",)) as sink:
        sink(("一",))
    assert names(tmp_path / "out") == ["000001.txt"]


def test_interrupted_file_leaves_the_old_one(tmp_path):
    (tmp_path / "out.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        interrupt(open_file(tmp_path / "out.txt"))
    assert names(tmp_path) == ["out.txt"]
    assert (tmp_path / "out.txt").read_text() == "old"


def test_interrupted_folder_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupt(open_folder(tmp_path / "out", ("",)))
    assert names(tmp_path) == []


def test_what_cannot_be_an_output_is_a_clear_error(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(CorpusError, match="full is a folder"), open_file(tmp_path / "full"):
        pass
    for name, message in (
        ("full", "full is not empty"),
        ("full/file", "file is no folder"),
    ):
        with (
            pytest.raises(CorpusError, match=message),
            open_folder(tmp_path / name, (".txt",)),
        ):
            pass
    assert names(tmp_path / "full") == ["file"]
