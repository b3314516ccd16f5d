from pathlib import Path

import pytest
import spacy

from spacy_bilstm_crf.corpus.convert import convert

ROOT = Path(__file__).parents[2]

FUNCTIONS = """
from spacy.language import Language

@Language.component("all_is_{label}")
def find(doc):
    doc.set_ents([doc.char_span(0, len(doc.text), "{label}")])
    return doc
"""


@pytest.fixture
def make_own(tmp_path):
    """Make a pipeline for which all of a text is an entity. RETURNS (Tuple[Path, Path]):
    Its folder, and the file of its component."""

    def make(label):
        code_path = tmp_path / "functions.py"
        code_path.write_text(FUNCTIONS.format(label=label), "utf8")
        path = tmp_path / "model"
        spacy.blank("zh").to_disk(path)
        config = spacy.util.load_config(path / "config.cfg")
        config["nlp"]["pipeline"] = ["all"]
        config["components"] = {"all": {"factory": f"all_is_{label}"}}
        config.to_disk(path / "config.cfg")
        (path / "all").mkdir()
        return path, code_path

    return make


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Sentences of the demo corpus, of which few are read."""
    path = tmp_path_factory.mktemp("data") / "dev.spacy"
    convert([ROOT / "assets" / "demo" / "dev.bmes"], path, spacy.blank("zh"))
    return path


@pytest.fixture(scope="session")
def overrides(data):
    """Options for a training that takes no time."""
    settings = {
        "paths.train": data,
        "paths.dev": data,
        "components.ner.model.hidden_width": 8,
        "components.ner.model.tok2vec.width": 4,
        "training.max_steps": 12,
        "training.optimizer.learn_rate.total_steps": 12,
        "training.eval_frequency": 3,
        "training.batcher.size": 300,
        "training.logger.progress_bar": "false",
        "corpora.train.limit": 60,
        "corpora.dev.limit": 10,
    }
    return [part for name, value in settings.items() for part in (f"--{name}", str(value))]
