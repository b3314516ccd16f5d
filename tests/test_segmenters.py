import copy
import pickle
import subprocess
import sys
import warnings

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_bilstm_crf.segmenters import (
    create_jieba_segmenter,
    create_span_segmenter,
    word_starts,
)

NLP = spacy.blank("zh")


def words_of(starts, doc):
    assert starts.shape == (len(doc),)
    words = []
    for token, starts_here in zip(doc, starts, strict=True):
        if starts_here or not words:
            words.append("")
        words[-1] += token.text
    return words


@pytest.fixture(scope="module")
def jieba():
    with warnings.catch_warnings():
        # The package is old, and its syntax and its imports are deprecated.
        warnings.simplefilter("ignore")
        jieba = pytest.importorskip("jieba")
        jieba.initialize()
    return create_jieba_segmenter()


def test_words_are_laid_over_the_tokens():
    doc = NLP.make_doc("他在北京大学 读书")
    words = ["他", "在", "北京大学", " ", "读书"]
    assert words_of(word_starts(doc, words), doc) == ["他", "在", "北京大学", "读书"]


def test_words_that_occur_again_are_found_where_they_are():
    doc = NLP.make_doc("北京在北京市")
    words = ["北京", "在", "北京市"]
    assert words_of(word_starts(doc, words), doc) == words
    doc = NLP.make_doc("北京市北京")
    words = ["北京市", "北京"]
    assert words_of(word_starts(doc, words), doc) == words


def test_a_segmenter_may_drop_whitespace():
    doc = NLP.make_doc("北京\n\n 大学")
    found = words_of(word_starts(doc, ["北京", "大学"]), doc)
    assert found == ["北京", "\n\n ", "大学"]


def test_text_that_no_word_covers_is_apart_from_the_words():
    doc = NLP.make_doc("甲乙丙丁")
    assert words_of(word_starts(doc, ["乙丙"]), doc) == ["甲", "乙丙", "丁"]


def test_a_token_of_several_words_counts_to_the_first():
    doc = Doc(NLP.vocab, words=["在北", "京大", "学"], spaces=[False] * 3)
    words = words_of(word_starts(doc, ["在", "北京", "大学"]), doc)
    assert words == ["在北", "京大", "学"]
    assert words_of(word_starts(doc, ["在北京", "大学"]), doc) == ["在北京大", "学"]


def test_a_word_that_the_text_does_not_have_is_an_error():
    with pytest.raises(ValueError, match=r"the word '大学', which .* after character 2"):
        word_starts(NLP.make_doc("北京"), ["北京", "大学"])


def test_empty_docs():
    doc = NLP.make_doc("")
    assert word_starts(doc, []).shape == (0,)
    assert create_span_segmenter()(doc).shape == (0,)


def test_words_of_spans():
    doc = NLP.make_doc("他在北京大学读书")
    # Of those that overlap the longest counts.
    doc.spans["words"] = [doc[1:3], doc[2:6], doc[6:8]]
    words = words_of(create_span_segmenter()(doc), doc)
    assert words == ["他", "在", "北京大学", "读书"]
    doc.spans["others"] = [doc[0:2]]
    words = words_of(create_span_segmenter("others")(doc), doc)
    assert words == ["他在", *"北京大学读书"]


def test_spans_that_nobody_has_set_are_warned_of():
    doc = NLP.make_doc("他在")
    with pytest.warns(UserWarning, match=r"doc.spans\['words'\].*annotating_components"):
        starts = create_span_segmenter()(doc)
    assert words_of(starts, doc) == ["他", "在"]
    doc.spans["words"] = []
    assert words_of(create_span_segmenter()(doc), doc) == ["他", "在"]


def test_words_of_jieba(jieba):
    doc = NLP.make_doc("他在北京大学 读书")
    words = ["他", "在", "北京大学", "读书"]
    assert words_of(jieba(doc), doc) == words


@given(st.text(st.sampled_from("北京大学读书aB1. \n\t\u3000。\u2028😀é"), max_size=20))
def test_any_text_can_be_cut_by_jieba(jieba, text):
    doc = NLP.make_doc(text)
    assert "".join(words_of(jieba(doc), doc)) == "".join(token.text for token in doc)


def test_a_missing_jieba_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr("spacy_bilstm_crf.segmenters.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "spacy-bilstm-crf\[jieba\]"'):
        create_jieba_segmenter()


def test_segmenters_can_be_copied_and_pickled(jieba):
    doc = NLP.make_doc("他在北京")
    doc.spans["words"] = [doc[2:4]]
    for segmenter in (jieba, create_span_segmenter()):
        for again in (copy.deepcopy(segmenter), pickle.loads(pickle.dumps(segmenter))):
            assert (again(doc) == segmenter(doc)).all()


def test_jieba_is_imported_late():
    code = "import sys, spacy_bilstm_crf.segmenters; assert 'jieba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
