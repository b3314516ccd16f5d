"""A corpus that is learned in no time, and pipelines of several kinds that learn it."""

import io
from pathlib import Path

import pytest
import spacy
from spacy.training.initialize import init_nlp
from spacy.util import load_config

from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.training import folders
from spacy_bilstm_crf.training.loop import train

ROOT = Path(__file__).parents[2]
SMALL = {
    "components.ner.model.hidden_width": 8,
    "components.ner.model.tok2vec.width": 4,
    "training.max_steps": 14,
    "training.optimizer.learn_rate.total_steps": 14,
    "training.optimizer.learn_rate.warmup_steps": 2,
    "training.optimizer.learn_rate.initial_rate": 0.01,
    "training.eval_frequency": 4,
    "training.batcher.size": 300,
    "corpora.train.limit": 60,
    "corpora.dev.limit": 10,
    "training.logger.progress_bar": False,
}


@pytest.fixture(autouse=True)
def same_sums(one_thread):
    """All of these compare weights to the last bit."""


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Sentences of the demo corpus. So few are read that 14 steps see a second epoch."""
    path = tmp_path_factory.mktemp("corpus") / "dev.spacy"
    convert([ROOT / "assets" / "demo" / "dev.bmes"], path, spacy.blank("zh"))
    return path


@pytest.fixture
def make(corpus):
    """Initialize a pipeline of the shipped config, with settings of its own."""

    def make_nlp(settings=None, change=None):
        paths = {"paths.train": str(corpus), "paths.dev": str(corpus)}
        settings = {**SMALL, **paths, **(settings or {})}
        config = load_config(ROOT / "configs" / "bilstm_crf.cfg", settings)
        if change is not None:
            change(config)
        return init_nlp(config)

    return make_nlp


@pytest.fixture
def run(make, monkeypatch):
    """Train such a pipeline. RETURNS (Tuple[Language, str]): The pipeline, and what was
    shown."""
    # Most of the time would go there.
    monkeypatch.setattr(folders, "_sync", lambda path: None)

    def run_training(output, settings=None, *, checkpoint=None, change=None):
        shown = io.StringIO()
        nlp = make(settings, change)
        train(nlp, output, checkpoint=checkpoint, stdout=shown, stderr=io.StringIO())
        return nlp, shown.getvalue()

    return run_training
