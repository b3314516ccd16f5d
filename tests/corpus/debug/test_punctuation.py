import pytest
import spacy

from spacy_bilstm_crf.corpus.debug.punctuation import has_loose_punctuation


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("南湖大学", False),
        ("南湖大学，", True),
        ("，南湖大学", True),
        ("南湖·大学", False),
        ("《南湖纪事》", False),
        ("《南湖纪事", True),
        ("南湖纪事》", True),
        ("南湖（集团）", False),
        ("南湖（集团）。", True),
        ("“南湖”大学", False),
        ("增长7.5%", False),
        ("C#", False),
        ("。", True),
    ],
)
def test_punctuation_at_the_edges(text, loose):
    doc = spacy.blank("zh").make_doc(text)
    assert has_loose_punctuation(doc[:]) is loose


def test_abbreviation_is_no_punctuation():
    doc = spacy.blank("en").make_doc("Lake Foods Inc.")
    assert [token.text for token in doc] == ["Lake", "Foods", "Inc."]
    assert not has_loose_punctuation(doc[:])
