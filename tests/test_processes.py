"""Several processes find what one finds, and one that dies is an error. In interpreters of
their own: what hangs fails, and no thread of the tests is there to be forked."""

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

PIPELINE = Path(__file__).parent / "fixtures" / "saved_model" / "pipeline"
METHODS = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]

SEVERAL = """
import multiprocessing, sys, spacy, torch

def read(docs):
    return [[doc.text, [(e.start, e.end, e.label_) for e in doc.ents],
             [round(s, 4) for s in doc.spans["sc"].attrs["scores"].tolist()]]
            for doc in docs]

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[2])
    nlp = spacy.load(sys.argv[1])
    texts = ["安澜，男，汉族，中国国籍。", "", "王", "现任星河公司总经理。"] * 50
    # Start torch's threads in the parent.
    torch.set_num_threads(4)
    alone = read(nlp.pipe(texts))
    assert sum(len(ents) for _, ents, _ in alone) >= 100
    torch.randn(500, 500) @ torch.randn(500, 500)
    assert read(nlp.pipe(texts, n_process=2, batch_size=20)) == alone
"""

DYING = """
import multiprocessing, os, signal, sys, warnings, spacy
from spacy.language import Language
from spacy_bilstm_crf.processes import watch_workers

@Language.component("dies")
def dies(doc):
    if doc.text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if doc.text == "exit":
        os._exit(3)
    return doc

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[2])
    # spaCy warns of workers that did not end well.
    warnings.filterwarnings("ignore", message=r"\\[W127\\]")
    nlp = spacy.load(sys.argv[1])
    nlp.add_pipe("dies")
    texts = ["王"] * 50 + [sys.argv[3]] + ["王"] * 300
    with watch_workers():
        print(len(list(nlp.pipe(texts, n_process=2, batch_size=10))))
"""

AFTERWARDS = """
import multiprocessing, sys, spacy
from spacy_bilstm_crf.processes import watch_workers

if __name__ == "__main__":
    nlp = spacy.load(sys.argv[1])
    with watch_workers():
        assert len(list(nlp.pipe(["王"] * 100, n_process=2, batch_size=10))) == 100
    for kind in (EOFError, OSError):
        try:
            with watch_workers():
                raise kind("mine")
        except kind as error:
            assert str(error) == "mine"
    try:
        with watch_workers():
            worker = multiprocessing.Process(target=sys.exit, args=(3,))
            worker.start()
            worker.join()
            raise OSError("got end of file during message")
    except RuntimeError as error:
        assert "exit code 3" in str(error)
    else:
        raise AssertionError("no error")
"""


def run(folder, script, *args):
    path = folder / "script.py"
    path.write_text(script, "utf8")
    # Later Pythons warn of the very thing that is tried here.
    fork = "ignore:This process:DeprecationWarning"
    command = [sys.executable, "-W", "error", "-W", fork, path, PIPELINE, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("method", METHODS)
def test_several_processes_find_what_one_finds(tmp_path, method):
    done = run(tmp_path, SEVERAL, method)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("method", "way", "how"),
    [
        ("fork", "kill", "SIGKILL"),
        ("fork", "exit", "exit code 3"),
        ("spawn", "kill", "SIG"),
    ],
)
def test_a_worker_that_dies_is_an_error(tmp_path, method, way, how):
    if method not in METHODS:
        pytest.skip(f"no {method} on this system")
    done = run(tmp_path, DYING, method, way)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert f"RuntimeError: a worker process of nlp.pipe died ({how}" in last


def test_nothing_happens_to_workers_that_live_and_to_other_errors(tmp_path):
    done = run(tmp_path, AFTERWARDS)
    assert done.returncode == 0, done.stderr
