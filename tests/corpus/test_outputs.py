import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Corpus

from spacy_bilstm_crf.corpus import outputs as module
from spacy_bilstm_crf.corpus.outputs import Outputs, Shards, plan_outputs, write_whole
from spacy_bilstm_crf.corpus.sentence import CorpusError

ZH = spacy.blank("zh")


def docs(n):
    return [ZH.make_doc(f"第{i}") for i in range(n)]


def test_one_file_for_all_sources(tmp_path):
    sources = [tmp_path / "a.bio", tmp_path / "b.bio"]
    assert plan_outputs(sources, tmp_path / "x.spacy") == {tmp_path / "x.spacy": sources}


def test_a_file_for_each_source(tmp_path):
    sources = [tmp_path / "train.char.bmes", tmp_path / "brat"]
    plan = plan_outputs(sources, tmp_path / "out")
    assert [path.name for path in plan] == ["train.spacy", "brat.spacy"]


def test_clashing_names_are_an_error(tmp_path):
    sources = [tmp_path / "x" / "a.bio", tmp_path / "y" / "a.bio"]
    with pytest.raises(CorpusError, match="would both be written"):
        plan_outputs(sources, tmp_path / "out")


def test_names_that_begin_alike_are_kept_whole(tmp_path):
    sources = [tmp_path / name for name in ("example.dev", "example.test", "b.c.bio")]
    plan = plan_outputs(sources, tmp_path / "out")
    assert [path.name for path in plan] == [
        *("example.dev.spacy", "example.test.spacy", "b.spacy"),
    ]


def test_output_that_looks_like_another_file_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="would be a folder"):
        plan_outputs([tmp_path / "a.bio"], tmp_path / "out.jsonl")


def test_files_appear_together_at_the_end(tmp_path):
    with Outputs() as outputs:
        outputs.write(DocBin(docs=docs(1)), tmp_path / "a" / "x.spacy")
        outputs.write(DocBin(docs=docs(2)), tmp_path / "y.spacy")
        assert not list(tmp_path.rglob("*.spacy"))
    assert len(DocBin().from_disk(tmp_path / "a" / "x.spacy")) == 1
    assert len(DocBin().from_disk(tmp_path / "y.spacy")) == 2


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_no_file_appears_after_an_error(tmp_path, error):
    old = tmp_path / "x.spacy"
    old.write_bytes(b"old")

    def interrupted():
        with Outputs() as outputs:
            outputs.write(DocBin(docs=docs(1)), old)
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_bytes() == b"old"


def test_error_while_renaming_leaves_no_temporary_file(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(module.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"), Outputs() as outputs:
        outputs.write(DocBin(docs=docs(1)), tmp_path / "x.spacy")
    assert not list(tmp_path.iterdir())


def test_numbered_files_are_a_folder_that_spacy_reads(tmp_path):
    with Outputs() as outputs:
        shards = Shards(outputs, tmp_path / "train.spacy", numbered=True)
        for size in (2, 0, 1):
            for doc in docs(size):
                shards.add(doc)
            shards.next_file()
    folder = tmp_path / "train"
    assert shards.sizes == {folder / "00001.spacy": 2, folder / "00002.spacy": 1}
    assert len(list(Corpus(folder)(ZH))) == 3


def test_old_numbered_files_are_not_mixed_with_new_ones(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "00007.spacy").write_bytes(b"old")
    with (
        Outputs() as outputs,
        pytest.raises(CorpusError, match=r"00007.spacy is from another run"),
    ):
        Shards(outputs, tmp_path / "train.spacy", numbered=True)


def test_a_file_has_its_name_when_it_is_complete(tmp_path):
    path = tmp_path / "rows"

    def fail():
        with write_whole(path) as file_:
            file_.write(b"half")
            assert not path.exists()
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert not list(tmp_path.iterdir())
    with write_whole(path) as file_:
        file_.write(b"whole")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("rows", b"whole")]
