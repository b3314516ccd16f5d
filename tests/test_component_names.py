import pytest
import spacy

from spacy_bilstm_crf.component_names import require_plain_names


def add(name):
    nlp = spacy.blank("zh")
    # Those that are switched off are saved too.
    nlp.add_pipe("sentencizer", name=name)
    nlp.disable_pipe(name)
    return nlp


@pytest.mark.parametrize("name", ["ner", "ner.2", "人名", ".hidden", "a b"])
def test_plain_names(name):
    require_plain_names(add(name))


@pytest.mark.parametrize("name", ["/tmp/up", "../up", "..", ".", "a/b", "a/"])
def test_names_that_lead_elsewhere(name):
    with pytest.raises(ValueError, match=r"outside of the pipeline's folder"):
        require_plain_names(add(name))
