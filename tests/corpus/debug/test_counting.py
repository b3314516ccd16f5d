import re
from collections import Counter

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_bilstm_crf.corpus.debug.counting import SplitCounter, first_difference, quote
from spacy_bilstm_crf.corpus.debug.figures import Lengths

ZH = spacy.blank("zh")
# A Chinese pipeline whose tokens are longer than a character.
CLAUSES = spacy.blank("zh")
CLAUSES.tokenizer = Tokenizer(CLAUSES.vocab, infix_finditer=re.compile("，").finditer)


def make(text, *ents, nlp=ZH):
    doc = nlp.make_doc(text)
    doc.set_ents([doc.char_span(*ent) for ent in ents], default="outside")
    return doc


def add(docs, nlp=ZH, earlier=None, max_tokens=500):
    counter = SplitCounter(nlp, max_tokens, earlier or {})
    for doc in docs:
        counter.add(Example(nlp.make_doc(doc.text), doc))
    return counter


def count(*docs, **settings):
    return add(docs, **settings).finish()


NANHU = make("在南湖", (1, 3, "LOC"))


def test_documents_tokens_and_entities_are_counted():
    figures = count(NANHU, make("张三在沪", (0, 2, "PER"), (3, 4, "LOC")))
    assert (figures.documents, figures.tokens, figures.entities) == (2, 7, 3)
    assert figures.entities_per_document == 1.5
    assert figures.lengths == Lengths(3.5, 3, 4, 4)


def test_nothing_is_all_zero():
    figures = count()
    assert (figures.documents, figures.entities, figures.entities_per_document) == (0, 0, 0)
    assert not figures.labels
    assert not figures.problems


def test_document_without_entities_is_not_one_without_annotation():
    figures = count(NANHU, make("好"), ZH.make_doc("大家好"))
    assert figures.without_entities == 1
    assert figures.problems == {"unannotated": 1}
    assert figures.examples["unannotated"] == ["'大家好'"]
    assert figures.missing_tokens == 3


def test_missing_tokens_of_annotated_documents_are_counted():
    doc = ZH.make_doc("在南湖")
    doc.set_ents([doc.char_span(1, 3, "LOC")], default="missing")
    figures = count(doc)
    assert figures.missing_tokens == 1
    assert not figures.problems


def test_only_longer_documents_are_too_long():
    figures = count(make("一二三"), make("一二三四"), max_tokens=3)
    assert figures.problems == {"too-long": 1}
    assert figures.examples["too-long"] == ["4 tokens: '一二三四'"]


def test_document_of_whitespace_is_empty():
    figures = count(make(" \n"), make("好"))
    assert figures.problems == {"empty": 1}
    assert figures.documents == 2


def test_documents_that_the_reader_leaves_out_are_counted():
    figures = add([make("好"), make("\n")]).finish(Counter({0: 2, 1: 2, 7: 3}))
    assert figures.documents == 2
    assert figures.problems["empty"] == 3
    assert figures.unread_tokens == 21


def test_empty_document_that_a_reader_hands_over_is_counted_once():
    figures = count(make(""), make("好"))
    assert figures.documents == 2
    assert figures.problems["empty"] == 1


def test_more_tokens_than_stored_are_none_unread():
    assert add([make("大家好")]).finish(Counter({1: 1})).unread_tokens == 0


def test_labels_have_number_share_documents_lengths_and_forms():
    docs = [
        make("张三在沪", (0, 2, "PER"), (3, 4, "LOC")),
        make("沪、南湖、沪", (0, 1, "LOC"), (2, 4, "LOC"), (5, 6, "LOC")),
    ]
    figures = count(*docs)
    assert list(figures.labels) == ["LOC", "PER"]
    loc, per = figures.labels.values()
    assert (loc.count, loc.share, loc.documents, loc.forms) == (4, 0.8, 2, 2)
    assert loc.lengths == Lengths(1.25, 1, 2, 2)
    assert (per.count, per.share, per.documents, per.forms) == (1, 0.2, 1, 1)
    assert figures.forms == 3


def test_entities_are_seen_if_train_has_them_with_the_same_label():
    train = add([make("南湖和张三", (0, 2, "LOC"), (3, 5, "PER"))])
    dev = make("到南湖，张三，李四", (1, 3, "ORG"), (4, 6, "PER"), (7, 9, "PER"))
    figures = count(dev, NANHU, earlier={"train": train})
    seen = {label: n.seen for label, n in figures.labels.items()}
    assert seen == {"PER": 0.5, "ORG": 0.0, "LOC": 1.0}
    assert figures.seen == 0.5
    assert train.finish().seen is None
    assert train.finish().labels["LOC"].seen is None


def test_no_entities_are_none_seen():
    assert count(make("好"), earlier={"train": add([NANHU])}).seen == 0.0


def test_duplicates_are_counted_from_the_second_on():
    figures = count(NANHU, make("好"), NANHU, NANHU)
    assert figures.problems == {"duplicate": 2}
    assert figures.examples["duplicate"][1] == "'在南湖' is document 1 and 4"
    assert (figures.documents, figures.texts) == (4, 2)


@pytest.mark.parametrize(
    "other", [make("在南湖"), make("在南湖", (1, 3, "ORG")), make("在南湖", (0, 3, "LOC"))]
)
def test_duplicates_with_other_entities_conflict(other):
    figures = count(NANHU, other)
    assert figures.problems["conflict"] == figures.problems["duplicate"] == 1
    assert figures.examples["conflict"] == ["'在南湖' is document 1 and 2"]


def test_missing_annotation_conflicts_with_nothing():
    assert count(NANHU, ZH.make_doc("在南湖")).problems == {
        "duplicate": 1,
        "unannotated": 1,
    }


def test_overlap_counts_distinct_texts():
    train = add([make("好"), NANHU, make("大家好")])
    docs = [NANHU, NANHU, make("好", (0, 1, "X")), make("一"), make("二")]
    [(name, overlap)] = count(*docs, earlier={"train": train}).overlaps.items()
    assert name == "train"
    assert (overlap.texts, overlap.share, overlap.conflicts) == (2, 0.5, 1)
    assert overlap.examples[0] == "'在南湖' is document 2 there, 1 here"
    assert overlap.conflict_examples == ["'好' is document 1 there, 3 here"]


def test_every_earlier_split_is_compared():
    train, dev = add([NANHU]), add([make("好")])
    figures = count(make("好"), earlier={"train": train, "dev": dev})
    shared = {name: overlap.texts for name, overlap in figures.overlaps.items()}
    assert shared == {"train": 0, "dev": 1}


def test_entity_that_does_not_fit_the_tokens_of_the_pipeline_is_misaligned():
    doc = make("在南湖，沪", (1, 3, "LOC"), (4, 5, "LOC"))
    figures = count(doc, nlp=CLAUSES)
    assert figures.problems == {"misaligned": 1, "tokenization": 1}
    assert figures.examples["misaligned"] == ["'南湖' LOC in '在南湖，沪'"]


def test_other_tokens_that_keep_the_entity_lose_nothing():
    figures = count(make("南湖，沪", (0, 2, "LOC")), nlp=CLAUSES)
    assert figures.problems == {"tokenization": 1}
    assert figures.examples["tokenization"] == [
        "['南', '湖', '，', '沪'] -> ['南湖', '，', '沪']"
    ]


def test_tokens_are_compared_though_the_reader_hands_over_those_of_the_corpus():
    words = ["在", "南湖"]
    doc = Doc(ZH.vocab, words=words, spaces=[False, False], ents=["O", "B-LOC"])
    counter = SplitCounter(ZH, 500, {})
    counter.add(Example(Doc(ZH.vocab, words=words, spaces=[False, False]), doc))
    assert counter.finish().problems == {"tokenization": 1}


def test_first_difference_shows_the_tokens_from_there_on():
    doc = make("在南湖，沪")
    other = Doc(ZH.vocab, words=["在", "南湖", "，", "沪"], spaces=[False] * 4)
    assert (
        first_difference(doc, other) == "['南', '湖', '，', '沪'] -> ['南湖', '，', '沪']"
    )


def test_edges_of_whitespace_and_of_punctuation_are_counted():
    doc = make("在\n沪，南\n湖。", (1, 3, "A"), (4, 7, "B"), (7, 8, "C"))
    assert [token.text for token in doc] == ["在", "\n", "沪", "，", "南", "\n", "湖", "。"]
    figures = count(doc)
    assert figures.problems == {"whitespace-edge": 1, "punctuation-edge": 1}
    assert figures.examples["whitespace-edge"] == [r"'\n沪' A"]
    assert figures.examples["punctuation-edge"] == ["'。' C"]
    both = count(make("在\n沪。", (1, 4, "A")))
    assert both.problems == {"whitespace-edge": 1, "punctuation-edge": 1}


def test_forms_with_several_labels_are_ambiguous_most_frequent_first():
    docs = [
        make("沪", (0, 1, "LOC")),
        make("沪!", (0, 1, "ORG")),
        *(make(f"南湖{i}", (0, 2, "LOC")) for i in range(2)),
        make("南湖!", (0, 2, "ORG")),
        make("好", (0, 1, "ORG")),
    ]
    figures = count(*docs)
    assert figures.problems == {"ambiguous": 2}
    assert figures.examples["ambiguous"] == ["'南湖' LOC 2, ORG 1", "'沪' LOC 1, ORG 1"]


def test_only_the_first_ten_examples_are_kept():
    figures = count(*(ZH.make_doc(f"第{i}") for i in range(12)))
    assert figures.problems["unannotated"] == 12
    assert figures.examples["unannotated"] == [f"'第{i}'" for i in range(10)]


def test_long_texts_are_quoted_in_part_and_on_one_line():
    assert quote("一\n二") == r"'一\n二'"
    assert quote("一" * 40) == repr("一" * 40)
    assert quote("一" * 41) == repr("一" * 39 + "…")


@st.composite
def documents(draw):
    text = draw(st.text("南湖，\n ", min_size=1, max_size=6))
    doc = ZH.make_doc(text)
    starts = draw(st.lists(st.integers(0, len(doc) - 1), unique=True, max_size=3))
    ents = [Span(doc, i, i + 1, draw(st.sampled_from("AB"))) for i in starts]
    doc.set_ents(ents, default=draw(st.sampled_from(["outside", "missing"])))
    return doc


@given(st.lists(documents(), max_size=6))
def test_figures_agree_with_each_other_and_with_the_documents(docs):
    figures = count(*docs)
    ents = [ent for doc in docs for ent in doc.ents]
    assert figures.entities == len(ents) == sum(n.count for n in figures.labels.values())
    assert figures.tokens == sum(map(len, docs))
    assert figures.texts == len({doc.text for doc in docs})
    assert figures.problems.get("duplicate", 0) == len(docs) - figures.texts
    assert figures.forms == len({ent.text for ent in ents})
    labels = Counter(text for text, _ in {(ent.text, ent.label_) for ent in ents})
    assert figures.problems.get("ambiguous", 0) == sum(n > 1 for n in labels.values())
