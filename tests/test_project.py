"""The project's workflows, in a folder that holds nothing but what is shipped."""

import json
import shutil
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.cli import project_assets, project_document, project_run
from weasel.util.config import load_project_config

ROOT = Path(__file__).parents[1]
SHIPPED = ("assets", "configs", "scripts", "project.yml")


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, tmp_path / name, ignore=shutil.ignore_patterns("resume")
            )
        else:
            shutil.copy(source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_train_workflow_needs_no_other_command(project):
    project_run(project, "train", overrides={"vars.max_steps": 2})
    assert (project / "training/demo/bilstm_crf/model-last").is_dir()


def test_outputs_are_named_by_corpus_and_config(project):
    # A corpus of the user's own, in another language.
    own = project / "assets" / "mine"
    own.mkdir()
    for split in ("train", "dev", "test"):
        shutil.copy(ROOT / "assets/samples/english.bio", own / f"{split}.bio")
    overrides = {
        "vars.corpus": "mine",
        "vars.lang": "en",
        "vars.config": "bilstm_softmax",
        "vars.max_steps": 2,
    }
    project_run(project, "train", overrides=overrides)
    project_run(project, "evaluate", overrides=overrides)
    project_run(project, "predict", overrides=overrides)
    predictions = project / "predictions/mine/bilstm_softmax.jsonl"
    assert len(list(srsly.read_jsonl(predictions))) == 3
    found = json.loads((project / "metrics/mine-bilstm_softmax.json").read_text("utf8"))
    assert found["scores"]["strict"]["micro"]["gold"] == 102
    nlp = spacy.load(project / "training/mine/bilstm_softmax/model-best")
    assert nlp.lang == "en"
    config = load_project_config(project, overrides=overrides)
    outputs = {command["name"]: command["outputs"] for command in config["commands"][3:]}
    assert outputs["report"] == ["reports/mine-bilstm_softmax.html"]
    assert outputs["package"] == ["packages/en_ner_mine_bilstm_softmax-0.1.0"]


def test_a_corpus_that_changed_is_converted_again(project):
    own = project / "assets" / "mine"
    own.mkdir()
    overrides = {"vars.corpus": "mine", "vars.lang": "en"}
    sizes = []
    for text in ("Ada B-PER\n", "Ada B-PER\n\nBob B-PER\n"):
        for split in ("train", "dev", "test"):
            (own / f"{split}.bio").write_text(text, "utf8")
        project_run(project, "corpus", overrides=overrides)
        sizes.append((project / "corpus/mine/train.spacy").stat().st_size)
    assert sizes[1] > sizes[0]


def test_shipped_assets_have_their_checksums(project, capsys):
    project_assets(project)
    output = capsys.readouterr().out
    assert output.count("matching checksum") == 3
    assert "incorrect" not in output


def test_a_missing_corpus_is_a_clear_error(project, capfd):
    with pytest.raises(SystemExit) as error:
        project_run(project, "corpus", overrides={"vars.corpus": "resume"})
    assert error.value.code == 1
    assert "--vars.resume_dir" in capfd.readouterr().out


def test_the_resume_corpus_is_read_where_it_lies(project, corpora):
    overrides = {"vars.corpus": "resume", "vars.resume_dir": str(corpora / "resume")}
    project_run(project, "corpus", overrides=overrides)
    assert not (project / "assets/resume").exists()
    folder = project / "corpus/resume"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["dev.spacy", "repairs.jsonl", "test.spacy", "train.spacy"]
    assert len((folder / "repairs.jsonl").read_text("utf8").splitlines()) == 4


def test_every_workflow_runs_to_the_end_of_its_deps():
    config = load_project_config(ROOT)
    commands = {command["name"]: command for command in config["commands"]}
    made = set()
    for step in config["workflows"]["all"]:
        for dep in commands[step].get("deps", []):
            assert dep in made or (ROOT / dep).exists(), f"{step} needs {dep}"
        made.update(commands[step].get("outputs", []))


def test_the_readme_describes_the_project_as_it_is(tmp_path):
    readme = tmp_path / "README.md"
    shutil.copy(ROOT / "README.md", readme)
    project_document(ROOT, readme, no_emoji=True)
    # Mend it with: python -m spacy project document --no-emoji --output README.md
    assert readme.read_text("utf8") == (ROOT / "README.md").read_text("utf8")
