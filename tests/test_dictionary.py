"""Dictionaries. That the examples of docs/dictionary.md run is tested in test_docs.py."""

import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_bilstm_crf.corpus.sentence import CorpusError
from spacy_bilstm_crf.dictionary import Dictionary
from spacy_bilstm_crf.query import Query
from spacy_bilstm_crf.tags import find_spans
from spacy_bilstm_crf.tokenizer import CharTokenizer

LABELS = ("LOC", "ORG", "PER")
TRAIN = [
    ("张伟在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("李娜住在上海", [(0, 2, "PER"), (4, 6, "LOC")]),
    ("今天天气很好", []),
    ("他去了南京大学读书", [(3, 7, "ORG")]),
]
MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 16,
    "depth": 1,
    "dropout": 0.1,
    "tok2vec": {"@architectures": "spacy-bilstm-crf.NgramEmbed.v1", "width": 8},
}


def make_nlp(lang="zh"):
    nlp = spacy.blank(lang)
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    return nlp


def make_examples(nlp):
    return [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in TRAIN
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    fix_random_seed(0)
    nlp = make_nlp()
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    path = tmp_path_factory.mktemp("dictionary") / "model"
    nlp.to_disk(path)
    return path


@pytest.fixture
def nlp(path):
    return spacy.load(path)


def patterns(*words):
    return [{"pattern": word, "label": label} for word, label in words]


def ents_of(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def blocked(doc):
    return [token.ent_iob_ == "B" and not token.ent_type_ for token in doc]


def write(tmp_path, text):
    path = tmp_path / "words.tsv"
    path.write_bytes(text.encode("utf8") if isinstance(text, str) else text)
    return path


# What matches


def naive(doc, rows, allowed=None):
    """RETURNS: Places of the words that count, with the labels that they have there."""
    found = {}
    for word, label, bonus, ignore_case in rows:
        for start in range(len(doc)):
            for end in range(start + 1, len(doc) + 1):
                text = doc[start:end].text
                same = text.lower() == word.lower() if ignore_case else text == word
                tags = tags_of(LABELS.index(label), end - start)
                fits = allowed is None or all(
                    allowed[i, tag] for i, tag in zip(range(start, end), tags, strict=True)
                )
                if same and fits:
                    key = (bonus is not None, start - end, start)
                    found.setdefault(key, set()).add((start, end, label))
    taken, kept = set(), set()
    for key in sorted(found):
        start, end, _ = next(iter(found[key]))
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            kept |= {(key[0], *place) for place in found[key]}
    return kept


def tags_of(label, length):
    prefixes = [3] if length == 1 else [0, *[1] * (length - 2), 2]
    return [1 + 4 * label + prefix for prefix in prefixes]


def expected_query(docs, kept, allowed):
    constrained, bonuses = [], []
    for i, (doc, places) in enumerate(zip(docs, kept, strict=True)):
        rows = numpy.ones((len(doc), 13), dtype=bool) if allowed is None else allowed[i]
        rows, bonus = rows.copy(), numpy.zeros((len(doc), 13))
        for soft, start, end, _ in places:
            rows[start:end] = rows[start:end] if soft else False
        for soft, start, end, label in places:
            tags = tags_of(LABELS.index(label), end - start)
            if soft:
                bonus[range(start, end), tags] = 0.5
            else:
                rows[range(start, end), tags] = True
        constrained.append(rows)
        bonuses.append(bonus)
    return constrained, bonuses


CHARACTERS = "ab B张伟"
ENTRIES = st.tuples(
    st.text(CHARACTERS, min_size=1, max_size=3).map(str.strip).filter(len),
    st.sampled_from(LABELS),
    st.sampled_from([None, 0.5]),
    st.booleans(),
)


@given(
    st.lists(ENTRIES, max_size=6, unique_by=lambda row: (row[0], row[1])),
    st.lists(st.text(CHARACTERS + "\n", max_size=9), max_size=4),
    st.sampled_from(["zh", "en"]),
    st.randoms(use_true_random=False),
)
def test_finds_what_a_naive_search_finds(rows, texts, lang, rng):
    nlp = spacy.blank(lang)
    docs = [nlp.make_doc(text) for text in texts]
    allowed = None
    if rng.random() < 0.5:
        # Some tokens are fixed as O, some as an entity of their own.
        allowed = [numpy.ones((len(doc), 13), dtype=bool) for doc in docs]
        for array in allowed:
            for row in array:
                if rng.random() < 0.2:
                    row[:] = False
                    row[rng.choice([0, 4, 8])] = True
    query = Dictionary([list(row) for row in rows]).apply(Query(docs, allowed), LABELS)
    kept = [
        naive(doc, rows, None if allowed is None else allowed[i])
        for i, doc in enumerate(docs)
    ]
    hard = any(not soft for places in kept for soft, *_ in places)
    soft = any(soft for places in kept for soft, *_ in places)
    tags, bonuses = expected_query(docs, kept, allowed)
    if hard or allowed is not None:
        for found, expected in zip(query.allowed, tags, strict=True):
            numpy.testing.assert_array_equal(found, expected)
    else:
        assert query.allowed is None
    if soft:
        for found, expected in zip(query.bonus, bonuses, strict=True):
            numpy.testing.assert_array_equal(found, expected)
    else:
        assert query.bonus is None


def test_the_longest_word_goes_first_then_the_earliest():
    docs = [spacy.blank("zh").make_doc("abcdefgh")]
    rows = [[word, "PER", None, False] for word in ("ab", "bcd", "efg", "fgh", "g")]
    query = Dictionary(rows).apply(Query(docs), LABELS)
    fixed = numpy.flatnonzero(~query.allowed[0].all(1))
    assert fixed.tolist() == [1, 2, 3, 4, 5, 6]


def test_whole_tokens_only():
    nlp = spacy.blank("en")
    docs = [nlp.make_doc("start the art, art-loving artists Art")]
    found = Dictionary([["art", "PER", None, False]]).apply(Query(docs), LABELS)
    fixed = [docs[0][i].text for i in numpy.flatnonzero(~found.allowed[0].all(1))]
    assert fixed == ["art", "art"]


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("ΟΔΟΣ", "οδος", True),
        ("ΟΔΟΣ", "οδοσα", True),
        ("İx", "ix", True),
        ("straße", "STRASSE", False),
        ("IBM", "ibm", True),
    ],
)
def test_case_can_be_ignored(word, text, found):
    docs = [spacy.blank("zh").make_doc(text)]
    query = Dictionary([[word, "ORG", None, True]]).apply(Query(docs), LABELS)
    assert (query.allowed is not None) == found
    query = Dictionary([[word, "ORG", None, False]]).apply(Query(docs), LABELS)
    assert query.allowed is None


# Hard entries


@pytest.mark.parametrize("threshold", [0.0, 1.0])
@given(st.data())
def test_hard_entries_are_always_found(path, threshold, data):
    nlp = cached(path, threshold)
    alphabet = "张伟在北京工作学"
    texts = data.draw(st.lists(st.text(alphabet, min_size=1, max_size=12), min_size=1))
    words = data.draw(st.lists(st.text(alphabet, min_size=1, max_size=4), min_size=1))
    # The whole of one text, and its ends.
    words = sorted({*words, texts[0], texts[0][:1], texts[0][-2:]})
    labels = [data.draw(st.sampled_from(LABELS)) for _ in words]
    ner = nlp.get_pipe("ner")
    ner.clear_dictionary()
    ner.add_dictionary(patterns(*zip(words, labels, strict=True)), mode="hard")
    rows = ner.cfg["dictionary"]
    for doc in nlp.pipe(texts):
        found = {(ent.start, ent.end): ent.label_ for ent in doc.ents}
        for _, start, end, label in naive(doc, rows):
            assert found[start, end] == label


CACHE = {}


def cached(path, threshold):
    if threshold not in CACHE:
        config = {"components": {"ner": {"threshold": threshold}}}
        CACHE[threshold] = spacy.load(path, config=config)
    return CACHE[threshold]


def test_the_rest_is_found_around_a_hard_entry(nlp):
    assert ents_of(nlp("张伟在北京工作")) == [("张伟", "PER"), ("北京", "LOC")]
    nlp.get_pipe("ner").add_dictionary(patterns(("京工", "ORG")), mode="hard")
    ents = ents_of(nlp("张伟在北京工作"))
    assert ents[0] == ("张伟", "PER")
    assert ("京工", "ORG") in ents


def test_hard_entries_in_a_long_doc(nlp):
    nlp.tokenizer = CharTokenizer(nlp.vocab)
    rng = random.Random(0)
    characters = "".join(text for text, _ in TRAIN)
    text = "".join(rng.choice(characters) for _ in range(20_000))
    words = {text[i : i + n] for i, n in [(0, 3), (3_070, 9), (6_000, 100), (19_998, 2)]}
    words |= {text[i : i + 5] for i in range(10, 20_000, 97)}
    ner = nlp.get_pipe("ner")
    ner.add_dictionary(patterns(*((word, "ORG") for word in sorted(words))), mode="hard")
    doc = nlp(text)
    found = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
    query = ner.dictionary.apply(Query([doc]), LABELS)
    fixed = numpy.where(query.allowed[0].all(1), 0, query.allowed[0].argmax(1))
    spans = find_spans(fixed)
    places = set(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True))
    assert len(places) > 150
    assert {(start, end, "ORG") for start, end in places} <= found


def test_the_model_chooses_among_the_labels_of_a_hard_word(nlp):
    words = patterns(("北京", "LOC"), ("北京", "ORG"))
    nlp.get_pipe("ner").add_dictionary(words, mode="hard")
    assert ("北京", "LOC") in ents_of(nlp("张伟在北京工作"))


def test_earlier_entities_and_blocked_tokens_stay(nlp):
    nlp.get_pipe("ner").add_dictionary(patterns(("张伟在北京", "ORG")), mode="hard")
    doc = nlp.make_doc("张伟在北京工作")
    doc.set_ents([Span(doc, 1, 3, "PER")], default="unmodified")
    assert ("伟在", "PER") in ents_of(nlp.get_pipe("ner")(doc))
    doc = nlp.make_doc("张伟在北京工作")
    doc.set_ents([], blocked=[doc[3:4]], default="unmodified")
    doc = nlp.get_pipe("ner")(doc)
    assert "张伟在北京" not in [ent.text for ent in doc.ents]
    assert blocked(doc)[3]


def test_earlier_entities_go_if_they_are_to_be_overwritten(path):
    config = {"components": {"ner": {"overwrite": True}}}
    nlp = spacy.load(path, config=config)
    nlp.get_pipe("ner").add_dictionary(patterns(("张伟在北京", "ORG")), mode="hard")
    doc = nlp.make_doc("张伟在北京工作")
    doc.ents = [Span(doc, 1, 3, "PER")]
    assert ents_of(nlp.get_pipe("ner")(doc))[0] == ("张伟在北京", "ORG")


def test_hard_entries_are_certain(path):
    nlp = spacy.load(path, config={"components": {"ner": {"spans_key": "sc"}}})
    nlp.get_pipe("ner").add_dictionary(patterns(("在北", "ORG")), mode="hard")
    doc = nlp("张伟在北京工作")
    scores = dict(zip(ents_of(doc), doc.spans["sc"].attrs["scores"], strict=True))
    assert scores["在北", "ORG"] == 1.0


def test_threshold_does_not_drop_hard_entries_of_several_labels(path):
    settings = {"spans_key": "sc", "threshold": 1.0}
    nlp = spacy.load(path, config={"components": {"ner": settings}})
    assert ents_of(nlp("张伟在北京工作")) == []
    words = patterns(*(("在北", label) for label in LABELS), ("工", "PER"), ("工", "LOC"))
    nlp.get_pipe("ner").add_dictionary(words, mode="hard")
    docs = list(nlp.pipe(["", "张伟在北京工作", "今天天气很好", "李娜工"]))
    assert [[word for word, _ in ents_of(doc)] for doc in docs] == [
        [],
        ["在北", "工"],
        [],
        ["工"],
    ]
    # Which label is right the model is not sure of, and says so.
    scores = docs[1].spans["sc"].attrs["scores"]
    assert ((scores > 0.3) & (scores < 1.0)).all()


def test_threshold_still_drops_what_a_soft_entry_brings(path):
    nlp = spacy.load(path, config={"components": {"ner": {"threshold": 1.0}}})
    nlp.get_pipe("ner").add_dictionary(patterns(("在北", "ORG")), bonus=3.0)
    assert ents_of(nlp("张伟在北京工作")) == []


# Soft entries


def test_a_soft_entry_moves_weak_predictions_and_not_strong_ones(nlp):
    text, word = "张伟在北京工作", ("在", "ORG")
    ner = nlp.get_pipe("ner")
    plain = ents_of(nlp(text))
    found = []
    for bonus in (0.0, 0.1, 100.0):
        ner.add_dictionary(patterns(word), bonus=bonus)
        found.append(ents_of(nlp(text)))
    assert found[0] == found[1] == plain
    assert word in found[2]


def test_a_bonus_counts_at_each_token_and_in_confidence(path):
    nlp = spacy.load(path, config={"components": {"ner": {"spans_key": "sc"}}})
    text = "李娜去了上海"
    doc = nlp(text)
    before = dict(zip(ents_of(doc), doc.spans["sc"].attrs["scores"].tolist(), strict=True))
    word = ("上海", "LOC")
    # log odds of the entity against analyses that have none of its tags rise by at most
    # twice the bonus, and by more than once.
    nlp.get_pipe("ner").add_dictionary(patterns(word), bonus=2.0)
    doc = nlp(text)
    after = dict(zip(ents_of(doc), doc.spans["sc"].attrs["scores"].tolist(), strict=True))
    rise = log_odds(after[word]) - log_odds(before[word])
    assert 2.0 < rise <= 4.0 + 1e-3


def log_odds(probability):
    return numpy.log(probability) - numpy.log1p(-probability)


def test_a_negative_bonus_takes_an_entity_away(nlp):
    nlp.get_pipe("ner").add_dictionary(patterns(("北京", "LOC")), bonus=-100.0)
    assert ("北京", "LOC") not in ents_of(nlp("张伟在北京工作"))


def test_training_does_not_see_the_dictionary(path):
    no_dropout = {"dropout": 0.0, "tok2vec": {"dropout": [0.0, 0.0]}}
    no_dropout["tok2vec"]["singleton_dropout"] = 0.0
    nlp = spacy.load(path, config={"components": {"ner": {"model": no_dropout}}})
    ner = nlp.get_pipe("ner")
    examples = make_examples(nlp)
    before = ner.update(examples)["ner"]
    ner.add_dictionary(patterns(("张伟", "ORG"), ("北京", "ORG")), mode="hard")
    assert ner.update(examples)["ner"] == before


def test_predictions_do_not_depend_on_batches_or_threads(nlp):
    ner = nlp.get_pipe("ner")
    ner.add_dictionary(patterns(("在北", "ORG"), ("天气", "LOC")), bonus=1.0)
    ner.add_dictionary(patterns(("住在", "PER")), mode="hard")
    rng = random.Random(0)
    characters = "".join(text for text, _ in TRAIN) + " \n"
    texts = ["".join(rng.choices(characters, k=n)) for n in [0, 5, 40, 0, 1] * 8] + [
        text for text, _ in TRAIN
    ]
    alone = [ents_of(nlp(text)) for text in texts]
    assert [ents_of(doc) for doc in nlp.pipe(texts, batch_size=7)] == alone
    fresh = pickle.loads(pickle.dumps(ner))
    with ThreadPoolExecutor(4) as pool:
        docs = list(pool.map(lambda text: fresh(nlp.make_doc(text)), texts * 3))
    assert [ents_of(doc) for doc in docs] == alone * 3


# The word list


def test_files_with_all_that_they_may_have(nlp, tmp_path):
    text = "\ufeff北京 大学\tORG\r\n\n \n # 张\tPER\t-1.5\n北京\tLOC\n北京\tORG\t\u30003\n"
    ner = nlp.get_pipe("ner")
    ner.add_dictionary(write(tmp_path, text), bonus=1.0, ignore_case=True)
    assert ner.cfg["dictionary"] == [
        ["北京 大学", "ORG", 1.0, True],
        ["# 张", "PER", -1.5, True],
        ["北京", "LOC", 1.0, True],
        ["北京", "ORG", 3.0, True],
    ]


def test_later_entries_replace_earlier_ones(nlp):
    ner = nlp.get_pipe("ner")
    ner.add_dictionary(patterns(("甲", "ORG"), ("乙", "ORG"), ("甲", "PER")), mode="hard")
    ner.add_dictionary(patterns(("甲", "ORG")), bonus=2.0)
    assert ner.cfg["dictionary"] == [
        ["甲", "ORG", 2.0, False],
        ["乙", "ORG", None, False],
        ["甲", "PER", None, False],
    ]
    assert len(ner.dictionary) == 3
    ner.clear_dictionary()
    assert len(ner.dictionary) == 0


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("甲\tORG\n乙\n", "soft", r"words.tsv:2: 1 columns, expected a word, a tab"),
        ("甲\tORG\t1\t2\n", "soft", r"words.tsv:1: 4 columns"),
        (" \tORG\n", "soft", r"words.tsv:1: the word is empty"),
        ("甲\tCITY\n", "soft", r"words.tsv:1: .*no label 'CITY', but LOC, ORG, PER"),
        ("甲\tCITY\n", "hard", r"words.tsv:1: .*no label 'CITY', but LOC, ORG, PER"),
        ("甲\tORG\tx\n", "soft", r"words.tsv:1: bonus 'x' is not a number"),
        ("甲\tORG\t1e5\n", "soft", r"words.tsv:1: bonus 100000.0 is not a number from"),
        ("甲\tORG\tnan\n", "soft", r"words.tsv:1: bonus nan is not"),
        ("甲\r乙\tORG\n", "soft", r"words.tsv:1: a line break in the word"),
        ("甲\x0b乙\tORG\n", "soft", r"words.tsv:1: a line break in the word"),
        ("甲\tORG\t2\n", "hard", r"words.tsv:1: a bonus of 2.0 in a hard dictionary"),
        (b"\xff\xfe", "soft", r"words.tsv:1: UTF-16"),
        (b"\xb1\xb1\tORG\n", "soft", r"words.tsv:1: not UTF-8"),
        ("", "soft", r"words.tsv:1: a word list without words"),
        (" \n", "soft", r"words.tsv:1: a word list without words"),
    ],
)
def test_bad_files_are_clear_errors_and_change_nothing(nlp, tmp_path, text, mode, message):
    ner = nlp.get_pipe("ner")
    with pytest.raises(CorpusError, match=message):
        ner.add_dictionary(write(tmp_path, text), mode=mode)
    assert ner.cfg["dictionary"] == []


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("甲", r"pattern 1: expected \{.*got '甲'"),
        ({"label": "ORG"}, r"pattern 1: expected"),
        ({"label": "ORG", "pattern": [{"ORTH": "x"}]}, "entity_ruler"),
        ({"label": "ORG", "pattern": "x", "id": "1"}, "entity_ruler"),
        ({"label": "ORG", "pattern": "x\ny"}, r"line break in the word 'x\\ny'"),
        ({"label": "ORG", "pattern": "x\ry"}, "line break"),
        ({"label": "ORG", "pattern": "x\u2028y"}, "line break"),
        ({"label": "ORG", "pattern": " "}, "the word is empty"),
        ({"label": "ORG", "pattern": "x", "bonus": "x"}, "not a number from -10000"),
        ({"label": "ORG", "pattern": "x", "bonus": True}, "True is not a number"),
    ],
)
def test_bad_patterns_are_clear_errors(nlp, pattern, message):
    with pytest.raises(CorpusError, match=message):
        nlp.get_pipe("ner").add_dictionary([pattern])


def test_an_empty_third_column_and_numbers_of_numpy_are_fine(nlp, tmp_path):
    ner = nlp.get_pipe("ner")
    ner.add_dictionary(write(tmp_path, "甲\tORG\t\n"), bonus=numpy.float32(2))
    ner.add_dictionary([{"label": "ORG", "pattern": "乙", "bonus": numpy.int64(3)}])
    assert [row[2] for row in ner.cfg["dictionary"]] == [2.0, 3.0]
    assert ner.to_bytes()


def test_bad_arguments_are_clear_errors(nlp, tmp_path):
    ner = nlp.get_pipe("ner")
    with pytest.raises(ValueError, match="mode is 'firm', expected one of soft, hard"):
        ner.add_dictionary([], mode="firm")
    with pytest.raises(ValueError, match="bonus is inf, expected a number from"):
        ner.add_dictionary([], bonus=float("inf"))
    with pytest.raises(ValueError, match="bonus is True, expected a number from"):
        ner.add_dictionary([], bonus=True)
    with pytest.raises(ValueError, match="ignore_case is 'no', expected true or false"):
        ner.add_dictionary([], ignore_case="no")
    with pytest.raises(ValueError, match="words is None, expected the path"):
        ner.add_dictionary(None)
    with pytest.raises(CorpusError, match=r"none.tsv: no such file"):
        ner.add_dictionary(tmp_path / "none.tsv")
    with pytest.raises(ValueError, match=r"E143.*ner"):
        make_nlp().get_pipe("ner").add_dictionary(patterns(("甲", "ORG")))


# Saved with the pipeline


def test_it_is_saved_without_the_file(nlp, tmp_path):
    words = write(tmp_path, "京工\tORG\n李\tPER\t9.5\n")
    ner = nlp.get_pipe("ner")
    ner.add_dictionary(words, mode="soft", bonus=100.0)
    ner.add_dictionary(patterns(("在", "LOC")), mode="hard")
    words.unlink()
    text = "张伟在北京工作"
    expected = ents_of(nlp(text))
    assert {("京工", "ORG"), ("在", "LOC")} <= set(expected)
    nlp.to_disk(tmp_path / "one")
    loaded = spacy.load(tmp_path / "one")
    copied = make_nlp().from_bytes(nlp.to_bytes())
    sourced = spacy.blank("zh")
    sourced.add_pipe("ner", source=nlp)
    for other in (loaded, copied, sourced):
        assert ents_of(other(text)) == expected
        assert len(other.get_pipe("ner").dictionary) == 3
    unpickled = pickle.loads(pickle.dumps(ner))
    assert ents_of(unpickled(nlp.make_doc(text))) == expected
    assert pickle.loads(pickle.dumps(ner.dictionary)).rows == ner.dictionary.rows
    loaded.to_disk(tmp_path / "two")
    one, two = ((tmp_path / name / "ner" / "cfg").read_bytes() for name in ("one", "two"))
    assert one == two


def test_pipelines_saved_before_there_were_dictionaries_load(nlp, tmp_path):
    del nlp.get_pipe("ner").cfg["dictionary"]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert len(loaded.get_pipe("ner").dictionary) == 0
    assert ents_of(loaded(TRAIN[0][0])) == [("张伟", "PER"), ("北京", "LOC")]


def test_loading_replaces_the_dictionary(nlp):
    data = nlp.to_bytes()
    nlp.get_pipe("ner").add_dictionary(patterns(("今天", "ORG")), mode="hard")
    assert ents_of(nlp("今天天气很好")) == [("今天", "ORG")]
    nlp.from_bytes(data)
    assert ents_of(nlp("今天天气很好")) == []


def test_a_config_can_set_it(tmp_path):
    words = write(tmp_path, "今天\tORG\n")
    nlp = make_nlp()
    DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(tmp_path / "x.spacy")
    dictionary = {"words": str(words), "mode": "hard"}
    nlp.config["initialize"]["components"] = {"ner": {"dictionary": dictionary}}
    nlp.initialize(lambda: make_examples(nlp))
    assert ("今天", "ORG") in ents_of(nlp("今天天气很好"))
    nlp.initialize(lambda: make_examples(nlp))
    assert len(nlp.get_pipe("ner").dictionary) == 1


@pytest.mark.parametrize(
    ("dictionary", "message"),
    [
        ({"words": "x.tsv", "bouns": 1.0}, r"no setting 'bouns': it takes words, mode, b"),
        ({"word": "x.tsv"}, r"is \{'word': 'x.tsv'\}: set words"),
        ({}, r"is \{\}: set words"),
        ("x.tsv", r"is 'x.tsv': set words"),
    ],
)
def test_settings_that_do_not_exist_are_clear_errors(dictionary, message):
    nlp = make_nlp()
    match = r"\[initialize.components.ner.dictionary\] (has )?" + message
    with pytest.raises(ValueError, match=match):
        nlp.get_pipe("ner").initialize(lambda: make_examples(nlp), dictionary=dictionary)


def test_initializing_anew_forgets_it(nlp):
    # Its labels may be gone.
    nlp.get_pipe("ner").add_dictionary(patterns(("今天", "ORG")), mode="hard")
    nlp.initialize(lambda: make_examples(nlp)[:2])
    assert nlp.get_pipe("ner").labels == ("LOC", "PER")
    assert len(nlp.get_pipe("ner").dictionary) == 0
    assert ents_of(nlp("今天天气很好")) != [("今天", "ORG")]


def test_words_of_labels_that_were_added_before_stay():
    nlp = make_nlp()
    ner = nlp.get_pipe("ner")
    ner.add_label("NEW")
    ner.add_dictionary(patterns(("今天", "NEW")), mode="hard")
    nlp.initialize(lambda: make_examples(nlp))
    assert ("今天", "NEW") in ents_of(nlp("今天天气很好"))


def test_labels_added_later_do_not_move_entries(nlp):
    ner = nlp.get_pipe("ner")
    ner.add_dictionary(patterns(("今天", "ORG")), mode="hard")
    ner.add_label("AAA")
    ner.add_dictionary(patterns(("很好", "AAA")), mode="hard")
    assert {("今天", "ORG"), ("很好", "AAA")} <= set(ents_of(nlp("今天天气很好")))


def test_empty_docs_and_batches(nlp):
    ner = nlp.get_pipe("ner")
    ner.add_dictionary(patterns(("今", "ORG")), mode="hard")
    assert ner.predict([]) == []
    assert [ents_of(doc) for doc in nlp.pipe(["", "今", ""])] == [[], [("今", "ORG")], []]
    assert ents_of(ner(Doc(nlp.vocab, words=["今", "\n", "今"]))) == [("今", "ORG")] * 2
