"""A pipeline that loads in no time, rows for it, and workers that are threads."""

import json
from concurrent.futures import Future

import pytest
import spacy

from spacy_bilstm_crf.batch import EntityBatch
from spacy_bilstm_crf.parallel import apply

# Kills its process when it sees the name of a file that is not there, and makes it.
DIES = """
import os, signal
from pathlib import Path
from spacy.language import Language

@Language.component("dies_once")
def die(doc):
    name, _, path = doc.text.partition(" ")
    if name in ("worker", "parent") and not Path(path).exists():
        Path(path).write_text(str(os.getpid()))
        os.kill(os.getpid() if name == "worker" else os.getppid(), signal.SIGKILL)
    return doc
"""


@pytest.fixture(scope="session")
def code_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("code") / "dies.py"
    path.write_text(DIES, "utf8")
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The folder of a pipeline for which numbers are entities."""
    path = tmp_path_factory.mktemp("models") / "model"
    nlp = spacy.blank("en")
    pattern = [{"IS_DIGIT": True}]
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "NUMBER", "pattern": pattern}])
    nlp.to_disk(path)
    config = spacy.util.load_config(path / "config.cfg")
    config["nlp"]["pipeline"].append("dies")
    config["components"]["dies"] = {"factory": "dies_once"}
    config.to_disk(path / "config.cfg")
    (path / "dies").mkdir()
    return path


@pytest.fixture
def find(model, code_path):
    return EntityBatch(model, batch_size=7, code_path=code_path)


@pytest.fixture
def write_rows(tmp_path):
    """Write a file of rows. RETURNS (Path): The file."""

    def write(texts, name="in.jsonl"):
        path = tmp_path / name
        rows = [json.dumps({"id": i, "text": text}) for i, text in enumerate(texts)]
        path.write_text("".join(f"{row}\n" for row in rows), "utf8")
        return path

    return write


@pytest.fixture
def read_rows(tmp_path):
    """Read all rows of an output folder, in the order of its files."""

    def read(output="out"):
        paths = sorted((tmp_path / output / "rows").iterdir())
        lines = b"".join(path.read_bytes() for path in paths).split(b"\n")
        return [json.loads(line) for line in lines[:-1]]

    return read


class Here:
    """An engine that does all of it at once in this process."""

    died = (BrokenPipeError,)

    def __init__(self, job):
        self.job = job
        self.done = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def start(self):
        return None

    def submit(self, worker, shard):
        future = Future()
        try:
            future.set_result(self.job.predict(shard))
            self.done.append(shard.name)
        except Exception as error:
            future.set_exception(error)
        return future

    def result(self, future):
        return future.result()

    def stop(self, worker):
        pass


@pytest.fixture
def here(monkeypatch):
    """Start no processes. RETURNS (List[Here]): The engines that were used instead."""
    engines = []

    def make(name, job, workers):
        engines.append(Here(job))
        return engines[-1]

    monkeypatch.setattr(apply, "make_engine", make)
    return engines
