"""Commands on pipelines with a transformer: train, save, package, resume, doctor."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import spacy
from click import unstyle
from safetensors.numpy import load_file
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import group
from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.doctor.pipeline import check_pipeline
from spacy_bilstm_crf.training import folders

CONFIGS = Path(__file__).parents[1] / "configs"
NAMES = ("bert_bilstm_crf", "bert_crf")
SENTENCES = [
    ("张伟在北京", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("北京好。", [(0, 2, "LOC")]),
    ("我们2017年在北京", [(8, 10, "LOC")]),
    ("好", []),
]
TEXTS = ["张伟2017年在北京\n", "", "好"]
SETTINGS = {
    "components.ner.model.hidden_width": 8,
    "training.max_steps": 8,
    "training.eval_frequency": 4,
    "training.logger.progress_bar": "false",
    "training.optimizer.learn_rate.warmup_steps": 1,
    "training.optimizer.learn_rate.total_steps": 12,
    "training.optimizer.learn_rate.initial_rate": 0.0005,
}

PACKAGE = """
import sys, numpy, spacy
from pathlib import Path
from spacy.cli.package import package

def ents_of(docs):
    return [[[e.start, e.end, e.label_] for e in doc.ents] for doc in docs]

def main(pipeline, folder, texts):
    package(pipeline, folder, name="ner", create_wheel=False, create_sdist=False)
    folder = folder / "zh_ner-0.0.0" / "zh_ner" / "zh_ner-0.0.0"
    nlp = spacy.load(folder, exclude=["doc_cleaner"])
    docs = list(nlp.pipe(texts))
    vectors = [doc._.trf_data.model_output.last_hidden_state for doc in docs if len(doc)]
    numpy.savez("vectors.npz", *vectors)
    found = ents_of(nlp.pipe(texts * 3, n_process=2, batch_size=3))
    assert found == ents_of(docs) * 3
    print(ents_of(docs))

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
"""

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    nlp = spacy.blank("zh")
    docs = DocBin()
    for text, ents in SENTENCES * 4:
        doc = nlp.make_doc(text)
        doc.set_ents([doc.char_span(*ent) for ent in ents], default="outside")
        docs.add(doc)
    path = tmp_path_factory.mktemp("corpus") / "docs.spacy"
    docs.to_disk(path)
    return path


@pytest.fixture
def run(bert, corpus, monkeypatch):
    """Run a command that trains. RETURNS (str): What it shows."""
    # Most of the time would go there.
    monkeypatch.setattr(folders, "_sync", lambda path: None)

    def invoke(commands, config, settings, *more, code=0):
        paths = {"transformer": bert, "train": corpus, "dev": corpus}
        paths = {f"paths.{name}": path for name, path in paths.items()}
        # Of a setting that is there twice, the last one counts.
        pairs = [*paths.items(), *SETTINGS.items(), *settings.items()]
        overrides = [str(part) for name, value in pairs for part in (f"--{name}", value)]
        args = ["train", CONFIGS / f"{config}.cfg", *overrides, *more]
        args = [str(arg) for arg in args]
        result = CliRunner().invoke(commands, args, env={"COLUMNS": "500"})
        assert result.exit_code == code, result.output
        return unstyle(result.output)

    return invoke


@pytest.fixture
def trained(run, bert, tmp_path, request):
    """The folder of a trained pipeline, and its losses. The transformer that it began with
    is gone."""
    copy = shutil.copytree(bert, tmp_path / "bert")
    log = tmp_path / "log.jsonl"
    settings = {"paths.transformer": copy, "training.logger.output_file": log}
    run(app, request.param, settings, "--output", tmp_path)
    shutil.rmtree(copy)
    rows = map(json.loads, log.read_text("utf8").splitlines())
    return tmp_path / "model-last", [row["losses"] for row in rows if row["type"] == "step"]


def ents_of(doc):
    return [[ent.start, ent.end, ent.label_] for ent in doc.ents]


@pytest.mark.parametrize("trained", NAMES, indirect=True)
def test_a_config_trains(trained):
    folder, losses = trained
    assert losses[-1]["ner"] < losses[0]["ner"] / 2
    assert losses[-1].keys() == {"transformer", "ner"}
    nlp = spacy.load(folder)
    doc = nlp("张伟在北京")
    assert ents_of(doc) == [[0, 2, "PER"], [3, 5, "LOC"]]
    # It would make files of Docs a hundred times as large.
    assert doc._.trf_data is None
    assert not [f for f in check_pipeline(str(folder)) if f.level in ("warn", "fail")]


@pytest.mark.parametrize("trained", NAMES[:1], indirect=True)
def test_a_package_finds_the_same_in_other_processes(trained, tmp_path):
    pipeline, _ = trained
    script = tmp_path / "script.py"
    script.write_text(PACKAGE, "utf8")
    command = [sys.executable, script, pipeline, tmp_path, *TEXTS]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    docs = list(spacy.load(pipeline, exclude=["doc_cleaner"]).pipe(TEXTS))
    assert done.stdout.splitlines()[-1] == str([ents_of(doc) for doc in docs])
    found = numpy.load(tmp_path / "vectors.npz").values()
    for vectors, doc in zip(found, (docs[0], docs[2]), strict=True):
        expected = doc._.trf_data.model_output.last_hidden_state
        numpy.testing.assert_allclose(vectors, expected, atol=1e-6)
    meta = json.loads((tmp_path / "zh_ner-0.0.0" / "meta.json").read_text("utf8"))
    for name in ("spacy-bilstm-crf", "spacy-transformers"):
        assert any(required.startswith(name) for required in meta["requirements"])


@pytest.mark.parametrize("config", NAMES)
def test_a_config_trains_on_a_real_corpus(config, run, corpora, tmp_path):
    docs = tmp_path / "docs.spacy"
    source = corpora / "chinese_ner" / "example.dev"
    convert([source], docs, spacy.blank("zh"))
    log = tmp_path / "log.jsonl"
    settings = {
        "paths.train": docs,
        "paths.dev": docs,
        "corpora.train.limit": 80,
        "corpora.dev.limit": 80,
        "training.logger.output_file": log,
        "training.max_steps": 20,
        "training.eval_frequency": 20,
    }
    run(app, config, settings, "--output", tmp_path)
    rows = [json.loads(line) for line in log.read_text("utf8").splitlines()]
    losses = [row["losses"]["ner"] for row in rows if row["type"] == "step"]
    assert losses[-1] < losses[0] / 2


def test_resuming_gives_what_an_uninterrupted_training_does(run, tmp_path):
    for name, steps in (("whole", [8]), ("parts", [4, 8])):
        for number in steps:
            settings = {"training.max_steps": number}
            run(group, NAMES[0], settings, "--output", tmp_path / name, "--resume")
    for file in ("weights", "mom1", "mom2"):
        path = Path("checkpoint") / f"{file}.safetensors"
        whole, parts = (load_file(tmp_path / name / path) for name in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        assert any(name.startswith("transformer/") for name in whole)
        for name, array in whole.items():
            numpy.testing.assert_array_equal(array, parts[name], err_msg=name)


def test_a_transformer_that_is_not_there(run, tmp_path):
    nowhere = tmp_path / "nowhere"
    shown = run(group, NAMES[1], {"paths.transformer": nowhere}, code=1)
    expected = f"the transformer '{nowhere}' cannot be loaded: give the folder of one"
    assert expected in " ".join(shown.split())


def test_a_frozen_transformer_needs_a_source(run):
    names = '["transformer"]'
    settings = [f"training.{kind}_components" for kind in ("frozen", "annotating")]
    shown = run(group, NAMES[1], dict.fromkeys(settings, names), code=1)
    expected = "no weights yet: initialize the pipeline or load one (spaCy initializes no"
    assert expected in " ".join(shown.split())
