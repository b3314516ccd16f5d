import os

import pytest
import spacy
from thinc.api import Adam

from spacy_bilstm_crf.training.saver import Saver


@pytest.fixture
def saver(tmp_path):
    return Saver(spacy.blank("zh"), Adam(), lambda nlp: nlp, [], tmp_path, {})


@pytest.mark.parametrize("name", ["model-last", "model-best"])
@pytest.mark.parametrize("anew", [True, False])
def test_a_pipeline_that_was_being_replaced_is_put_right_at_the_start(
    saver, tmp_path, name, anew
):
    # Killed between the two renames of a system that cannot exchange folders.
    for aside in ("new", "old"):
        folder = tmp_path / f".{name}.{aside}"
        folder.mkdir()
        (folder / "meta.json").write_text(aside, "utf8")
    saver.start(anew)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name / "meta.json").read_text("utf8") == "new"
