"""Embeddings side by side in one config, with what earlier components set."""

import numpy
import pytest
import spacy
from spacy import Language
from spacy.tokens import DocBin, Token
from spacy.training import Example
from spacy.training.initialize import load_vectors_into_model
from spacy.util import load_config_from_str, load_model_from_config
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import app

HEAD = """
[nlp]
lang = "zh"
pipeline = {pipeline}

[components]

[components.ner]
factory = "bilstm_crf"

[components.ner.model]
@architectures = "spacy-bilstm-crf.BiLSTMCRF.v1"
hidden_width = 8
depth = 1
dropout = 0.0
adversarial_norm = 0.0

[components.ner.model.tok2vec]
@layers = "concatenate.v1"

[components.ner.model.tok2vec.*.chars]
@architectures = "spacy-bilstm-crf.NgramEmbed.v1"
width = 4
"""
# Their names are not in alphabetical order: nor must the weights be, once saved.
HASHES = """
[components.ner.model.tok2vec.*.attributes]
@architectures = "spacy.MultiHashEmbed.v2"
width = 4
attrs = {attrs}
rows = {rows}
include_static_vectors = {vectors}
"""
WORDS = """
[components.ner.model.tok2vec.*.a_words]
@architectures = "spacy-bilstm-crf.WordEmbed.v1"
position_width = 2

[components.ner.model.tok2vec.*.a_words.segmenter]
@misc = "spacy-bilstm-crf.SpanSegmenter.v1"

[components.ner.model.tok2vec.*.a_words.embed]
@architectures = "spacy-bilstm-crf.NgramEmbed.v1"
width = 4
orders = [1]
min_freq = [1]
dropout = [0.0]

[components.words]
factory = "span_ruler"
spans_key = "words"

[training]
annotating_components = ["words"]

[initialize]

[initialize.components]

[initialize.components.words]
patterns = [{"label": "", "pattern": "张三"}, {"label": "", "pattern": "北京大学"}]
"""
EXTENSION = """
[components.ner.model.tok2vec.*.kinds]
@architectures = "spacy-bilstm-crf.NgramEmbed.v1"
width = 4
orders = [1]
min_freq = [1]
dropout = [0.0]
singleton_dropout = 0.0
attr = "_.test_kind"

[components.kinds]
factory = "test_features_kinds"

[training]
annotating_components = ["kinds"]
"""
TEXT = "张三在北京大学"


@Language.component("test_features_kinds")
def set_kinds(doc):
    for token in doc:
        token._.test_kind = "surname" if token.text in "张李" else "other"
    return doc


@pytest.fixture(autouse=True)
def _kind():
    Token.set_extension("test_kind", default="none")
    yield
    Token.remove_extension("test_kind")


def make_config(*sections, pipeline=("ner",)):
    names = str(list(pipeline)).replace("'", '"')
    return "".join([HEAD.format(pipeline=names), *sections])


def make_examples(nlp, texts=(TEXT, "李四", "", "在大学")):
    examples = []
    for text in texts:
        gold = nlp.make_doc(text)
        ents = [gold.char_span(0, 2, "NAME")] if text[:1] in set("张李") else []
        gold.set_ents(ents, default="outside")
        examples.append(Example(nlp.make_doc(text), gold))
    return examples


def train(config, prepare=None, annotates=()):
    config = load_config_from_str(config)
    nlp = load_model_from_config(config, auto_fill=True)
    if prepare is not None:
        prepare(nlp)
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    optimizer.learn_rate = 0.02
    for _ in range(40):
        nlp.update(make_examples(nlp), sgd=optimizer, annotates=annotates)
    return nlp


def check(nlp, tmp_path):
    """It has learned, copes with empty Docs, and is the same again once saved."""
    docs = list(nlp.pipe([TEXT, "", "李四", "在"]))
    assert [[ent.text for ent in doc.ents] for doc in docs] == [["张三"], [], ["李四"], []]
    assert not nlp("").ents
    assert not next(nlp.pipe([""])).ents
    nlp.to_disk(tmp_path / "saved")
    again = spacy.load(tmp_path / "saved")
    model, loaded = nlp.get_pipe("ner").model, again.get_pipe("ner").model
    assert model.to_bytes() == loaded.to_bytes()
    answers = nlp.get_pipe("ner").tag_marginals(docs)
    for a, b in zip(answers, again.get_pipe("ner").tag_marginals(docs), strict=True):
        assert (a == b).all()
    assert again(TEXT).ents[0].text == "张三"


def parts(nlp):
    """The names of the embeddings that are joined, and their widths."""
    tok2vec = nlp.get_pipe("ner").model.get_ref("tok2vec")
    return [(layer.name, layer.get_dim("nO")) for layer in tok2vec.layers]


def test_attributes_of_tokens_join_the_characters(tmp_path):
    section = HASHES.format(attrs='["SHAPE", "TAG"]', rows="[50, 50]", vectors="false")
    nlp = train(make_config(section))
    assert [width for _, width in parts(nlp)] == [8, 4]
    check(nlp, tmp_path)


def test_tags_of_an_earlier_component_reach_the_model():
    section = HASHES.format(attrs='["TAG"]', rows="[50]", vectors="false")
    nlp = load_model_from_config(load_config_from_str(make_config(section)), auto_fill=True)
    nlp.initialize(lambda: make_examples(nlp))
    doc = nlp.make_doc(TEXT)
    [before] = nlp.get_pipe("ner").tag_marginals([doc])
    doc[0].tag_ = "NR"
    [after] = nlp.get_pipe("ner").tag_marginals([doc])
    assert (before != after).any()


def test_static_vectors_join_the_characters(tmp_path):
    source = tmp_path / "some.vec"
    source.write_text("".join(f"{c} {ord(c) % 7} 1 0\n" for c in TEXT), encoding="utf8")
    command = ["bilstm-crf", "vectors", str(source), str(tmp_path / "v"), "--lang", "zh"]
    assert CliRunner().invoke(app, command).exit_code == 0
    section = HASHES.format(attrs='["ORTH"]', rows="[50]", vectors="true")
    nlp = train(
        make_config(section), lambda nlp: load_vectors_into_model(nlp, tmp_path / "v")
    )
    assert nlp.vocab.vectors.shape == (len(TEXT), 3)
    check(nlp, tmp_path)


def test_words_of_an_earlier_component_join_the_characters(tmp_path):
    config = make_config(WORDS, pipeline=("words", "ner"))
    nlp = train(config, annotates=["words"])
    assert [width for _, width in parts(nlp)] == [8, 6]
    check(nlp, tmp_path)
    # The unknown, 张三, 北京大学, 在, 李, 四, 大 and 学: the words of annotated Docs.
    embed = nlp.get_pipe("ner").model.get_ref("tok2vec").layers[1].layers[0]
    assert embed.get_param("E").shape == (8, 4)


def test_without_the_earlier_component_a_warning_says_what_to_do():
    config = make_config(WORDS, pipeline=("words", "ner"))
    config = config.replace('components = ["words"]', "components = []")
    with pytest.warns(UserWarning, match="annotating_components"):
        train(config)


def test_an_extension_attribute_joins_the_characters(tmp_path):
    config = make_config(EXTENSION, pipeline=("kinds", "ner"))
    nlp = train(config, annotates=["kinds"])
    check(nlp, tmp_path)
    # The unknown, surname and other: nothing of Docs that no component has seen.
    embed = nlp.get_pipe("ner").model.get_ref("tok2vec").layers[1]
    assert embed.get_param("E").shape == (3, 4)


def test_all_of_them_together(tmp_path):
    kinds = EXTENSION.split("[training]")[0]
    hashes = HASHES.format(attrs='["SHAPE"]', rows="[50]", vectors="false")
    words = WORDS.replace('["words"]', '["words", "kinds"]')
    config = make_config(hashes, kinds, words, pipeline=("words", "kinds", "ner"))
    nlp = train(config, annotates=["words", "kinds"])
    assert [width for _, width in parts(nlp)] == [8, 4, 4, 6]
    check(nlp, tmp_path)


def test_positions_without_words(tmp_path):
    words, training = WORDS.split("[components.words]")
    words = words[: words.index("[components.ner.model.tok2vec.*.a_words.embed]")]
    words = words.replace("position_width = 2", "position_width = 2\nembed = null")
    sections = (words, "[components.words]", training)
    config = make_config(*sections, pipeline=("words", "ner"))
    nlp = train(config, annotates=["words"])
    assert [width for _, width in parts(nlp)] == [8, 2]
    check(nlp, tmp_path)


def test_commands_of_spacy_take_the_config(tmp_path):
    hashes = HASHES.format(attrs='["SHAPE"]', rows="[50]", vectors="false")
    base, filled = tmp_path / "base.cfg", tmp_path / "filled.cfg"
    base.write_text(make_config(hashes, WORDS, pipeline=("words", "ner")), encoding="utf8")
    result = CliRunner().invoke(app, ["init", "fill-config", str(base), str(filled)])
    assert result.exit_code == 0, result.output
    assert "singleton_dropout = 0.5" in filled.read_text(encoding="utf8")
    path = str(tmp_path / "train.spacy")
    docs = [eg.reference for eg in make_examples(spacy.blank("zh"))]
    DocBin(docs=docs).to_disk(path)
    command = ["debug", "model", str(filled), "ner", "-P3"]
    with pytest.warns(UserWarning, match="no words"):
        result = CliRunner().invoke(
            app, [*command, "--paths.train", path, "--paths.dev", path]
        )
    assert result.exit_code == 0, result.output
    assert "STEP 3" in result.output


def test_a_batch_equals_its_docs_one_by_one():
    config = make_config(WORDS, pipeline=("words", "ner"))
    nlp = train(config, annotates=["words"])
    texts = [TEXT, "李四", "在", TEXT * 3]
    ner = nlp.get_pipe("ner")
    docs = [nlp.get_pipe("words")(nlp.make_doc(text)) for text in texts]
    for doc, together in zip(docs, ner.tag_marginals(docs), strict=True):
        [alone] = ner.tag_marginals([doc])
        numpy.testing.assert_allclose(alone, together, atol=1e-5)


def test_words_of_all_the_training_data_are_known():
    # spaCy shows a layer the first ten texts.
    config = load_config_from_str(make_config(WORDS, pipeline=("words", "ner")))
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: make_examples(nlp, [*["在"] * 15, TEXT]))
    embed = nlp.get_pipe("ner").model.get_ref("tok2vec").layers[1].layers[0]
    # The unknown, 在, 张三 and 北京大学.
    assert embed.get_param("E").shape == (4, 4)
