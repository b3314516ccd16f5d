import pytest
from spacy.cli._util import app
from spacy.cli.convert import CONVERTERS
from spacy.tokens import DocBin
from spacy.training.converters import conll_ner_to_docs
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_bilstm_crf.cli.converters import add_converters, tagged_to_docs

TEXT = "沪 S-LOC\n上 O\n\n王 B-PER\n博 E-PER\n"


@pytest.fixture
def run(tmp_path):
    def invoke(name, content, *args):
        path = tmp_path / name
        path.write_text(content, encoding="utf8")
        command = ["convert", path, tmp_path, *args]
        result = CliRunner().invoke(app, list(map(str, command)), env={"COLUMNS": "200"})
        return result.exit_code, " ".join(result.output.split()), path.with_suffix(".spacy")

    return invoke


def ents(path):
    docs = DocBin().from_disk(path).get_docs(Vocab())
    return [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs]


def test_spacy_convert_reads_bmes_as_bmes(run):
    code, shown, path = run("x.bmes", TEXT)
    assert code == 0, shown
    assert ents(path) == [[("沪", "LOC")], [("王博", "PER")]]
    assert "No --lang: tokens are cut as in 'zh'" in shown
    assert "bioes, detected" in shown


def test_language_without_chinese_characters_is_the_multi_language_one(run):
    code, shown, path = run("x.bio", "Oslo B-LOC\nfell O\n")
    assert (code, ents(path)) == (0, [[("Oslo", "LOC")]])
    assert "as in 'xx'" in shown


def test_sentences_per_doc():
    [doc] = tagged_to_docs(TEXT, n_sents=10, lang="zh", no_print=True)
    assert [ent.text for ent in doc.ents] == ["沪", "王博"]
    assert doc.text == "沪上王博"


def test_repairs_are_listed_with_their_line(run):
    code, shown, _ = run("x.bmes", "王 B-PER\n博 M-PER\n\n沪 S-LOC\n")
    assert code == 0, shown
    assert "line:2: the entity is left open" in shown


def test_bad_input_is_one_line(run):
    code, shown, path = run("x.bmes", "王\n")
    assert code == 1
    assert "line 1: no line of the file ends with a tag" in shown
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "args", "message"),
    [
        ("", ("--lang", "zh"), "No sentence is left: line 1: no sentence"),
        (TEXT, ("--lang", "qq"), "No pipeline for --lang qq"),
    ],
)
def test_impossible_requests_are_one_line(run, content, args, message):
    code, shown, _ = run("x.bmes", content, *args)
    assert code == 1
    assert message in shown
    assert "Traceback" not in shown


def test_options_without_effect_are_named(run):
    _, shown, _ = run("x.bmes", TEXT, "--seg-sents")
    assert "Not used for these files: seg_sents" in shown


def test_spacys_own_converters_stay():
    add_converters()
    assert CONVERTERS["ner"] is conll_ner_to_docs
    assert CONVERTERS["bmes"] is tagged_to_docs
