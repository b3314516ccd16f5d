import pickle
import time

import pytest
import spacy
from hypothesis import example, given
from hypothesis import strategies as st

from spacy_bilstm_crf.tokenizer import CharTokenizer

NLP = spacy.blank("zh")
TOKENIZER = CharTokenizer(NLP.vocab)
WHITESPACE = " \t\n\r\x0b\x0c\x1c\x85\xa0\u2002\u2028\u3000"


def read(doc):
    return [(token.text, token.whitespace_) for token in doc]


@given(
    st.text(st.sampled_from(WHITESPACE + "中a1。é\u0301\u200b😀"), max_size=20) | st.text()
)
@example("")
@example("中国")
@example("中 国  人 ")
@example("\n中")
@example(" ")
def test_tokens_equal_spacys(text):
    doc = TOKENIZER(text)
    assert read(doc) == read(NLP.make_doc(text))
    assert doc.text == text


def test_the_registered_tokenizer_can_be_saved_and_loaded(tmp_path):
    config = {"nlp": {"tokenizer": {"@tokenizers": "spacy-bilstm-crf.CharTokenizer.v1"}}}
    nlp = spacy.blank("zh", config=config)
    assert isinstance(nlp.tokenizer, CharTokenizer)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert isinstance(loaded.tokenizer, CharTokenizer)
    assert read(loaded("中国 人")) == [("中", ""), ("国", " "), ("人", "")]
    assert read(pickle.loads(pickle.dumps(loaded.tokenizer))("中")) == [("中", "")]
    assert [doc.text for doc in nlp.pipe(["中", "国"])] == ["中", "国"]


@pytest.mark.parametrize("text", ["中" * 400_000, "中 " * 200_000])
def test_long_texts_take_linear_time(text):
    begin = time.perf_counter()
    assert len(TOKENIZER(text)) >= 200_000
    # spaCy's own takes ten times as long.
    assert time.perf_counter() - begin < 3
