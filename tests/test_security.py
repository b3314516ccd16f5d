"""What SECURITY.md promises: nothing that is read is run, sent, or written elsewhere."""

import ast
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import spacy
import srsly
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin, Span
from spacy.training import Example
from typer.testing import CliRunner

import spacy_bilstm_crf
from spacy_bilstm_crf.cli import group
from spacy_bilstm_crf.corpus import outputs, report
from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.corpus.export import FORMATS, export
from spacy_bilstm_crf.corpus.outputs import plan_outputs
from spacy_bilstm_crf.corpus.sentence import CorpusError
from spacy_bilstm_crf.corpus.writers import sinks

ROOT = Path(__file__).parents[1]
PACKAGE = Path(spacy_bilstm_crf.__file__).parent
ZH = spacy.blank("zh")

# Modules that run what they read, reach the network, or start programs.
MODULES = {
    *("pickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"),
    *("socket", "ssl", "urllib", "http", "ftplib", "smtplib", "requests", "httpx"),
    *("urllib3", "aiohttp", "huggingface_hub", "subprocess", "pty", "code", "runpy"),
    *("zipfile", "tarfile"),
}
BUILTINS = {"eval", "exec", "compile", "__import__"}
# Of torch, numpy, srsly and os.
METHODS = {"load_module", "pickle_loads", "pickle_dumps", "system", "popen", "mktemp"}
UNPICKLERS = {("torch", "load"), ("torch", "save"), ("numpy", "load"), ("torch", "hub")}


def list_dangers(source):
    """List what a module could run, send or unpickle with."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
            yield from names & MODULES
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from {str(node.module).split(".")[0]} & MODULES
            yield from {alias.name for alias in node.names} & METHODS
            yield from (
                alias.name
                for alias in node.names
                if (node.module, alias.name) in UNPICKLERS
            )
        elif isinstance(node, ast.Name):
            yield from {node.id} & BUILTINS
        elif isinstance(node, ast.Attribute):
            yield from {node.attr} & METHODS
            if isinstance(node.value, ast.Name):
                yield from [node.attr] * ((node.value.id, node.attr) in UNPICKLERS)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_can_run_or_send_what_it_reads(path):
    assert not list(list_dangers(path.read_text("utf8")))


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "import urllib.request", "from pickle import loads as f"),
        *("eval('1')", "exec(text)", "f = eval", "torch.load(path)", "os.system('ls')"),
        *("from torch import load", "numpy.load(path)", "srsly.pickle_loads(data)"),
        "def f():\n    from socket import create_connection",
    ],
)
def test_modules_that_could_are_found(source):
    assert list(list_dangers(source))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved pipeline with all that a component may keep."""
    tokenizer = {"@tokenizers": "spacy-bilstm-crf.CharTokenizer.v1"}
    nlp = spacy.blank("zh", config={"nlp": {"tokenizer": tokenizer}})
    layers = {
        name: {"@architectures": f"spacy-bilstm-crf.{name}.v1"}
        for name in ("NgramEmbed", "LexiconEmbed")
    }
    tok2vec = {"@layers": "concatenate.v1", "*": layers}
    config = {"spans_key": "sc", "model": {"hidden_width": 8, "tok2vec": tok2vec}}
    ner = nlp.add_pipe("bilstm_crf", name="ner", config=config)
    doc = nlp.make_doc("张伟在北京")
    entities = {"entities": [(0, 2, "PER"), (3, 5, "LOC")]}
    nlp.initialize(lambda: [Example.from_dict(doc, entities)])
    ner.add_dictionary([{"label": "LOC", "pattern": "上海"}], mode="hard")
    path = tmp_path_factory.mktemp("saved") / "model"
    nlp.to_disk(path)
    return path


# Runs in a fresh interpreter, whose modules have looked at nothing yet.
LOAD_AND_PREDICT = """
import json, os, pickle, sys

seen = []
# urllib3 looks whether there is IPv6, by a socket that it binds and closes.
HARMLESS = ("socket.__new__", "socket.bind")

def hook(event, args):
    if event.startswith(("socket.", "urllib.", "http.", "subprocess.", "os.system",
                         "os.exec", "os.posix_spawn", "os.fork", "pickle.")):
        if event not in HARMLESS:
            seen.append(event)
    elif event == "open" and isinstance(args[2], int):
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.append(f"write {args[0]}")

def forbid(name):
    def record(*args, **kwargs):
        seen.append(name)
        raise RuntimeError(name)
    return record

sys.addaudithook(hook)
import spacy

# Not before: jinja2 makes a pickle of the number of Python's version.
for name in ("load", "loads", "dump", "dumps"):
    setattr(pickle, name, forbid(f"pickle.{name}"))
nlp = spacy.load(sys.argv[1])
ents = [ent.text for doc in nlp.pipe(["他在上海", "", "好"]) for ent in doc.ents]
nlp.get_pipe("ner").alternatives([nlp("他在上海")])
nlp.from_bytes(nlp.to_bytes())
exec(sys.argv[2])
print(json.dumps({"ents": ents, "seen": seen}))
"""


def load_and_predict(model, code=""):
    done = subprocess.run(
        [sys.executable, "-B", "-c", LOAD_AND_PREDICT, str(model), code],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def test_loading_and_predicting_reaches_nothing_else(model):
    found = load_and_predict(model)
    assert "上海" in found["ents"]
    assert found["seen"] == []


REACH_OUT = """
import contextlib, socket, subprocess, tempfile
socket.getaddrinfo("localhost", 80)
subprocess.run(["true"])
tempfile.TemporaryFile().close()
with contextlib.suppress(RuntimeError):
    pickle.dumps(1)
"""


def test_whatever_they_reached_would_be_seen(model):
    seen = load_and_predict(model, REACH_OUT)["seen"]
    assert {"socket.getaddrinfo", "subprocess.Popen", "pickle.dumps"} < set(seen)
    assert any(event.startswith("write /") for event in seen)


def test_no_pickle_is_saved(model):
    files = [path for path in model.rglob("*") if path.is_file()]
    assert {"model", "cfg", "config.cfg", "meta.json"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        # Pickles of protocol 2 and later, and the archives that torch.save writes.
        assert not content.startswith((*(b"\x80" + bytes([n]) for n in range(2, 6)), b"PK"))
        assert b"ctorch" not in content
        assert b"data.pkl" not in content


UP = "../../up"
NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf8"), min_size=1)


@given(st.lists(NAMES.filter(lambda name: name not in (".", "..")), max_size=5))
def test_outputs_lie_in_the_output_folder_whatever_inputs_are_called(names):
    sources = [Path("corpora", name) for name in names]
    try:
        plan = plan_outputs(sources, Path("out"))
    except CorpusError:
        return
    assert all(path.parent == Path("out") and path.name != ".." for path in plan)


def list_files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_what_a_corpus_says_of_files_is_not_believed(tmp_path):
    records = [
        {"id": UP, "name": UP, "file": UP, "path": UP, "text": UP, "label": [[0, 2, UP]]},
        {"id": 2, "text": "http://localhost:1/", "label": [[0, 4, "file:///etc/passwd"]]},
    ]
    (tmp_path / "a" / "b").mkdir(parents=True)
    srsly.write_jsonl(tmp_path / "a" / "b" / "in.jsonl", records)
    output = tmp_path / "a" / "b" / "out"
    before = list_files(tmp_path)
    convert([tmp_path / "a" / "b" / "in.jsonl"], output, ZH)
    new = list_files(tmp_path) - before
    assert new == {"a/b/out", "a/b/out/in.spacy"}


@pytest.mark.parametrize("format_", FORMATS)
def test_exported_files_owe_their_names_to_nothing_in_a_doc(tmp_path, format_):
    doc = ZH(f"{UP} 张伟")
    doc.set_ents([Span(doc, 0, 3, UP)], default="outside")
    doc.user_data["id"] = doc.user_data["name"] = UP
    doc.cats[UP] = 1.0
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    DocBin(docs=[doc], store_user_data=True).to_disk(folder / "in.spacy")
    before = list_files(tmp_path)
    export([folder / "in.spacy"], folder / "out", format=format_, lang="zh")
    new = list_files(tmp_path) - before
    numbered = {f"a/b/out/000001{suffix}" for suffix in FORMATS[format_].suffixes}
    assert new == {"a/b/out", *numbered}


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "train.bio"
    path.write_text("张 B-PER\n伟 I-PER\n\n", "utf8")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    return path


def test_shards_are_not_written_through_a_link(corpus, tmp_path):
    (tmp_path / "out" / "train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorpusError, match="out/train is a link"):
        convert([corpus], tmp_path / "out", ZH, shards=1)
    assert not list_files(tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["train.spacy", "report.jsonl"])
@pytest.mark.parametrize("exists", [True, False])
def test_nothing_is_written_through_a_link_in_the_way(corpus, tmp_path, name, exists):
    victim = tmp_path / "elsewhere" / "victim"
    if exists:
        victim.write_bytes(b"precious")
    # Where the file is written before it is complete, and where it goes.
    for link in (f".{name}.{os.getpid()}.tmp", name):
        (tmp_path / "out" / link).symlink_to(victim)
    convert([corpus], tmp_path / "out", ZH, report_path=tmp_path / "out" / "report.jsonl")
    assert list_files(tmp_path / "out") == {"train.spacy", "report.jsonl"}
    assert not (tmp_path / "out" / name).is_symlink()
    assert list_files(tmp_path / "elsewhere") == ({"victim"} if exists else set())
    assert not exists or victim.read_bytes() == b"precious"


def test_nothing_is_exported_through_a_link_in_the_way(corpus, tmp_path):
    victim = tmp_path / "elsewhere" / "victim"
    convert([corpus], tmp_path / "in.spacy", ZH)
    for link in (f".out.jsonl.{os.getpid()}.tmp", "out.jsonl"):
        (tmp_path / link).symlink_to(victim)
    export([tmp_path / "in.spacy"], tmp_path / "out.jsonl", format="jsonl")
    assert not (tmp_path / "out.jsonl").is_symlink()
    assert not victim.exists()


@pytest.mark.parametrize("module", [outputs, sinks, report], ids=lambda m: m.__name__)
def test_a_link_that_comes_in_between_is_not_followed(
    corpus, tmp_path, module, monkeypatch
):
    victim, link = tmp_path / "elsewhere" / "victim", tmp_path / "link"
    convert([corpus], tmp_path / "in.spacy", ZH)
    link.symlink_to(victim)
    monkeypatch.setattr(module, "aside", lambda path: link)
    write = partial(convert, [corpus], tmp_path / "a.spacy", ZH, report_path=tmp_path / "b")
    if module is sinks:
        source, output = tmp_path / "in.spacy", tmp_path / "out.jsonl"
        write = partial(export, [source], output, format="jsonl")
    with pytest.raises(FileExistsError):
        write()
    assert not victim.exists()


def test_component_whose_name_leads_elsewhere_is_not_saved(model, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    away = str(tmp_path / "elsewhere")
    path = tmp_path / "model" / "config.cfg"
    text = path.read_text("utf8").replace("components.ner", f"components.{away}")
    path.write_text(text.replace('"ner"', f'"{away}"'), "utf8")
    shutil.move(tmp_path / "model" / "ner", away)
    DocBin(docs=[ZH("张伟")]).to_disk(tmp_path / "dev.spacy")
    (tmp_path / "a").mkdir()
    before = list_files(tmp_path)
    args = [tmp_path / "model", tmp_path / "dev.spacy", "--output", tmp_path / "a"]
    result = CliRunner().invoke(group, ["calibrate", *map(str, args)])
    assert result.exit_code == 1
    assert "would be saved outside" in " ".join(result.output.split())
    assert list_files(tmp_path) == before


def test_nothing_is_trained_under_a_name_that_leads_elsewhere(corpus, tmp_path):
    convert([corpus], tmp_path / "train.spacy", ZH)
    config = (ROOT / "configs" / "bilstm_crf.cfg").read_text("utf8")
    config = config.replace("components.ner", f"components.{tmp_path / 'elsewhere' / 'up'}")
    config = config.replace('"ner"', f'"{tmp_path / "elsewhere" / "up"}"')
    (tmp_path / "config.cfg").write_text(config, "utf8")
    data = ["--paths.train", tmp_path / "train.spacy", "--paths.dev", corpus.parent]
    args = [
        tmp_path / "config.cfg",
        "--output",
        tmp_path / "out",
        "--nlp.lang",
        "zh",
        *data,
    ]
    result = CliRunner().invoke(group, ["train", *map(str, args)])
    assert result.exit_code == 1
    assert "would be saved outside" in " ".join(result.output.split())
    assert not list_files(tmp_path / "out")
    assert not list_files(tmp_path / "elsewhere")
