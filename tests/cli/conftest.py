import pytest
import spacy

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
