import shutil
import sys

import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.training import Example

from spacy_bilstm_crf.doctor.pipeline import TEXT, check_pipeline, find_text

DATA = [("张伟在北京", [(0, 2, "PER"), (3, 5, "LOC")]), ("今天好", [])]
MODEL = {"hidden_width": 16, "tok2vec": {"width": 8}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in DATA
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    path = tmp_path_factory.mktemp("trained") / "model"
    nlp.to_disk(path)
    return path


@pytest.fixture
def folder(trained, tmp_path):
    """A copy that may be spoiled."""
    return shutil.copytree(trained, tmp_path / "model")


def change(path, old, new):
    text = path.read_text("utf8")
    assert old in text
    path.write_text(text.replace(old, new), "utf8")


def look_at(pipeline, *args):
    findings = list(check_pipeline(str(pipeline), *args))
    return [finding.level for finding in findings], findings


def test_pipeline_that_works(trained):
    levels, findings = look_at(trained)
    assert levels == ["good", "info", "good"]
    texts = [finding.text for finding in findings]
    assert texts[:2] == ["can be loaded, language zh", "ner (bilstm_crf), labels: LOC, PER"]
    assert texts[2].startswith("predicts: tokens 3")


def test_entities_of_a_text(trained):
    _, findings = look_at(trained, "张伟在北京")
    expected = "predicts: tokens 5, entities 2 (PER '张伟', LOC '北京')"
    assert findings[-1].text == expected


def test_text_without_tokens(trained):
    _, findings = look_at(trained, "")
    assert findings[-1].text == "predicts: tokens 0, entities 0 (none)"


def test_text_of_a_language():
    assert "，" in find_text("zh")
    assert find_text("nosuch") == TEXT


@pytest.mark.parametrize("name", ["nosuch", "torch", "", "..", "a\0b"])
def test_what_is_no_pipeline(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    levels, [finding] = look_at(name)
    assert levels == ["fail"]
    assert finding.text.startswith("is no pipeline, ")
    assert finding.advice


def test_config_that_is_broken(folder):
    (folder / "config.cfg").write_text("[nlp\nlang", "utf8")
    levels, [finding] = look_at(folder)
    assert levels == ["fail"]
    assert "is no pipeline, " in finding.text
    assert "\n" not in finding.text


def test_model_that_is_cut_off(folder):
    path = folder / "ner" / "model"
    path.write_bytes(path.read_bytes()[:-100])
    levels, findings = look_at(folder)
    assert levels[-1] == "fail"
    assert findings[-1].text.startswith("cannot be loaded, ")
    assert findings[-1].advice


def test_pipeline_without_weights(tmp_path):
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    nlp.to_disk(tmp_path)
    levels, findings = look_at(tmp_path)
    assert levels == ["good", "info", "fail"]
    assert findings[-1].text.startswith("cannot predict, ValueError: [E109]")


def test_pipeline_without_the_component(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path)
    levels, findings = look_at(tmp_path)
    assert levels == ["good", "info", "warn", "good"]
    assert findings[2].text == "has no component of the factory bilstm_crf"


def test_component_whose_package_is_missing(folder, monkeypatch):
    # As if spacy-transformers were not installed.
    known = classmethod(lambda cls, name: name != "transformer")
    monkeypatch.setattr(Language, "has_factory", known)
    change(folder / "config.cfg", 'factory = "bilstm_crf"', 'factory = "transformer"')
    levels, [finding] = look_at(folder)
    assert levels == ["fail"]
    assert finding.text == "needs transformer (factories), which is not registered"
    assert finding.advice == 'python -m pip install "spacy-bilstm-crf[transformers]"'


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("spacy-transformers.X.v9", 'python -m pip install "spacy-bilstm-crf[transform'),
        ("spacy-bilstm-crf.Embed.v9", "install the version of spacy-bilstm-crf that"),
        ("mine.Embed.v1", "install the package that has it, or name its Python file"),
        ("mine", "install the package that has it, or name its Python file"),
    ],
)
def test_architecture_that_is_missing(folder, name, advice):
    change(folder / "config.cfg", "spacy-bilstm-crf.NgramEmbed.v1", name)
    levels, [finding] = look_at(folder)
    assert levels == ["fail"]
    assert finding.text == f"needs {name} (architectures), which is not registered"
    assert finding.advice.startswith(advice)


def test_warnings_of_spacy_are_shown(folder):
    meta = srsly.read_json(folder / "meta.json")
    srsly.write_json(folder / "meta.json", {**meta, "spacy_version": ">=3.0.0,<3.1.0"})
    levels, findings = look_at(folder)
    assert levels == ["good", "info", "good", "warn"]
    assert findings[-1].text.startswith("[W095]")


@pytest.fixture
def package(trained, tmp_path, monkeypatch):
    """The pipeline as pip installs it."""
    root = tmp_path / "zh_doctored"
    root.mkdir()
    load = "from spacy.util import load_model_from_init_py\n"
    load += "def load(**settings): return load_model_from_init_py(__file__, **settings)\n"
    (root / "__init__.py").write_text(load, "utf8")
    meta = {**srsly.read_json(trained / "meta.json"), "name": "doctored"}
    srsly.write_json(root / "meta.json", meta)
    shutil.copytree(trained, root / f"zh_doctored-{meta['version']}")
    info = tmp_path / "zh_doctored-0.0.0.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", "Name: zh_doctored", "Version: 0.0.0", ""]
    (info / "METADATA").write_text("\n".join(lines), "utf8")
    monkeypatch.syspath_prepend(tmp_path)
    yield info / "METADATA"
    sys.modules.pop("zh_doctored", None)


def test_pipeline_that_is_installed(package):
    levels, _ = look_at("zh_doctored")
    assert levels == ["good", "info", "good"]


def test_installed_pipeline_that_needs_another_package(package):
    package.write_text(
        package.read_text("utf8") + "Requires-Dist: not-there<2,>=1\n"
        "Requires-Dist: spacy<3.8\n",
        "utf8",
    )
    levels, findings = look_at("zh_doctored")
    assert levels == ["fail", "fail"]
    assert findings[0][1:] == (
        "not-there is not installed",
        'python -m pip install "not-there<2,>=1"',
    )
    assert "is not in the range <3.8" in findings[1].text
