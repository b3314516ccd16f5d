import os
import re
import shutil
import subprocess
import sys

import pytest
import spacy
from click import unstyle
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import fix_random_seed
from thinc.util import has_cupy_gpu
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import group, report
from spacy_bilstm_crf.training.step_log import STEP, StepLog

TEXTS = [
    ("张伟在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("李娜住在上海", [(0, 2, "PER"), (4, 6, "LOC")]),
    ("今天天气很好", []),
    ("张伟去了南京大学读书", [(0, 2, "PER"), (4, 8, "ORG")]),
]
# As someone else annotates it.
DOUBTFUL = [(TEXTS[0][0], [(0, 2, "PER")]), (TEXTS[3][0], [(4, 6, "LOC")])]
MODEL = {"hidden_width": 16, "dropout": 0.1, "tok2vec": {"width": 8}}
LIGHT = "import sys, spacy_bilstm_crf.cli; assert 'altair' not in sys.modules"


def train(examples, decoder):
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": {**MODEL, "decoder": decoder}})
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    return nlp


def write(path, nlp, data):
    docs = []
    for text, ents in data:
        doc = nlp.make_doc(text)
        if ents is not None:
            doc.set_ents([doc.char_span(*ent) for ent in ents], default="outside")
        docs.append(doc)
    DocBin(docs=docs).to_disk(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pipelines of several kinds, one of them with a step log, and data of all kinds."""
    path = tmp_path_factory.mktemp("folder")
    nlp = spacy.blank("zh")
    nlp.to_disk(path / "blank")
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in TEXTS
    ]
    (path / "training").mkdir()
    train(examples, "crf").to_disk(path / "training" / "model-best")
    train(examples, "softmax").to_disk(path / "softmax")
    log = StepLog(path / "training" / "steps.jsonl")
    row = {"seconds": 1.5, "docs": 4, "learn_rate": 0.02, "losses": {"ner": 8.0}}
    for i in range(3):
        log.write(STEP, {"step": i, **row})
    log.close()
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PER", "pattern": "张 伟"}])
    nlp.to_disk(path / "rules")
    write(path / "test.spacy", nlp, [*TEXTS, ("", []), (TEXTS[0][0], None), *DOUBTFUL])
    write(path / "train.spacy", nlp, [("张伟和北京", [(0, 2, "PER"), (3, 5, "LOC")])])
    write(path / "plain.spacy", nlp, [("今天天气很好", [])])
    write(path / "missing.spacy", nlp, [(text, None) for text, _ in TEXTS])
    DocBin().to_disk(path / "empty.spacy")
    (path / "text.spacy").write_text("张伟在北京工作", "utf8")
    (path / "text.txt").write_text("张伟在北京工作\n", "utf8")
    (path / "nothing").mkdir()
    return path


@pytest.fixture
def run(folder, monkeypatch):
    """Run the command. RETURNS (Tuple[int, str]): How it has ended, and what it says."""
    monkeypatch.chdir(folder)

    def invoke(*args):
        command = ["report", *map(str, args)]
        result = CliRunner().invoke(group, command, env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, " ".join(unstyle(result.output).split())

    return invoke


@pytest.fixture
def read(run, tmp_path):
    """Make a page. RETURNS (str): Its text, without the scripts."""

    def make(model, data="test.spacy", *args):
        path = tmp_path / "out.html"
        code, shown = run(model, data, path, "--samples", 5, *args)
        assert code == 0, shown
        html = re.sub(r"<(script|style).*?</\1>", "", path.read_text("utf8"), flags=re.S)
        return " ".join(re.sub("<[^>]*>", " ", html).split())

    return make


def test_a_page_is_written(run, tmp_path):
    output = tmp_path / "a" / "b" / "out.html"
    code, shown = run("training/model-best", "test.spacy", output)
    assert code == 0, shown
    assert re.fullmatch(rf"✔ {output}: \d\.\d MB, for any browser", shown)
    page = output.read_bytes()
    assert page.startswith(b"<!DOCTYPE html>")
    assert page.endswith(b"</html>")
    assert [path.name for path in output.parent.iterdir()] == ["out.html"]


@pytest.mark.parametrize("name", ["test.spacy", "page", "training/model-best/meta.json"])
def test_nothing_else_is_taken_for_a_page(run, folder, name):
    before = (folder / name).read_bytes() if (folder / name).exists() else None
    code, shown = run("training/model-best", "test.spacy", name)
    assert (code, shown) == (1, f"✘ {name} is no name for a page: let it end in .html")
    assert before == ((folder / name).read_bytes() if before else None)


def test_a_page_that_cannot_be_made_leaves_nothing(run, tmp_path, monkeypatch):
    def fail(*args):
        raise ValueError("no page")

    monkeypatch.setattr("spacy_bilstm_crf.report.page.make_page", fail)
    output = tmp_path / "reports" / "page.html"
    assert run("training/model-best", "test.spacy", output) == (1, "✘ no page")
    assert not list(output.parent.iterdir())


def test_a_folder_that_cannot_be_there_is_an_error_before_any_work(run, monkeypatch):
    monkeypatch.setattr(report.spacy, "load", None)
    code, shown = run("training/model-best", "test.spacy", "text.txt/page.html")
    assert code == 1
    assert "text.txt" in shown


def test_a_folder_that_cannot_be_written_to_is_an_error(run, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    code, shown = run("training/model-best", "test.spacy", tmp_path / "page.html")
    assert (code, shown) == (
        1,
        f"✘ {tmp_path} cannot be written to: choose another folder",
    )


def test_it_says_what_the_pipeline_gets_wrong(read):
    page = read("training/model-best")
    assert "How good is training/model-best?" in page
    assert "6 documents of test.spacy" in page
    assert "Documents without gold annotation: 1: left out" in page
    assert "PER where there is no entity" in page
    assert "Is the gold wrong?" in page
    assert "By what the training data have" not in page


def test_training_data_tell_what_is_known(read):
    page = read("training/model-best", "test.spacy", "--train", "train.spacy")
    assert "By what the training data have" in page
    assert "found: in the training data" in page


def test_the_step_log_beside_the_pipeline_is_read(read, folder, tmp_path):
    assert "3 steps in 0:00:02." in read("training/model-best")
    shutil.copytree(folder / "training" / "model-best", tmp_path / "model")
    assert "steps in" not in read(tmp_path / "model")
    log = folder / "training" / "steps.jsonl"
    assert "3 steps in" in read(tmp_path / "model", "test.spacy", "--log", log)


def test_transitions_are_those_of_a_crf(read):
    assert "What the CRF adds" in read("training/model-best")
    page = read("softmax")
    assert "What the CRF adds" not in page
    # It knows how sure it is.
    assert "calibration error" in page


def test_a_pipeline_without_probabilities(read):
    page = read("rules")
    assert "no component of this pipeline tells how sure it is" in page
    assert "What the CRF adds" not in page
    assert "calibration error" not in page


def test_a_pipeline_that_finds_nothing(read):
    page = read("blank")
    assert "The pipeline finds no entities" in page
    assert "PER is missed" in page


def test_data_without_entities(read):
    assert "The data have no entities" in read("training/model-best", "plain.spacy")


def test_the_number_of_sentences(read):
    assert "2 of 6 are here." in read("rules", "test.spacy", "--sentences", 2)


def test_the_scheme_of_the_tags(read):
    assert "Tags (BMES)" in read("rules")
    assert "Tags (BIO)" in read("rules", "test.spacy", "--scheme", "bio")


def test_entities_that_do_not_fit_the_tokens_are_told(read, run, tmp_path):
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, words=["An", "na's"], spaces=[False, False])
    doc.set_ents([Span(doc, 0, 1, "PER")], default="outside")
    DocBin(docs=[doc]).to_disk(tmp_path / "cut.spacy")
    nlp.to_disk(tmp_path / "english")
    page = read(tmp_path / "english", tmp_path / "cut.spacy")
    assert "1 of 1 entities begin or end within a token of the pipeline" in page
    page = read(tmp_path / "english", tmp_path / "cut.spacy", "--gold-preproc")
    assert "within a token" not in page


def test_functions_of_a_file_may_be_needed(read, make_own):
    path, code_path = make_own("PER")
    page = read(path, "test.spacy", "--code", code_path)
    assert "PER with wrong boundaries" in page


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nowhere", "test.spacy"), "Can't find model 'nowhere'"),
        (("nothing", "test.spacy"), "Could not read meta.json from nothing"),
        (("rules", "nowhere.spacy"), "No such file or directory: 'nowhere.spacy'"),
        (("rules", "nothing"), "nothing: no .spacy file"),
        (("rules", "text.spacy"), "text.spacy: not a DocBin"),
        (("rules", "empty.spacy"), "nothing to evaluate: the data have no Docs"),
        (("rules", "missing.spacy"), "nothing to evaluate: the data have no gold"),
        (("rules", "test.spacy", "--train", "plain.spacy"), "plain.spacy: no entities"),
        (("rules", "test.spacy", "--log", "nowhere.jsonl"), "directory: 'nowhere.jsonl'"),
        (("rules", "test.spacy", "--log", "text.txt"), "text.txt is no step log"),
        (("rules", "test.spacy", "--scheme", "foo"), "Unknown scheme 'foo'"),
    ],
)
def test_wrong_input_is_one_clear_error(run, tmp_path, args, message):
    output = tmp_path / "out.html"
    code, shown = run(*args[:2], output, *args[2:])
    assert code == 1
    assert message in shown
    # Nothing else was shown, and nothing written.
    assert shown.startswith("✘ ")
    assert not output.exists()


@pytest.mark.parametrize("output", ["nothing", "text.txt/out.html"])
def test_a_page_that_cannot_be_written_is_one_clear_error(run, output):
    code, shown = run("rules", "test.spacy", output, "--samples", 2)
    assert code in (1, 2)
    assert output.split("/")[0] in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("missing", [["altair"], ["vl_convert"], ["altair", "vl_convert"]])
def test_without_its_libraries_it_says_what_to_install(run, monkeypatch, tmp_path, missing):
    found = report.find_spec
    monkeypatch.setattr(
        report, "find_spec", lambda name: None if name in missing else found(name)
    )
    code, shown = run("rules", "test.spacy", tmp_path / "out.html")
    assert code == 1
    assert shown == (
        f"✘ the report needs {', '.join(missing)}: python -m pip install "
        "'spacy-bilstm-crf[report]'"
    )
    assert not (tmp_path / "out.html").exists()


def test_other_commands_do_not_need_them():
    subprocess.run([sys.executable, "-c", LIGHT], check=True, env={**os.environ})


@pytest.mark.skipif(has_cupy_gpu, reason="it has one")
def test_a_gpu_that_is_not_there_is_one_clear_error(run, tmp_path):
    code, shown = run("rules", "test.spacy", tmp_path / "out.html", "--gpu-id", "0")
    assert code == 1
    assert shown.startswith("✘ Cannot use GPU")


def test_help_explains_every_option(run):
    code, shown = run("--help")
    assert code == 0
    for option in (
        *("--train", "--log", "--sentences", "--scheme", "--samples", "--seed", "--code"),
        *("--gpu-id", "--gold-preproc"),
    ):
        assert option in shown
