import os
import runpy
import string
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# No test waits for a network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Models are tiny: several threads would wait for each other longer than they work, above
# all where tests run side by side. Before torch is imported, and for other processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine must not fail a test.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora, which are not part of the project."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("SPACY_BILSTM_CRF_DATA", beside))
    if not path.is_dir():
        pytest.skip(f"no corpora in {path}: set SPACY_BILSTM_CRF_DATA to their folder")
    return path


@pytest.fixture(scope="session")
def samples() -> Path:
    """The samples that the project ships, one per format."""
    return ROOT / "assets" / "samples"


@pytest.fixture(scope="session")
def bert(tmp_path_factory) -> Path:
    """The folder of a BERT with random weights that knows Latin letters, digits and some
    Chinese characters."""
    pytest.importorskip("spacy_transformers", reason="needs the extra `transformers`")
    make_bert = runpy.run_path(str(ROOT / "scripts" / "make_bert.py"))["make_bert"]
    folder = tmp_path_factory.mktemp("bert")
    make_bert(folder, string.printable + "张伟在北京好我们公司年月日，。", width=32)
    return folder


@pytest.fixture
def one_thread(monkeypatch):
    """With several, sums come in another order each time, and the last digits differ."""
    # Some sessions of nox have no torch.
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    # For other processes.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    torch.set_num_threads(before)
