"""The Python examples of the docs run, one page after the other, in an empty folder that
has a small pipeline where the project would have trained one. The configs of some pages can
be put into the default config."""

import re
from configparser import RawConfigParser
from io import StringIO
from pathlib import Path

import pytest
import spacy
from spacy.schemas import ConfigSchemaInit
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import (
    load_config,
    load_config_from_str,
    load_model_from_config,
    registry,
)
from thinc.api import fix_random_seed

from spacy_bilstm_crf.corpus.convert import convert

ROOT = Path(__file__).parents[1]
PAGES = [
    page
    for page in sorted((ROOT / "docs").glob("*.md"))
    if "```python" in page.read_text(encoding="utf8")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    model = {"hidden_width": 16, "tok2vec": {"width": 8}}
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": model})
    for split in ("train", "dev", "test"):
        source = ROOT / "assets" / "demo" / f"{split}.bmes"
        convert([source], folder / "corpus" / "demo" / f"{split}.spacy", nlp)
    data = DocBin().from_disk(folder / "corpus" / "demo" / "train.spacy")
    docs = list(data.get_docs(nlp.vocab))[:200]
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(4):
        for start in range(0, len(examples), 20):
            nlp.update(examples[start : start + 20], sgd=optimizer)
    path = folder / "training" / "demo" / "bilstm_crf" / "model-best"
    path.mkdir(parents=True)
    nlp.to_disk(path)
    return folder


@pytest.fixture
def with_bert(folder, bert):
    """A pipeline with a transformer, as the project would train it, that knows nothing."""
    config = load_config(ROOT / "configs/bert_crf.cfg", {"paths.transformer": str(bert)})
    nlp = load_model_from_config(config, auto_fill=True)
    data = DocBin().from_disk(folder / "corpus" / "demo" / "dev.spacy")
    docs = list(data.get_docs(nlp.vocab))[:20]
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in docs])
    path = folder / "training" / "demo" / "bert_crf" / "model-best"
    path.mkdir(parents=True)
    nlp.to_disk(path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_of_the_docs_run(folder, page, monkeypatch, capsys, request):
    monkeypatch.chdir(folder)
    if page.stem == "transformers":
        request.getfixturevalue("with_bert")
    text = page.read_text(encoding="utf8")
    names = {"__name__": "example"}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.S)):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)


def read_sections(text):
    parser = RawConfigParser()
    parser.optionxform = str
    parser.read_string(text)
    return parser


def put_in(config, block):
    """Put a part of a config into another one. A section that calls a function takes the
    place of the one that was there, as do the sections below it; others are joined."""
    merged, added = read_sections(config), read_sections(block)
    for name in added.sections():
        if any(key.startswith("@") for key in added.options(name)):
            for old in merged.sections():
                if old == name or old.startswith(f"{name}."):
                    merged.remove_section(old)
    merged.read_string(block)
    out = StringIO()
    merged.write(out)
    return out.getvalue()


def list_configs():
    for page in ("features.md", "lexicon.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf8")
        blocks = re.findall(r"```ini\n(.*?)```", text, re.S)
        for number, block in enumerate(blocks):
            # The first one is what the others are added to.
            yield pytest.param([*blocks[: min(number, 1)], block], id=f"{page}-{number}")


@pytest.mark.parametrize("blocks", list(list_configs()))
def test_configs_of_the_docs_belong_in_the_default_config(blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    patterns = '[{"label": "", "pattern": "北京大学"}]'
    Path("words.json").write_text(patterns, encoding="utf8")
    config = (ROOT / "configs" / "bilstm_crf.cfg").read_text(encoding="utf8")
    for block in blocks:
        if "Jieba" in block:
            pytest.importorskip("jieba")
        config = put_in(config, block)
    nlp = load_model_from_config(load_config_from_str(config), auto_fill=True)
    registry.resolve(nlp.config.interpolate()["initialize"], schema=ConfigSchemaInit)
    tok2vec = nlp.get_pipe("ner").model.get_ref("tok2vec")
    names = re.findall(r"tok2vec\.\*\.(\w+)\]", "".join(blocks))
    assert len(tok2vec.layers) == len(set(names))
