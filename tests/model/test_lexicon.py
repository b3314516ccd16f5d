import copy
import logging
import math
import pickle

import numpy
import pytest
import spacy
from spacy.training import Example
from thinc.api import Config, fix_random_seed

from spacy_bilstm_crf.corpus.sentence import CorpusError
from spacy_bilstm_crf.model.lexicon import build_lexicon_embed

NLP = spacy.blank("zh")
# Texts with the place and the label of their only entity.
TEXTS = [
    ("张三在北京", 3, 5, "LOC"),
    ("李四去北京", 3, 5, "LOC"),
    ("王五从北京来", 3, 5, "LOC"),
    ("张三走", 0, 2, "PER"),
    ("好", 0, 1, "X"),
]
PIPELINE = """
[nlp]
lang = "zh"
pipeline = ["ner"]

[components]

[components.ner]
factory = "bilstm_crf"

[components.ner.model]
@architectures = "spacy-bilstm-crf.BiLSTMCRF.v1"
hidden_width = 16
depth = 1
dropout = 0.0

[components.ner.model.tok2vec]
@layers = "concatenate.v1"

[components.ner.model.tok2vec.*.chars]
@architectures = "spacy-bilstm-crf.NgramEmbed.v1"
width = 8

[components.ner.model.tok2vec.*.lexicon]
@architectures = "spacy-bilstm-crf.LexiconEmbed.v1"
width = 4
"""


def make_doc(text, start, end, label):
    doc = NLP.make_doc(text)
    doc.set_ents([doc.char_span(start, end, label)], default="outside")
    return doc


def make_embed(**settings):
    model = build_lexicon_embed(width=4, **settings)
    model.initialize(X=[make_doc(*row) for row in TEXTS])
    return model


def make_nlp():
    nlp = spacy.util.load_model_from_config(Config().from_str(PIPELINE), auto_fill=True)
    docs = [make_doc(*row) for row in TEXTS]
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    return nlp, examples


def vectors_of(model, text):
    return model.predict([NLP.make_doc(text)])[0]


@pytest.fixture
def logged(caplog, monkeypatch):
    # Each record once, whether some command has set the logger up before or not.
    monkeypatch.setattr(spacy.util.logger, "propagate", False)
    spacy.util.logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger="spacy"):
        yield caplog
    spacy.util.logger.removeHandler(caplog.handler)


def test_there_is_one_array_per_doc_and_four_vectors_per_token():
    model = make_embed()
    assert model.get_dim("nO") == 16
    docs = [NLP.make_doc(text) for text in ("", "去北京", "", "好")]
    assert [v.shape for v in model.predict(docs)] == [(0, 16), (3, 16), (0, 16), (1, 16)]
    assert model.predict([]) == []


def test_tokens_are_told_apart_by_their_place_in_a_word():
    model = make_embed(min_freq=9)
    nothing, begin, end = vectors_of(model, "去北京").reshape(3, 4, 4)
    none = model.get_param("E")[0]
    assert (nothing == none).all()
    word = numpy.unique(numpy.concatenate([begin, end]).round(5), axis=0)
    # A word of three texts, and three empty sets of weight 1.
    share = 4 / (3 + math.log(1 + 3))
    assert begin[1:] == pytest.approx(numpy.tile(share * none, (3, 1)), abs=1e-6)
    assert end[[0, 1, 3]] == pytest.approx(numpy.tile(share * none, (3, 1)), abs=1e-6)
    assert (begin[0] == end[2]).all()
    assert len(word) == 2


def test_a_doc_has_the_same_vectors_whatever_its_batch():
    model = make_embed()
    texts = ["张三在北京好", "", "北", "京北京"]
    together = model.predict([NLP.make_doc(text) for text in texts])
    for text, vectors in zip(texts, together, strict=True):
        assert (vectors_of(model, text) == vectors).all()


def test_words_of_one_type_share_a_vector_unless_they_are_frequent():
    shared, own = make_embed(min_freq=4), make_embed(min_freq=3)
    for model, rows in ((shared, 0), (own, 1)):
        lexicon = model.attrs["lexicon"]
        assert lexicon.num_own == rows
        assert len(model.get_param("E")) == 2 + lexicon.num_types + rows


def test_training_sees_of_each_text_what_the_others_tell():
    model = make_embed()
    docs = [NLP.make_doc(row[0]) for row in TEXTS]
    vectors, _ = model(docs, is_train=True)
    none = numpy.tile(model.get_param("E")[0], 4)
    # 好 is an entity of this text alone; 张三, too, but of another one here.
    assert (vectors[-1] == none).all()
    assert (vectors[3] == none).all()
    assert (vectors[0][:2] != none).any(axis=1).all()
    assert (vectors[0][3:] != none).any(axis=1).all()
    assert (vectors_of(model, "好") != none).any()


def test_training_does_not_see_all_words():
    model = make_embed(dropout=0.3)
    fix_random_seed(0)
    vectors, _ = model([NLP.make_doc("好吗")] * 4000, is_train=True)
    none = numpy.tile(model.get_param("E")[0], 4)
    unseen = [(vector[0] == none).all() for vector in vectors]
    assert numpy.mean(unseen) == pytest.approx(0.3, abs=0.03)
    assert (vectors_of(model, "好吗") == vectors_of(model, "好吗")).all()


def make_files(tmp_path):
    words, vectors = tmp_path / "words.tsv", tmp_path / "words.vec"
    words.write_text("去北\tverb\n京\tcity\t3\n", "utf8")
    vectors.write_text("去 0.5 1 -1\n北京 1 0 2\n", "utf8")
    return {"words": words, "vectors": vectors}


def test_gradient_equals_finite_differences(tmp_path):
    model = make_embed(min_freq=2, **make_files(tmp_path))
    docs = [NLP.make_doc(text) for text in ("张三去北京", "", "好吗")]
    vectors, backprop = model.begin_update(docs)
    weights = [numpy.random.RandomState(i).rand(*v.shape) for i, v in enumerate(vectors)]
    weights = [w.astype("float32") for w in weights]
    assert backprop(weights) == []

    def loss():
        return sum((v * w).sum() for v, w in zip(model.predict(docs), weights, strict=True))

    before, step = loss(), 0.25
    for name in ("E", "W"):
        table, gradient = model.get_param(name), model.get_grad(name)
        for cell in numpy.ndindex(table.shape):
            table[cell] += step
            slope = (loss() - before) / step
            assert slope == pytest.approx(gradient[cell], abs=1e-3), (name, cell)
            table[cell] -= step


def test_gradients_of_several_batches_add_up():
    model = make_embed()
    gradients = []
    for _ in range(2):
        _, backprop = model.begin_update([NLP.make_doc("张三去北京")])
        backprop([numpy.ones((5, 16), dtype="float32")])
        gradients.append(model.get_grad("E").copy())
    assert gradients[1] == pytest.approx(2 * gradients[0])


def test_words_of_files_are_known_and_the_files_not_needed_afterwards(tmp_path):
    files = make_files(tmp_path)
    model = make_embed(entities=False, **files)
    none = numpy.tile(model.get_param("E")[0], 4)
    # Of these alone the files have words.
    assert (vectors_of(model, "张三去北京好") != none).any(axis=1).tolist() == [
        *[False] * 2,
        *[True] * 3,
        False,
    ]
    data = model.to_bytes()
    for path in files.values():
        path.unlink()
    loaded = build_lexicon_embed(width=4, entities=False, **files).from_bytes(data)
    assert (vectors_of(loaded, "去北京") == vectors_of(model, "去北京")).all()


def test_words_with_vectors_differ_by_them(tmp_path):
    path = tmp_path / "words.vec"
    path.write_text("甲 1 0\n乙 0 1\n丙 1 0\n", "utf8")
    model = make_embed(entities=False, vectors=path)
    a, b, c = vectors_of(model, "甲乙丙")
    assert (a == c).all()
    assert (a != b).any()


def test_words_of_a_list_differ_by_their_types(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("甲\tX\n乙\tX\n丙\tY\n", "utf8")
    a, b, c = vectors_of(make_embed(entities=False, words=path), "甲乙丙")
    assert (a == b).all()
    assert (a != c).any()


def test_vectors_have_length_1_on_average_at_first(tmp_path):
    model = build_lexicon_embed(width=400, **make_files(tmp_path))
    model.initialize(X=[make_doc(*row) for row in TEXTS])
    given = model.attrs["lexicon"].vectors[1:] @ model.get_param("W").T
    for vectors in (model.get_param("E"), given):
        assert numpy.linalg.norm(vectors, axis=1).mean() == pytest.approx(1, abs=0.1)


def test_what_was_read_of_a_file_of_vectors_is_logged(tmp_path, logged):
    path = tmp_path / "words.vec"
    path.write_text("甲 1 0\n乙 0 1\n丙 1\n甲 1 1\n", "utf8")
    make_embed(vectors=path)
    assert [record.getMessage() for record in logged.records] == [
        f"{path}: 2 x 2 vectors",
        f"1 row left out: not a word and 2 numbers, first at {path}:3",
        f"1 row left out: a word that an earlier row has, first at {path}:4",
    ]


def test_bytes_hold_the_lexicon_and_are_stable():
    model = make_embed()
    loaded = build_lexicon_embed(width=4).from_bytes(model.to_bytes())
    assert loaded.to_bytes() == model.to_bytes()
    text = TEXTS[0][0]
    assert (vectors_of(loaded, text) == vectors_of(model, text)).all()
    # What was left out in training is in later training, too.
    for a, b in zip(
        *(m([NLP.make_doc(text)], True)[0] for m in (model, loaded)), strict=True
    ):
        assert (a == b).all()


def test_bytes_round_trip_before_initialization():
    data = build_lexicon_embed(width=4).to_bytes()
    assert build_lexicon_embed(width=4).from_bytes(data).to_bytes() == data


def test_models_can_be_copied_and_pickled():
    model = make_embed()
    expected = vectors_of(model, "去北京")
    others = (model.copy(), copy.deepcopy(model), pickle.loads(pickle.dumps(model)))
    for other in others:
        assert (vectors_of(other, "去北京") == expected).all()


def test_gathering_anew_forgets_the_old_words():
    model = make_embed()
    model.initialize(X=[make_doc("赵六", 0, 2, "PER")])
    assert model.attrs["lexicon"].words == ["赵六"]


def test_a_lexicon_that_sees_no_entities_is_warned_of(logged):
    model = build_lexicon_embed(width=4)
    model.initialize(X=[NLP.make_doc("好")])
    assert "has seen no entity" in logged.text
    assert vectors_of(model, "好").shape == (1, 16)


def test_words_of_a_file_are_no_entities(tmp_path, logged):
    words = make_files(tmp_path)["words"]
    build_lexicon_embed(width=4, words=words).initialize(X=[NLP.make_doc("好")])
    assert "has seen no entity" in logged.text


def test_a_lexicon_with_the_words_that_it_wants_is_not_warned_of(tmp_path, logged):
    make_embed()
    words = make_files(tmp_path)["words"]
    model = build_lexicon_embed(width=4, entities=False, words=words)
    model.initialize(X=[NLP.make_doc("好")])
    assert not logged.text


@pytest.mark.parametrize(
    "settings",
    [{"entities": False}, {"width": 0}, {"min_freq": 0}, {"dropout": 1.0}],
)
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="LexiconEmbed"):
        build_lexicon_embed(**settings)


@pytest.mark.parametrize("source", ["words", "vectors"])
def test_a_missing_file_is_a_clear_error(tmp_path, source):
    model = build_lexicon_embed(width=4, **{source: tmp_path / "missing.tsv"})
    with pytest.raises(CorpusError, match=r"missing\.tsv: no such file"):
        model.initialize(X=[])


def test_a_pipeline_gathers_the_gold_entities_of_all_its_data():
    nlp, examples = make_nlp()
    nlp.initialize(lambda: examples * 10)
    node = nlp.get_pipe("ner").model.get_ref("tok2vec").layers[1]
    assert sorted(node.attrs["lexicon"].words) == ["北京", "好", "张三"]
    assert nlp.get_pipe("ner").model.get_ref("tok2vec").get_dim("nO") == 2 * 8 + 4 * 4


def test_a_pipeline_learns_with_a_lexicon_and_is_saved_with_it(tmp_path):
    fix_random_seed(0)
    nlp, examples = make_nlp()
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    before = nlp.get_pipe("ner").model.get_ref("tok2vec").layers[1].get_param("E").copy()
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    after = nlp.get_pipe("ner").model.get_ref("tok2vec").layers[1].get_param("E")
    assert (before != after).any()
    nlp.to_disk(tmp_path / "nlp")
    texts = [row[0] for row in TEXTS] + ["", "周六去北京"]
    loaded = spacy.load(tmp_path / "nlp")
    for a, b in zip(nlp.pipe(texts), loaded.pipe(texts), strict=True):
        assert [str(ent) for ent in a.ents] == [str(ent) for ent in b.ents]
    assert [ent.text for ent in loaded("周六去北京").ents] == ["北京"]
    assert loaded.to_bytes() == nlp.to_bytes()
