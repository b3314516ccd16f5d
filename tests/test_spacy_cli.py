"""spaCy's own commands on the shipped configs, found by entry points: no --code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.cfg"))
SMALL = {
    "--components.ner.model.hidden_width": "16",
    "--training.max_steps": "6",
    "--training.optimizer.learn_rate.total_steps": "6",
    "--training.eval_frequency": "3",
    "--training.logger.progress_bar": "false",
}


def run(*args, code=0):
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, f"{args}\n{result.output}\n{result.exception!r}"
    return result.output


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A few Docs for training, and the same for development."""
    nlp = spacy.blank("zh")
    docs = DocBin()
    for _ in range(4):
        for text, ents in (("张伟在北京", [(0, 2, "PER"), (3, 5, "LOC")]), ("好", [])):
            doc = nlp.make_doc(text)
            doc.set_ents([doc.char_span(*ent) for ent in ents], default="outside")
            docs.add(doc)
    path = tmp_path_factory.mktemp("corpus") / "docs.spacy"
    docs.to_disk(path)
    return path


@pytest.fixture(scope="module", params=["bilstm_crf", "bert_bilstm_crf"])
def config(request):
    return ROOT / "configs" / f"{request.param}.cfg"


def find_transformer(config, request):
    """RETURNS (List): What a config needs besides data. Skips the test if that is not
    there."""
    if config.stem.startswith("bert_"):
        return ["--paths.transformer", request.getfixturevalue("bert")]
    return []


@pytest.fixture
def more(config, request):
    return find_transformer(config, request)


@pytest.fixture(scope="module")
def filled(config, request, tmp_path_factory):
    find_transformer(config, request)
    path = tmp_path_factory.mktemp("config") / "filled.cfg"
    run("init", "fill-config", config, path)
    return path


def overrides(corpus):
    small = [part for pair in SMALL.items() for part in pair]
    return ["--paths.train", corpus, "--paths.dev", corpus, *small]


@pytest.fixture(scope="module")
def model(corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("output")
    config = ROOT / "configs" / "bilstm_crf.cfg"
    run("train", config, "--output", output, *overrides(corpus))
    return output / "model-best"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_trains(config, more, corpus, tmp_path):
    run("train", config, "--output", tmp_path, *overrides(corpus), *more)
    assert spacy.load(tmp_path / "model-last")("张伟").has_annotation("ENT_IOB")


def test_every_config_can_be_reached_on_a_gpu():
    for path in CONFIGS:
        config = spacy.util.load_config(path, {"system.gpu_allocator": "pytorch"})
        assert config.interpolate()["training"]["gpu_allocator"] == "pytorch"


def test_the_softmax_config_differs_by_its_decoder_alone():
    crf, softmax = (
        spacy.util.load_config(ROOT / "configs" / f"bilstm_{name}.cfg")
        for name in ("crf", "softmax")
    )
    assert softmax["components"]["ner"]["model"].pop("decoder") == "softmax"
    assert crf["components"]["ner"]["model"].pop("decoder") == "crf"
    assert crf == softmax


def test_configs_say_what_the_component_defaults_to():
    shipped = spacy.util.load_config(ROOT / "configs" / "bilstm_crf.cfg")
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner")
    assert shipped["components"]["ner"]["model"] == nlp.config["components"]["ner"]["model"]


def test_bert_crf_differs_by_having_no_lstm_alone():
    with_lstm, without = (
        spacy.util.load_config(ROOT / "configs" / f"bert_{name}crf.cfg")
        for name in ("bilstm_", "")
    )
    models = [config["components"]["ner"].pop("model") for config in (with_lstm, without)]
    assert [model.pop("depth") for model in models] == [1, 0]
    for model in models:
        # Dropout stands around the LSTM.
        del model["dropout"], model["locked_dropout"]
    assert models[0] == models[1]
    del with_lstm["training"]["optimizer"]["multiples"]["lstm"]
    assert with_lstm == without


def test_a_filled_config_has_nothing_left_to_fill(filled, tmp_path):
    run("init", "fill-config", filled, tmp_path / "again.cfg")
    assert (tmp_path / "again.cfg").read_text("utf8") == filled.read_text("utf8")


def test_the_learning_rate_falls_over_all_steps():
    for path in CONFIGS:
        training = spacy.util.load_config(path)["training"]
        assert training["optimizer"]["learn_rate"]["total_steps"] == training["max_steps"]


def test_a_trained_pipeline_can_make_its_optimizer(model):
    spacy.load(model).create_optimizer()


def test_debug_config(filled, more, corpus):
    run("debug", "config", filled, "--paths.train", corpus, "--paths.dev", corpus, *more)


def test_debug_model(filled, more, corpus):
    args = ["--attributes", "--parameters", "--gradients", "--dimensions", "-P0", "-P1"]
    args += ["-P2", "-P3", *overrides(corpus), *more]
    output = run("debug", "model", filled, "ner", *args)
    assert "model looks good" in output


def test_init_labels_and_training_with_them(corpus, tmp_path):
    config = ROOT / "configs" / "bilstm_crf.cfg"
    run("init", "labels", config, tmp_path, *overrides(corpus))
    labels = tmp_path / "ner.json"
    assert json.loads(labels.read_text("utf8")) == ["LOC", "PER"]
    labels.write_text('["LOC", "ORG", "PER"]', "utf8")
    text = config.read_text("utf8") + READ_LABELS.format(labels)
    with_labels = tmp_path / "config.cfg"
    with_labels.write_text(text, "utf8")
    run("train", with_labels, "--output", tmp_path, *overrides(corpus))
    assert spacy.load(tmp_path / "model-last").get_pipe("ner").labels == (
        "LOC",
        "ORG",
        "PER",
    )


READ_LABELS = """
[initialize.components]

[initialize.components.ner]

[initialize.components.ner.labels]
@readers = "spacy.read_labels.v1"
path = "{}"
"""


def test_evaluate(model, corpus, tmp_path):
    run("evaluate", model, corpus, "--output", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text("utf8"))
    assert set(scores["ents_per_type"]) == {"LOC", "PER"}
    assert 0.0 <= scores["ents_f"] <= 1.0


def test_benchmark_speed(model, corpus):
    assert "words/s" in run("benchmark", "speed", model, corpus, "--batches", "30")


def test_apply(model, tmp_path):
    (tmp_path / "texts.txt").write_text("张伟在北京\n好\n", "utf8")
    run("apply", model, tmp_path / "texts.txt", tmp_path / "out.spacy")
    docs = DocBin().from_disk(tmp_path / "out.spacy")
    for doc in docs.get_docs(spacy.blank("zh").vocab):
        assert doc.has_annotation("ENT_IOB")


def test_assemble(model, tmp_path):
    config = spacy.util.load_config(model / "config.cfg")
    config["components"]["ner"] = {"source": str(model)}
    config.to_disk(tmp_path / "config.cfg")
    run("assemble", tmp_path / "config.cfg", tmp_path / "assembled")
    nlp = spacy.load(tmp_path / "assembled")
    text = "张伟在北京"
    assert nlp(text).to_json() == spacy.load(model)(text).to_json()


def test_a_package_requires_this_one(model, tmp_path):
    # In a process of its own: spaCy leaves files open here, and warnings are errors.
    args = ["package", model, tmp_path, "--name", "ner", "--version", "0.0.0"]
    command = [sys.executable, "-m", "spacy", *args, "--build", "none"]
    subprocess.run(command, check=True, capture_output=True)
    meta = json.loads((tmp_path / "zh_ner-0.0.0" / "meta.json").read_text("utf8"))
    assert any(name.startswith("spacy-bilstm-crf>=") for name in meta["requirements"])


def test_saved_averages_are_what_is_scored(model, corpus, tmp_path):
    # `spacy train` scores and saves under the optimizer's averages.
    run("evaluate", model, corpus, "--output", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text("utf8"))
    meta = json.loads((model / "meta.json").read_text("utf8"))
    assert meta["performance"]["ents_f"] == pytest.approx(scores["ents_f"])
