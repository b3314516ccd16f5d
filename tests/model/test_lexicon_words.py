import numpy
import pytest
import spacy
import srsly
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import deserialize_attr, serialize_attr

from spacy_bilstm_crf.model.lexicon_gather import gather_lexicon
from spacy_bilstm_crf.model.lexicon_words import LEVELS

NLP = spacy.blank("zh")


def make_doc(text, *ents):
    """Make a Doc with entities (start, end, label)."""
    doc = NLP.make_doc(text)
    doc.set_ents([doc.char_span(*ent) for ent in ents], default="outside")
    return doc


@st.composite
def make_docs(draw):
    docs = []
    for _ in range(draw(st.integers(0, 8))):
        text = draw(st.text("甲乙", min_size=1, max_size=4))
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        docs.append(make_doc(text, (start, end, draw(st.sampled_from(["A", "B"])))))
    return docs


def known(lexicon, docs, leave_out=False):
    """What a lexicon says of Docs, without the numbers that are its own business."""
    matches = lexicon.match(docs, leave_out=leave_out)
    return sorted(
        (start, end, lexicon.words[entry], float(count), type_ % LEVELS, own >= 0)
        for start, end, entry, count, type_, own in zip(
            *matches.hits, matches.frequencies, matches.types, matches.own, strict=True
        )
    )


@given(make_docs(), st.integers(1, 4))
def test_leaving_a_text_out_is_gathering_without_it(docs, min_freq):
    lexicon = gather_lexicon(docs, [("甲甲", "X", 2.0)], [], min_freq)
    expected, offset = [], 0
    for doc in docs:
        others = [other for other in docs if other.text != doc.text]
        without = gather_lexicon(others, [("甲甲", "X", 2.0)], [], min_freq)
        for start, end, *rest in known(without, [doc]):
            expected.append((start + offset, end + offset, *rest))
        offset += len(doc)
    assert known(lexicon, docs, leave_out=True) == sorted(expected)


def test_an_entity_weighs_as_much_as_it_has_texts():
    docs = [make_doc("张三", (0, 2, "A")), make_doc("张三。", (0, 2, "A"))]
    # The same text again is no news.
    lexicon = gather_lexicon([*docs, docs[0]], [], [], 3)
    assert known(lexicon, [NLP.make_doc("见张三")]) == [(1, 3, "张三", 2.0, 1, False)]


def test_a_word_of_two_labels_is_two_words():
    docs = [make_doc("高明", (0, 2, "A")), make_doc("高明。", (0, 2, "B"))]
    lexicon = gather_lexicon(docs, [("高明", "A", 1.0)], [], 1)
    matches = lexicon.match([NLP.make_doc("高明")], leave_out=False)
    assert len(numpy.unique(matches.types // LEVELS)) == 3
    assert lexicon.num_types == 3 * LEVELS


def test_rare_and_frequent_entities_are_of_different_types():
    texts = ["甲", "乙甲", "甲乙", "乙乙甲", "甲丙"]
    docs = [make_doc(t, (t.index("甲"), t.index("甲") + 1, "A")) for t in texts]
    levels = []
    for count in range(1, 6):
        lexicon = gather_lexicon(docs[:count], [], [], 9)
        ((*_, level, _),) = known(lexicon, [NLP.make_doc("甲")])
        levels.append(level)
    assert levels == [0, 1, 2, 2, 2]


def test_words_of_a_list_weigh_what_it_says_and_are_of_one_type():
    listed = [("甲", "X", 1.0), ("乙", "X", 12.5), ("丙", "Y", 1.0)]
    lexicon = gather_lexicon([], listed, [], 1)
    matches = lexicon.match([NLP.make_doc("甲乙丙")], leave_out=True)
    assert matches.frequencies.tolist() == [1.0, 12.5, 1.0]
    assert matches.types[0] == matches.types[1] != matches.types[2]


def test_only_frequent_entities_have_their_own_vectors():
    docs = [make_doc("甲", (0, 1, "A")), make_doc("甲。", (0, 1, "A"))]
    docs += [make_doc("乙", (0, 1, "A"))]
    lexicon = gather_lexicon(docs, [("丙", "X", 9.0)], [], 2)
    assert lexicon.num_own == 1
    own = {word: own for _, _, word, *_, own in known(lexicon, [NLP.make_doc("甲乙丙")])}
    assert own == {"甲": True, "乙": False, "丙": False}


def test_given_vectors_are_found_by_word_and_scaled():
    vectors = [
        ("甲", numpy.array([3, 0], "float32")),
        ("丙", numpy.array([0, 1], "float32")),
    ]
    lexicon = gather_lexicon([make_doc("乙", (0, 1, "A"))], [("甲", "X", 1.0)], vectors, 2)
    matches = lexicon.match([NLP.make_doc("甲乙丙")], leave_out=True)
    found = {
        (lexicon.words[i], type_ // LEVELS): lexicon.vectors[row].tolist()
        for i, type_, row in zip(
            matches.hits.entries, matches.types, matches.vectors, strict=True
        )
    }
    assert found[("甲", 1)] == [0.0, 0.0]
    assert found[("甲", 2)] == [1.5, 0.0]
    assert found[("丙", 2)] == [0.0, 0.5]


@pytest.mark.parametrize("leave_out", [False, True])
def test_docs_without_tokens_do_not_move_what_is_found(leave_out):
    docs = [make_doc("甲", (0, 1, "A")), make_doc("乙甲", (1, 2, "A"))]
    lexicon = gather_lexicon(docs, [], [], 9)
    empty = NLP.make_doc("")
    found = known(lexicon, [empty, docs[0], empty, docs[1], empty], leave_out)
    assert [row[:2] for row in found] == [(0, 1), (2, 3)]


def test_entities_across_lines_are_no_words():
    doc = spacy.blank("en").make_doc("New\nYork City")
    doc.set_ents([doc.char_span(0, 8, "A"), doc.char_span(9, 13, "A")])
    assert gather_lexicon([doc], [], [], 1).words == ["City"]


def damage(**changes):
    """Save a lexicon of three words, one of them an entity and one with a vector, and load
    it again with other fields."""
    vectors = [("丙", numpy.array([0, 1], "float32"))]
    lexicon = gather_lexicon([make_doc("甲", (0, 1, "A"))], [("乙", "X", 1.0)], vectors, 1)
    fields = srsly.msgpack_loads(serialize_attr(lexicon, lexicon, "lexicon", None))
    for name, change in changes.items():
        fields[name] = change(fields[name])
    return deserialize_attr(lexicon, srsly.msgpack_dumps(fields), "lexicon", None)


def test_a_lexicon_that_was_saved_is_sound():
    assert known(damage(), [NLP.make_doc("甲乙丙")])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("types", lambda types: types.astype("float32")),
        ("own", lambda own: own.astype("float32")),
        ("frequencies", lambda frequencies: frequencies.astype("int64")),
        ("types", lambda types: types[:-1]),
        ("own", lambda own: own[:-1]),
        ("frequencies", lambda frequencies: frequencies[:-1]),
        ("frequencies", lambda frequencies: frequencies * 0),
        ("frequencies", lambda frequencies: frequencies * numpy.float32("nan")),
        ("frequencies", lambda frequencies: frequencies * numpy.float32("inf")),
        ("words", lambda words: [*words[:-1], ""]),
        ("words", lambda words: [*words[:-1], 7]),
        ("types", lambda types: types - 1),
        ("own", lambda own: own - 1),
        ("vectors", lambda vectors: vectors.astype("float64")),
        ("vectors", lambda vectors: vectors[0]),
        ("vectors", lambda vectors: vectors[:0]),
        ("vectors", lambda vectors: numpy.zeros((5, 2), "float32")),
        ("homes", lambda homes: homes.astype("int64")),
        ("homes", lambda homes: homes[:, None]),
        ("num_entities", lambda count: -1),
        ("num_entities", lambda count: 4),
        ("min_freq", lambda count: 0),
    ],
)
def test_words_that_do_not_fit_what_is_known_of_them_are_refused(name, change):
    with pytest.raises(ValueError, match="the words of LexiconEmbed and what is known"):
        damage(**{name: change})
