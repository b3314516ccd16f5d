import re

import pytest
import spacy
import srsly
from click import unstyle
from spacy.tokens import Doc, DocBin, Span
from thinc.util import has_cupy_gpu
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import group

TEXTS = [
    ("张伟在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("李娜住在上海", [(0, 2, "PER"), (4, 6, "LOC")]),
    ("今天天气很好", []),
    ("张伟去了南京大学读书", [(0, 2, "PER"), (4, 8, "ORG")]),
]
# As other components than this project's own set them.
GOOD = {"张 伟": "PER", "李 娜": "PER", "北 京": "LOC", "南 京 大 学": "ORG"}
POOR = {"张 伟": "PER", "北 京": "ORG", "上 海": "LOC", "南 京": "LOC", "天 气": "ORG"}


def make_pipeline(words, lang="zh"):
    nlp = spacy.blank(lang)
    patterns = [{"label": label, "pattern": word} for word, label in words.items()]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
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
    """Two pipelines, and data of all kinds."""
    path = tmp_path_factory.mktemp("folder")
    nlp = make_pipeline(GOOD)
    nlp.to_disk(path / "good")
    make_pipeline(POOR).to_disk(path / "poor")
    make_pipeline({"Anna": "PER"}, "en").to_disk(path / "english")
    spacy.blank("zh").to_disk(path / "blank")
    write(path / "test.spacy", nlp, 10 * TEXTS)
    write(path / "train.spacy", nlp, [("张伟和上海", [(0, 2, "PER"), (3, 5, "ORG")])])
    write(path / "plain.spacy", nlp, [("今天天气很好", [])])
    write(path / "missing.spacy", nlp, [(text, None) for text, _ in TEXTS])
    DocBin().to_disk(path / "empty.spacy")
    (path / "text.spacy").write_text("张伟在北京工作", "utf8")
    (path / "text.txt").write_text("张伟在北京工作", "utf8")
    (path / "nothing").mkdir()
    return path


@pytest.fixture
def invoke(folder, monkeypatch):
    monkeypatch.chdir(folder)

    def invoke(*args):
        command = ["evaluate", *map(str, args)]
        result = CliRunner().invoke(group, command, env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, unstyle(result.output)

    return invoke


@pytest.fixture
def run(invoke):
    def run(*args):
        code, shown = invoke(*args)
        return code, " ".join(shown.split())

    return run


def test_all_scores_are_shown(run):
    code, shown = run("good", "test.spacy", "--train", "train.spacy")
    assert code == 0, shown
    assert "good: 40 documents, 290 tokens, 60 entities" in shown
    assert re.search(r"micro 100.00 83.33 90.91 \([\d.]+-[\d.]+\) 50 50 60", shown)
    assert re.search(r"LOC 100.00 50.00 66.67 \([\d.]+-[\d.]+\) 10 10 20", shown)
    assert "partial 100.00 83.33 90.91 50 0 0 10 0" in shown
    assert "partial: the same boundaries; half if they overlap" in shown
    assert "2 100.00 80.00 88.89 40 40 50" in shown
    assert "seen 100.00 100.00 100.00 20 20 20" in shown
    assert "seen with another label 0.00 0.00 0.00 0 0 10" in shown
    assert "1-10 100.00 83.33 90.91 50 50 60" in shown
    assert "Tags (BMES)" in shown
    assert "B-LOC 100.00 50.00 66.67 10 10 20" in shown
    assert "all tokens: accuracy 93.10, F weighted by support" in shown
    assert "without those whose gold is O: accuracy 85.71" in shown
    assert "⚠" not in shown


def test_scores_are_those_of_spacy(run, folder, tmp_path):
    code, shown = run("poor", "test.spacy", "-o", tmp_path / "scores.json")
    assert code == 0, shown
    strict = srsly.read_json(tmp_path / "scores.json")["scores"]["strict"]
    theirs = spacy.cli.evaluate(folder / "poor", folder / "test.spacy")
    assert strict["micro"]["precision"] == pytest.approx(theirs["ents_p"])
    assert strict["micro"]["recall"] == pytest.approx(theirs["ents_r"])
    assert strict["micro"]["f1"] == pytest.approx(theirs["ents_f"])
    assert 0 < theirs["ents_f"] < 1


def test_the_file_has_everything(run, tmp_path):
    output = tmp_path / "a" / "scores.json"
    args = ("--train", "train.spacy", "--compare", "poor", "--samples", 20, "--seed", 3)
    code, shown = run("good", "test.spacy", *args, "--output", output)
    assert code == 0, shown
    assert f"All figures: {output}" in shown
    found = srsly.read_json(output)
    assert list(found) == ["model", "data", "train", "samples", "seed", "scores", "compare"]
    assert (found["model"], found["data"]) == ("good", "test.spacy")
    assert (found["train"], found["samples"], found["seed"]) == ("train.spacy", 20, 3)
    assert list(found["scores"]["strict"]["micro_intervals"]["f1"]) == ["low", "high"]
    assert found["scores"]["by_seen"]["seen"]["correct"] == 20
    assert found["compare"]["model"] == "poor"
    assert found["compare"]["scores"]["strict"]["micro"]["correct"] == 30
    comparison = found["compare"]["comparison"]
    # Of which a screen has 10.
    assert len(comparison["disagreements"]) == comparison["documents"]["only_a"] == 30
    first = comparison["disagreements"][0]
    assert (first["number"], first["right"], first["text"]) == (0, "a", TEXTS[0][0])
    assert [ent["label"] for ent in first["missed"]] == ["LOC"]


def test_two_pipelines_are_compared(run):
    code, shown = run("good", "test.spacy", "--compare", "poor")
    assert code == 0, shown
    assert "A is good" in shown
    assert "B is poor" in shown
    # Right: 20 PER and 10 LOC of 60, of 60 that are found.
    assert re.search(r"F 90.91 50.00 \+40.91 \(\+[\d.]+ to \+[\d.]+\) 0.001", shown)
    assert re.search(r"ORG 100.00 0.00 \+100.00", shown)
    assert "entities 20 30 10 0" in shown
    assert "documents 0 30 0 10" in shown
    assert "A 0 '张伟在北京工作' missed '北京' LOC spurious '北京' ORG" in shown


def test_a_few_documents_of_each_are_shown(run):
    code, shown = run("good", "test.spacy", "--compare", "poor")
    assert code == 0, shown
    assert len(re.findall(r"A \d+ '", shown)) == 10
    code, shown = run("poor", "test.spacy", "--compare", "good")
    assert len(re.findall(r"B \d+ '", shown)) == 10


def test_the_same_pipeline_twice_has_no_table_of_documents(run):
    code, shown = run("good", "test.spacy", "--compare", "good")
    assert code == 0, shown
    assert "F 90.91 90.91 +0.00 (+0.00 to +0.00) 1.000" in shown
    assert "Only one is right" not in shown


def test_columns_stand_below_each_other(invoke):
    code, shown = invoke("good", "test.spacy", "--train", "train.spacy")
    assert code == 0
    lines = shown.splitlines()
    for number, line in enumerate(lines):
        if set(line) == {"-", " "}:
            body = lines[number + 1 : lines.index("", number)]
            assert {len(row) for row in body} == {len(line)}


def test_lines_fit_a_screen(invoke):
    code, shown = invoke("good", "test.spacy", "--train", "train.spacy")
    assert code == 0
    tables = [line for line in shown.splitlines() if "=" not in line]
    assert max(map(len, tables)) <= 90


@pytest.mark.parametrize(
    ("model", "args", "tag"),
    [
        ("good", ["--scheme", "bio"], "I-PER"),
        ("good", [], "E-PER"),
        ("english", [], "B-PER"),
    ],
)
def test_the_scheme_of_the_tags(run, folder, tmp_path, model, args, tag):
    data = "test.spacy"
    if model == "english":
        data = tmp_path / "english.spacy"
        write(data, spacy.blank("en"), [("Anna Li works", [(0, 7, "PER")])])
    code, shown = run(model, data, *args)
    assert code == 0, shown
    assert f"{tag} " in shown
    assert "Tags (BMES)" in shown if tag == "E-PER" else "Tags (BIO)" in shown


def test_gold_annotation_that_is_missing_is_told(run, tmp_path):
    nlp = spacy.blank("zh")
    doc = nlp.make_doc(TEXTS[0][0])
    doc.set_ents([Span(doc, 0, 2, "PER")], missing=[doc[2:]])
    DocBin(docs=[doc, nlp.make_doc("张伟")]).to_disk(tmp_path / "part.spacy")
    code, shown = run("good", tmp_path / "part.spacy")
    assert code == 0, shown
    assert "Documents without gold annotation: 1: left out" in shown
    assert "Entities found on tokens without gold annotation: 1: left out" in shown
    assert "PER 100.00 100.00 100.00 1 1 1" in shown
    assert "⚠ Few documents (1): with fewer than 30" in shown


def test_entities_that_do_not_fit_the_tokens_are_told(run, tmp_path):
    nlp = spacy.blank("en")
    words = ["Anna", "'s"]
    doc = Doc(nlp.vocab, words=["An", "na's"], spaces=[False, False])
    doc.set_ents([Span(doc, 0, 1, "PER")], default="outside")
    assert [token.text for token in nlp("Anna's")] == words
    DocBin(docs=[doc]).to_disk(tmp_path / "cut.spacy")
    code, shown = run("english", tmp_path / "cut.spacy")
    assert code == 0, shown
    assert "⚠ 1 of 1 entities begin or end within a token of the pipeline" in shown
    code, shown = run("english", tmp_path / "cut.spacy", "--gold-preproc")
    assert code == 0, shown
    assert "within a token" not in shown


def test_data_without_entities_are_warned_of(run):
    code, shown = run("good", "plain.spacy")
    assert code == 0, shown
    assert "⚠ The data have no entities" in shown
    assert "⚠ The pipeline finds no entities" in shown
    assert "micro 0.00 0.00 0.00 0 0 0" in shown


def test_the_gold_does_not_reach_the_pipeline(run):
    code, shown = run("blank", "test.spacy")
    assert code == 0, shown
    assert "⚠ The pipeline finds no entities" in shown
    assert "micro 0.00 0.00 0.00" in shown


def test_functions_of_a_file_may_be_needed(run, make_own):
    path, code_path = make_own("PER")
    code, shown = run(path, "test.spacy", "--code", code_path)
    assert code == 0, shown
    assert re.search(r"micro 0.00 0.00 0.00 \(0.00-0.00\) 0 40 60", shown)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nowhere", "test.spacy"), "Can't find model 'nowhere'"),
        (("good", "test.spacy", "--compare", "nowhere"), "Can't find model 'nowhere'"),
        (("nothing", "test.spacy"), "Could not read meta.json from nothing"),
        (("good", "nowhere.spacy"), "No such file or directory: 'nowhere.spacy'"),
        (("good", "nothing"), "nothing: no .spacy file"),
        (("good", "text.txt"), "text.txt: no .spacy file"),
        (("good", "text.spacy"), "text.spacy: not a DocBin"),
        (("good", "empty.spacy"), "nothing to evaluate: the data have no Docs"),
        (("good", "missing.spacy"), "nothing to evaluate: the data have no gold"),
        (("good", "test.spacy", "--train", "plain.spacy"), "plain.spacy: no entities"),
        (("good", "test.spacy", "--train", "nothing"), "nothing: no .spacy file"),
        (("good", "test.spacy", "--scheme", "foo"), "Unknown scheme 'foo'"),
        (("good", "test.spacy", "--output", "text.txt/a"), "text.txt"),
    ],
)
def test_wrong_input_is_one_clear_error(run, args, message):
    code, shown = run(*args)
    assert code == 1
    assert message in shown
    # Nothing else was shown.
    assert shown.startswith("✘ ")


@pytest.mark.skipif(has_cupy_gpu, reason="it has one")
def test_a_gpu_that_is_not_there_is_one_clear_error(run):
    code, shown = run("good", "test.spacy", "--gpu-id", "0")
    assert code == 1
    assert shown.startswith("✘ Cannot use GPU")


def test_help_explains_every_option(run):
    code, shown = run("--help")
    assert code == 0
    for option in (
        *("--compare", "--train", "--scheme", "--samples", "--seed", "--output", "--code"),
        *("--gpu-id", "--gold-preproc"),
    ):
        assert option in shown
