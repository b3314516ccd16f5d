from itertools import islice
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bilstm_crf.corpus.convert import convert

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "bilstm_crf.cfg"
ZH = spacy.blank("zh")
READER = """
import spacy
from spacy.training import Corpus

@spacy.registry.readers("debug_data_test.v1")
def create_reader(path: str):
    return Corpus(path, limit=3)
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Overrides that name a slice of the demo corpus."""
    folder = tmp_path_factory.mktemp("demo")
    overrides = []
    for name, size in (("train", 120), ("dev", 30)):
        path = folder / f"{name}.spacy"
        convert([ROOT / "assets" / "demo" / f"{name}.bmes"], path, ZH)
        docs = list(islice(DocBin().from_disk(path).get_docs(ZH.vocab), size))
        DocBin(docs=docs).to_disk(path)
        overrides += [f"--paths.{name}", str(path)]
    return overrides


@pytest.fixture
def run():
    spacy.registry.cli.get_all()

    def invoke(*args):
        command = ["bilstm-crf", "debug-data", *map(str, args)]
        result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, " ".join(result.output.split())

    return invoke


def write(path, *docs):
    DocBin(docs=docs).to_disk(path)
    return path


def make(text, *ents):
    doc = ZH.make_doc(text)
    doc.set_ents([doc.char_span(*ent) for ent in ents], default="outside")
    return doc


def test_figures_of_the_demo_corpus_are_shown(run, demo):
    code, shown = run(CONFIG, *demo)
    assert code == 0, shown
    for subject in ("Documents", "Labels", "Entities", "Overlap", "Summary"):
        assert f" {subject} =" in shown
    assert "ner (bilstm_crf), labels: taken from the training data" in shown
    assert "documents 120 30" in shown
    assert "label train share dev share mean length longest distinct dev seen" in shown
    assert "✔ The pipeline's tokenizer makes the tokens of the corpus" in shown
    assert "✔ train and dev have no text in common" in shown


def test_summary_counts_the_checks(run, demo):
    _, shown = run(CONFIG, *demo)
    checks, summary = shown.split(" Summary =")
    assert f"✔ {checks.count('✔')} checks passed" in summary
    assert f"⚠ {checks.count('⚠')} warnings" in summary
    assert "error" not in summary


def test_same_text_in_train_and_dev_is_shown(run, demo):
    code, shown = run(CONFIG, *demo[:2], "--paths.dev", demo[1])
    assert code == 0, shown
    assert "⚠ dev: 120 of 120 texts (100.0%): in train too" in shown
    assert "is document 1 there, 1 here" in shown


def test_all_splits_are_in_the_tables(run, tmp_path):
    train = write(tmp_path / "a.spacy", make("在沪", (1, 2, "LOC")), make("好"))
    dev = write(tmp_path / "b.spacy", make("王先生沪", (0, 1, "PER"), (3, 4, "LOC")))
    test = write(tmp_path / "c.spacy", make("去沪", (1, 2, "LOC")))
    args = ("--paths.train", train, "--paths.dev", dev, "--test", test)
    code, shown = run(CONFIG, *args)
    assert code == 0, shown
    assert "train dev test" in shown
    assert "entities 1 2 1" in shown
    assert "entities seen in train 50.0% 100.0%" in shown
    assert "LOC 1 100.0% 1 50.0% 1 100.0% 1.0 1 1 100.0% 100.0%" in shown
    assert "PER 0 1 50.0% 0 1.0 1 1 0.0%" in shown


def test_what_cannot_be_trained_on_exits_with_1(run, demo, tmp_path):
    train = write(tmp_path / "train.spacy", make("在沪"), make("好"))
    code, shown = run(CONFIG, *demo, "--paths.train", train)
    assert code == 1
    assert "✘ train: no entities" in shown
    assert "✘ 1 error" in shown


def test_three_examples_are_shown_or_ten(run, demo, tmp_path):
    docs = [make(f"沪、{i}", (0, 2, "LOC")) for i in range(12)]
    train = write(tmp_path / "train.spacy", *docs, make("好"))
    args = (CONFIG, *demo, "--paths.train", train)
    assert run(*args)[1].count("'沪、' LOC") == 3
    assert run(*args, "--verbose")[1].count("'沪、' LOC") == 10


def test_max_tokens_is_taken_over(run, demo):
    assert "No document is longer than 500 tokens" in run(CONFIG, *demo)[1]
    code, shown = run(CONFIG, *demo, "--max-tokens", 5)
    assert code == 0
    assert "longer than 5 tokens" in shown


def test_output_holds_all_figures_and_checks(run, demo, tmp_path):
    output = tmp_path / "new" / "figures.json"
    code, shown = run(CONFIG, *demo, "--output", output)
    assert code == 0, shown
    data = srsly.read_json(output)
    train = data["splits"]["train"]
    assert train["documents"] == 120
    assert train["entities"] == sum(n["count"] for n in train["labels"].values())
    assert set(data["checks"]) == {"Documents", "Labels", "Entities", "Overlap"}
    levels = {check["level"] for found in data["checks"].values() for check in found}
    assert levels == {"good", "warn"}


def test_code_is_imported(run, demo, tmp_path):
    code_path = tmp_path / "reader.py"
    code_path.write_text(READER, "utf8")
    config = spacy.util.load_config(CONFIG)
    config["corpora"]["train"] = {
        "@readers": "debug_data_test.v1",
        "path": "${paths.train}",
    }
    config.to_disk(tmp_path / "config.cfg")
    code, shown = run(tmp_path / "config.cfg", *demo, "--code", code_path)
    assert code == 0, shown
    assert "documents 3 30" in shown
    assert "tokens are left out by the reader" in shown


def test_spacys_own_recognizer_will_do(run, demo, tmp_path):
    config = spacy.util.load_config(CONFIG)
    config["components"]["ner"] = {"factory": "ner"}
    config.to_disk(tmp_path / "config.cfg")
    code, shown = run(tmp_path / "config.cfg", *demo)
    assert code == 0, shown
    assert "ner (ner), labels: taken from the training data" in shown
    assert "documents 120 30" in shown


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--paths.train", "nowhere.spacy"), "No such file or directory"),
        (("--paths.train", "null"), "Corpus path can't be None"),
        (("--paths.dev", str(CONFIG)), "no .spacy file"),
        (("--test", "nowhere"), "nowhere: no .spacy file"),
        (("--nlp.lang", "qq"), "Can't import language qq"),
        (("--components.ner.factory", "none"), "Can't find factory for 'none'"),
        (("--nlp.batch_size", "many"), "Config validation error"),
        (("--no-such-option",), "No such option"),
        (("--code", "nowhere.py"), "not found"),
        (("--output", str(CONFIG / "x.json")), "exists"),
    ],
)
def test_wrong_input_is_one_clear_error(run, demo, args, message):
    code, shown = run(CONFIG, *demo, *args)
    assert code == 1
    assert message in shown
    assert "Summary" not in shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no [nlp] section"),
        (b"no section\n", "no section headers"),
        (b"\xff\xfe", "can't decode"),
        (b'[paths]\n\n[nlp]\nlang = "zh"\nname = ${paths.no}\n', "'paths.no' which is not"),
    ],
)
def test_broken_config_is_one_clear_error(run, tmp_path, content, message):
    path = tmp_path / "broken.cfg"
    path.write_bytes(content)
    code, shown = run(path)
    assert code == 1
    assert message in shown


def test_help_explains_every_option(run):
    code, shown = run("--help")
    assert code == 0
    for option in ("--code", "--max-tokens", "--test", "--output", "--verbose"):
        assert option in shown
