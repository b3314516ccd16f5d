import pytest
import spacy
from click import unstyle
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import fix_random_seed
from thinc.util import has_cupy_gpu
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import group

DATA = [
    ("张伟在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("李娜住在上海", [(0, 2, "PER"), (4, 6, "LOC")]),
    ("今天天气很好", []),
    ("王", [(0, 1, "PER")]),
    ("他去了南京大学读书", [(3, 7, "ORG")]),
]
MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 16,
    "depth": 1,
    "dropout": 0.1,
    "tok2vec": {"@architectures": "spacy-bilstm-crf.NgramEmbed.v1", "width": 8},
}


def make_examples(nlp, data):
    return [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in data
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained pipeline, and development data of all kinds."""
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    examples = make_examples(nlp, DATA)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    path = tmp_path_factory.mktemp("folder")
    nlp.to_disk(path / "model")
    doubtful = [*DATA, (DATA[0][0], [])]
    write(nlp, path / "dev.spacy", 20 * doubtful)
    write(nlp, path / "few.spacy", doubtful)
    write(nlp, path / "right.spacy", 20 * DATA)
    write(nlp, path / "plain.spacy", [("今天天气很好", [])])
    write(nlp, path / "unseen.spacy", [("今天天气很好", [(0, 2, "LOC")])])
    DocBin(docs=[nlp.make_doc(DATA[0][0])]).to_disk(path / "missing.spacy")
    DocBin().to_disk(path / "empty.spacy")
    (path / "text.spacy").write_text("张伟在北京工作", "utf8")
    (path / "text.txt").write_text("张伟在北京工作", "utf8")
    (path / "nothing").mkdir()
    return path


def write(nlp, path, data):
    DocBin(docs=[eg.reference for eg in make_examples(nlp, data)]).to_disk(path)


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.chdir(folder)

    def invoke(*args):
        command = ["calibrate", *map(str, args)]
        result = CliRunner().invoke(group, command, env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, " ".join(unstyle(result.output).split())

    return invoke


def test_calibrate_shows_two_diagrams_and_saves_the_temperature(run, tmp_path):
    code, shown = run("model", "dev.spacy", "--output", tmp_path / "a" / "b")
    assert code == 0, shown
    assert shown.count("Expected calibration error") == 2
    assert "Temperature 1 =" in shown
    assert f"Saved with this temperature: {tmp_path / 'a' / 'b'}" in shown
    assert "⚠" not in shown
    temperature = spacy.load(tmp_path / "a" / "b").get_pipe("ner").cfg["temperature"]
    assert f"Temperature {temperature:.2f} =" in shown
    assert temperature > 1.2


def test_lines_fit_a_screen(run):
    result = CliRunner().invoke(group, ["calibrate", "model", "dev.spacy"])
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 200


def test_without_an_output_nothing_is_saved(run, folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, shown = run("model", "dev.spacy")
    assert code == 0, shown
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_an_older_output_is_replaced(run, tmp_path):
    nlp = spacy.load("model")
    nlp.get_pipe("ner").cfg["temperature"] = 3.0
    nlp.to_disk(tmp_path / "out")
    code, shown = run("model", "dev.spacy", "--output", tmp_path / "out")
    assert code == 0, shown
    assert 1.2 < spacy.load(tmp_path / "out").get_pipe("ner").cfg["temperature"] < 3.0


def test_few_entities_are_warned_of(run, tmp_path):
    code, shown = run("model", "few.spacy", "--output", tmp_path / "out")
    assert code == 0, shown
    assert "⚠ Only 8 entities: with fewer than 100" in shown
    assert (tmp_path / "out").exists()


def test_temperature_at_the_end_of_the_range_is_not_saved(run, tmp_path):
    code, shown = run("model", "right.spacy", "--output", tmp_path / "out")
    assert code == 1
    assert "⚠ No temperature from 0.25 to 4.00 fits, 120 of 120 entities are right" in shown
    assert f"✘ Not saved: {tmp_path / 'out'}" in shown
    assert not (tmp_path / "out").exists()


def test_temperature_at_the_end_of_the_range_may_be_looked_at(run):
    code, shown = run("model", "right.spacy")
    assert code == 0
    assert shown.count("Expected calibration error") == 2
    assert "⚠ No temperature" in shown
    assert "✘" not in shown


def test_entities_that_are_left_out_are_counted(run, folder, tmp_path):
    nlp = spacy.load("model")
    ruler = nlp.add_pipe("entity_ruler", before="ner")
    ruler.add_patterns([{"label": "LOC", "pattern": "上 海"}])
    nlp.to_disk(tmp_path / "model")
    docs = list(DocBin().from_disk("dev.spacy").get_docs(nlp.vocab))
    DocBin(docs=[*docs, nlp.make_doc(DATA[0][0])]).to_disk(tmp_path / "dev.spacy")
    code, shown = run(tmp_path / "model", tmp_path / "dev.spacy")
    assert code == 0, shown
    assert "ℹ 20 more set by earlier components or hard words of the dictionary" in shown
    assert "ℹ 2 more on tokens without gold annotation: left out" in shown


def test_the_component_is_named_if_there_are_several(run, tmp_path):
    nlp = spacy.load("model")
    nlp.add_pipe("ner", source=spacy.load("model"), name="again")
    nlp.get_pipe("again").overwrite = True
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "two")
    for args in ((), ("--name", "foo"), ("--name", "sentencizer")):
        code, shown = run(tmp_path / "two", "dev.spacy", *args)
        assert code == 1
        fault = f"no component '{args[1]}'" if args else "several components"
        assert shown == (
            f"✘ {fault} of the factory bilstm_crf: take --name ner or --name again"
        )
    output = tmp_path / "out"
    args = ("--name", "ner", "--output", output)
    code, shown = run(tmp_path / "two", "dev.spacy", *args)
    assert code == 0, shown
    saved = spacy.load(output)
    assert saved.get_pipe("ner").cfg["temperature"] > 1.2
    assert saved.get_pipe("again").cfg["temperature"] == 1.0


def test_pipelines_without_such_a_component_are_one_clear_error(run, tmp_path):
    nlp = spacy.blank("zh")
    nlp.to_disk(tmp_path / "blank")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "other")
    for name, found in (("blank", "none at all"), ("other", "sentencizer")):
        code, shown = run(tmp_path / name, "dev.spacy")
        assert code == 1
        assert shown == (
            f"✘ no component of the factory bilstm_crf in the pipeline: {found}"
        )


def test_a_component_that_was_never_trained_is_one_clear_error(run, tmp_path):
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner")
    nlp.to_disk(tmp_path / "model")
    code, shown = run(tmp_path / "model", "dev.spacy")
    assert code == 1
    assert shown.startswith("✘ [E109] Component 'ner' could not be run")


def test_a_pipeline_of_an_unknown_language_is_one_clear_error(run, tmp_path):
    spacy.blank("zh").to_disk(tmp_path / "model")
    config = tmp_path / "model" / "config.cfg"
    text = config.read_text("utf8").replace('lang = "zh"', 'lang = "qq"')
    config.write_text(text, "utf8")
    code, shown = run(tmp_path / "model", "dev.spacy")
    assert code == 1
    assert shown.startswith("✘ [E048] Can't import language qq")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nowhere", "dev.spacy"), "Can't find model 'nowhere'"),
        (("nothing", "dev.spacy"), "Could not read meta.json from nothing"),
        (("dev.spacy", "dev.spacy"), "Could not read meta.json from dev.spacy"),
        (("model", "nowhere.spacy"), "No such file or directory: 'nowhere.spacy'"),
        (("model", "nowhere"), "nowhere: no .spacy file"),
        (("model", "nothing"), "nothing: no .spacy file"),
        (("model", "text.txt"), "text.txt: no .spacy file"),
        (("model", "text.spacy"), "text.spacy: not a DocBin"),
        (("model", "empty.spacy"), "nothing to calibrate on: the data have no Docs"),
        (("model", "missing.spacy"), "the data have no gold annotation"),
        (("model", "plain.spacy"), "the data have no gold entities"),
        (("model", "unseen.spacy"), "the component finds no entities"),
        (("model", "dev.spacy", "--name", "foo"), "no component 'foo' of the factory"),
        (("model", "dev.spacy", "--output", "text.txt"), "text.txt is a file"),
        (("model", "dev.spacy", "--output", "model"), "model is the pipeline itself"),
        (("model", "dev.spacy", "-o", "nothing/../model"), "is the pipeline itself"),
    ],
)
def test_wrong_input_is_one_clear_error(run, folder, args, message):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    output = () if len(args) > 2 else ("--output", folder / "out")
    code, shown = run(*args, *output)
    assert code == 1
    assert message in shown
    # Nothing else was shown, and nothing was written.
    assert shown.startswith("✘ ")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_output_that_cannot_be_written_is_a_clear_error(run):
    code, shown = run("model", "dev.spacy", "--output", "text.txt/out")
    assert code == 1
    error = shown.split("✘ ")[1]
    assert "Not a directory" in error or "exists" in error


@pytest.mark.skipif(has_cupy_gpu, reason="it has one")
def test_a_gpu_that_is_not_there_is_one_clear_error(run):
    code, shown = run("model", "dev.spacy", "--gpu-id", "0")
    assert code == 1
    assert shown.startswith("✘ Cannot use GPU")


def test_help_explains_every_option(run):
    code, shown = run("--help")
    assert code == 0
    for option in ("--output", "--name", "--gpu-id"):
        assert option in shown
