import json
import os
import subprocess
import sys

import pytest
import spacy
from click import unstyle
from typer.testing import CliRunner

from spacy_bilstm_crf import __version__
from spacy_bilstm_crf.cli import group
from spacy_bilstm_crf.doctor import gpu, packages, processor
from spacy_bilstm_crf.doctor.gpu import Gpus
from spacy_bilstm_crf.doctor.processor import Threads

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from spacy_bilstm_crf.cli import group
group(["doctor"])
"""


@pytest.fixture
def run(monkeypatch):
    # Whatever this machine is like.
    monkeypatch.setattr(gpu, "find_gpus", Gpus)
    monkeypatch.setattr(processor, "find_threads", lambda: Threads(1, 2, 0.0))

    def invoke(*args):
        command = ["doctor", *map(str, args)]
        result = CliRunner().invoke(group, command, env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, unstyle(result.output)

    return invoke


def test_machine_on_which_all_works(run):
    code, shown = run()
    assert code == 0, shown
    assert f"✔ spacy {spacy.__version__}" in shown
    assert "✔ no GPU" in shown
    assert "✔ a tiny pipeline learns" in shown
    assert shown.rstrip().endswith("✔ Everything that is needed works")


def test_warnings_are_no_failure(run, monkeypatch):
    cuda = Gpus("12.8", torch_sees=["H100"])
    monkeypatch.setattr(gpu, "find_gpus", lambda: cuda)
    code, shown = run()
    assert code == 0
    assert "⚠ torch sees H100, but CuPy is not there" in shown
    assert '\n    python -m pip install "spacy-bilstm-crf[cuda12x]"\n' in shown
    assert "⚠ 1 warning" in shown


def test_problems_are_a_failure(run, monkeypatch):
    def import_module(name):
        raise ImportError(f"no {name}")

    monkeypatch.setattr(packages, "import_module", import_module)
    code, shown = run()
    assert code == 1
    assert "✘ torch cannot be imported, ImportError: no torch" in shown
    assert '\n    python -m pip install "torch' in shown
    assert "problems" in shown
    assert "Everything" not in shown


def test_pipeline_that_is_none_is_a_failure(run, tmp_path):
    code, shown = run(tmp_path / "nosuch")
    assert code == 1
    assert f" Pipeline {tmp_path / 'nosuch'} " in shown
    assert "✘ 1 problem\n" in shown


def test_pipeline_and_text(run, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Berlin"}])
    nlp.to_disk(tmp_path)
    code, shown = run(tmp_path, "--text", "in Berlin")
    assert code == 0, shown
    assert "✔ predicts: tokens 2, entities 1 (LOC 'Berlin')" in shown


def test_gpu_that_is_not_there_is_a_failure(run, monkeypatch):
    def require_gpu(gpu_id):
        raise ValueError("No GPU devices detected")

    monkeypatch.setattr(gpu, "require_gpu", require_gpu)
    code, shown = run("--gpu-id", 0)
    assert code == 1
    assert "✘ --gpu-id 0 cannot be used: ValueError: No GPU devices detected" in shown


def test_code_of_a_pipeline(run, tmp_path):
    code_path = tmp_path / "code.py"
    code_path.write_text(
        "from spacy.language import Language\n"
        "@Language.factory('doctored')\n"
        "def make_doctored(nlp, name, attrs, silent): return lambda doc: doc\n",
        "utf8",
    )
    nlp = spacy.blank("en")
    nlp.add_pipe("doc_cleaner", name="other")
    nlp.to_disk(tmp_path / "model")
    path = tmp_path / "model" / "config.cfg"
    path.write_text(path.read_text("utf8").replace("doc_cleaner", "doctored"), "utf8")
    code, shown = run(tmp_path / "model")
    assert code == 1
    assert "✘ needs doctored (factories), which is not registered" in shown
    code, shown = run(tmp_path / "model", "--code", code_path)
    assert code == 0, shown
    assert "other (doctored)" in shown


def test_findings_as_json(run, tmp_path):
    code, shown = run(tmp_path / "不存在", "--json")
    assert code == 1
    assert shown.isascii()
    found = json.loads(shown)
    assert found["version"] == __version__
    assert found["findings"]["GPU"] == [
        {"level": "good", "text": "no GPU, pipelines run on the CPU", "advice": ""}
    ]
    assert found["findings"][f"Pipeline {tmp_path / '不存在'}"][0]["level"] == "fail"


def test_machine_without_torch():
    # The package transformers has something to say of it as well.
    environ = {**os.environ, "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1"}
    command = [sys.executable, "-c", WITHOUT_TORCH]
    done = subprocess.run(command, capture_output=True, encoding="utf8", env=environ)
    shown = " ".join(unstyle(done.stdout).split())
    assert done.returncode == 1, done.stderr
    assert "✘ torch cannot be imported, ModuleNotFoundError" in shown
    assert "problems" in shown
    assert not done.stderr
