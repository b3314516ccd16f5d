import numpy
import pytest
import spacy
from spacy.ml.models import MultiHashEmbed
from spacy.tokens import Doc
from thinc.api import Adam, concatenate

from spacy_bilstm_crf.model.embed import build_ngram_embed
from spacy_bilstm_crf.model.lexicon import build_lexicon_embed
from spacy_bilstm_crf.model.words import build_word_embed, find_words
from spacy_bilstm_crf.segmenters import word_starts
from spacy_bilstm_crf.tags import BEGIN, INSIDE, LAST, UNIT

NLP = spacy.blank("zh")
# Words are separated by a slash here.
TEXTS = ["北京/大学", "", "在/北京", "计算机/系"]


def segment(doc):
    return word_starts(doc, doc._.word_list)


def make_doc(text):
    doc = NLP.make_doc(text.replace("/", ""))
    doc._.word_list = text.split("/")
    return doc


@pytest.fixture(autouse=True)
def _word_list():
    Doc.set_extension("word_list", default=None)
    yield
    Doc.remove_extension("word_list")


def make_embed():
    return build_ngram_embed(
        width=4, orders=[1], min_freq=[1], dropout=[0.0], singleton_dropout=0.0
    )


def make_model(embed=None, texts=TEXTS, **settings):
    model = build_word_embed(segment, embed, **settings)
    model.initialize(X=[make_doc(text) for text in texts])
    return model


def vectors_of(model, text):
    return model.predict([make_doc(text)])[0]


def test_words_and_positions_of_tokens():
    words = find_words(segment, [make_doc(text) for text in TEXTS])
    found = [[token.text for token in doc] for doc in words.docs]
    assert found == [["北京", "大学"], [], ["在", "北京"], ["计算机", "系"]]
    assert words.owners.tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 4, 4, 5]
    pair = [BEGIN, LAST]
    positions = [*pair, *pair, UNIT, *pair, BEGIN, INSIDE, LAST, UNIT]
    assert words.positions.tolist() == positions


def test_no_docs():
    words = find_words(segment, [])
    assert (words.docs, len(words.owners), len(words.positions)) == ([], 0, 0)


def test_the_first_token_begins_a_word_whatever_the_segmenter_says():
    words = find_words(lambda doc: [False] * len(doc), [NLP.make_doc("中国"), NLP("人")])
    assert words.owners.tolist() == [0, 0, 1]
    assert words.positions.tolist() == [BEGIN, LAST, UNIT]


def test_tokens_have_the_vector_of_their_word_and_of_their_position():
    model = make_model(make_embed(), position_width=3)
    assert model.get_dim("nO") == 7
    vectors = vectors_of(model, "北京/大学/在")
    assert vectors.shape == (5, 7)
    word, position = vectors[:, :4], vectors[:, 4:]
    assert (word[0] == word[1]).all()
    assert (word[2] == word[3]).all()
    assert len(numpy.unique(word, axis=0)) == 3
    assert (position[[0, 1]] == position[[2, 3]]).all()
    assert len(numpy.unique(position, axis=0)) == 3


def test_the_same_characters_in_other_words_differ():
    model = make_model(make_embed(), position_width=0)
    assert (vectors_of(model, "北京") != vectors_of(model, "北/京")).any()


def test_positions_alone():
    model = make_model(None, position_width=3)
    assert model.get_dim("nO") == 3
    assert (vectors_of(model, "北京") == vectors_of(model, "大学")).all()
    assert (vectors_of(model, "北京") != vectors_of(model, "北/京")).any()


def test_words_alone():
    model = make_model(make_embed(), position_width=0)
    assert model.get_dim("nO") == 4
    assert (vectors_of(model, "北京")[0] == vectors_of(model, "北京")[1]).all()


@pytest.mark.parametrize("width", [0, -1])
def test_neither_words_nor_positions_are_refused(width):
    with pytest.raises(ValueError, match="WordEmbed has no embed"):
        build_word_embed(segment, None, width)


@pytest.mark.parametrize("joined", [False, True])
def test_a_lexicon_inside_is_refused(joined):
    # It would find its own entities in training, as their texts are not those of words.
    embed = build_lexicon_embed(width=4)
    embed = concatenate(make_embed(), embed) if joined else embed
    with pytest.raises(ValueError, match="put LexiconEmbed beside WordEmbed"):
        build_word_embed(segment, embed)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_segmenter_that_does_not_speak_of_each_token_is_an_error(count):
    message = f"the segmenter gave {count} values for a Doc of 2 tokens"
    with pytest.raises(ValueError, match=message):
        find_words(lambda doc: [True] * count, [NLP.make_doc("中国")])


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["", "北京", ""], TEXTS])
@pytest.mark.parametrize("make", [make_embed, None])
def test_batches_with_empty_docs(texts, make):
    model = make_model(make and make())
    docs = [make_doc(text) for text in texts]
    vectors, backprop = model.begin_update(docs)
    shapes = [(len(doc), model.get_dim("nO")) for doc in docs]
    assert [v.shape for v in vectors] == shapes
    assert backprop([numpy.ones(shape, dtype="float32") for shape in shapes]) == []
    model.finish_update(Adam(0.1))


def test_vectors_do_not_depend_on_the_other_docs():
    model = make_model(make_embed())
    together = model.predict([make_doc(text) for text in TEXTS])
    for text, vectors in zip(TEXTS, together, strict=True):
        assert (vectors_of(model, text) == vectors).all()


def test_the_vocabulary_is_of_words_from_all_the_training_data():
    model = build_word_embed(segment, make_embed())
    model.attrs["gather_vocabulary"](model, [make_doc(text) for text in TEXTS])
    model.initialize(X=[make_doc("北京/大学")])
    # The unknown, 北京, 大学, 在, 计算机 and 系.
    assert model.layers[0].get_param("E").shape == (6, 4)
    unknown = vectors_of(model, "龘")[0, :4]
    assert (vectors_of(model, "计算机")[0, :4] != unknown).any()
    assert (vectors_of(model, "计/算/机")[0, :4] == unknown).all()


def test_gradients_equal_finite_differences():
    model = make_model(make_embed(), position_width=3)
    docs = [make_doc(text) for text in TEXTS]
    vectors, backprop = model.begin_update(docs)
    weights = [numpy.random.RandomState(i).rand(*v.shape) for i, v in enumerate(vectors)]
    backprop([w.astype("float32") for w in weights])

    def loss():
        return sum((v * w).sum() for v, w in zip(model.predict(docs), weights, strict=True))

    before, step = loss(), 0.25
    for layer, name in ((model, "P"), (model.layers[0], "E")):
        table, gradient = layer.get_param(name), layer.get_grad(name)
        assert gradient.any()
        for row in range(len(table)):
            table[row, 1] += step
            assert (loss() - before) / step == pytest.approx(gradient[row, 1], abs=1e-3)
            table[row, 1] -= step


def test_bytes_are_stable_and_give_the_same_vectors():
    model = make_model(make_embed())
    loaded = build_word_embed(segment, make_embed()).from_bytes(model.to_bytes())
    assert loaded.to_bytes() == model.to_bytes()
    assert (vectors_of(loaded, "北京/大学龘") == vectors_of(model, "北京/大学龘")).all()
    assert build_word_embed(segment, make_embed()).to_bytes()


def test_positions_that_were_cut_are_refused():
    model = make_model(make_embed(), position_width=3)
    model.attrs["check_loaded"](model)
    model.set_param("P", model.get_param("P")[:1])
    with pytest.raises(ValueError, match="vectors of WordEmbed are not those of its pos"):
        model.attrs["check_loaded"](model)


@pytest.mark.parametrize("width", [0, 3])
def test_a_model_that_is_not_initialized_is_sound(width):
    model = build_word_embed(segment, make_embed(), width)
    model.attrs["check_loaded"](model)


def test_a_copy_gathers_its_own_vocabulary():
    model = make_model(make_embed())
    copied = model.copy()
    before = model.to_bytes()
    copied.attrs["gather_vocabulary"](copied, [make_doc("别的/词")])
    copied.initialize()
    assert model.to_bytes() == before
    assert copied.layers[0].get_param("E").shape == (3, 4)


def test_static_vectors_of_words():
    vocab = NLP.vocab
    vocab.vectors = spacy.vectors.Vectors(shape=(2, 3))
    vocab.set_vector("北京", numpy.array([1.0, 0, 0], dtype="float32"))
    vocab.set_vector("龘龘", numpy.array([0, 0, 1.0], dtype="float32"))
    # All words share one row of the hash table: what differs are the vectors.
    embed = MultiHashEmbed(4, ["ORTH"], [1], include_static_vectors=True)
    model = make_model(embed, position_width=0)
    assert model.get_dim("nO") == 4
    unknown = vectors_of(model, "大学")
    assert (vectors_of(model, "计算机")[0] == unknown[0]).all()
    assert (vectors_of(model, "北京") != unknown).any()
    # Training has not seen it.
    assert (vectors_of(model, "龘龘") != unknown).any()
    vocab.vectors = spacy.vectors.Vectors()
