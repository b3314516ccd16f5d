"""The Python examples of the docs run, one page after the other, in an empty folder that
has a small pipeline where the project would have trained one."""

import re
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_of_the_docs_run(folder, page, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    text = page.read_text(encoding="utf8")
    names = {"__name__": "example"}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.S)):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)
