import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_bilstm_crf.annotate import annotate
from spacy_bilstm_crf.query import SAMPLE_SIZE

Doc.set_extension("seen_by", default="", force=True)


@Language.component("test_annotate_one")
def one(doc):
    doc._.seen_by += "1"
    return doc


@Language.component("test_annotate_two")
def two(doc):
    doc._.seen_by += "2"
    return doc


def seen_by(annotating, *, name="ner", disable=()):
    nlp = spacy.blank("zh")
    nlp.add_pipe("test_annotate_one", name="one")
    nlp.add_pipe("test_annotate_two", name="two")
    nlp.add_pipe("bilstm_crf", name="ner")
    nlp.add_pipe("test_annotate_one", name="after")
    nlp.config["training"]["annotating_components"] = annotating
    docs = [nlp.make_doc("中"), nlp.make_doc("")]
    with nlp.select_pipes(disable=list(disable)):
        annotated = annotate(docs, nlp, name, nlp.get_pipe("ner").model)
    assert [doc._.seen_by for doc in docs] == ["", ""]
    assert [doc.text for doc in annotated] == ["中", ""]
    return annotated[1]._.seen_by


def test_annotating_components_run_in_order():
    assert seen_by(["two", "one"]) == "12"


def test_others_do_not_run():
    assert seen_by([]) == ""
    assert seen_by(["two", "after"]) == "2"


def test_frozen_ones_run():
    # While spaCy initializes, they are disabled.
    assert seen_by(["two"], disable=["two"]) == "2"


def test_docs_stay_the_same_ones_where_nothing_is_added():
    nlp = spacy.blank("zh")
    model = nlp.add_pipe("bilstm_crf", name="ner").model
    docs = [nlp.make_doc("中")]
    assert annotate(docs, nlp, "ner", model)[0] is docs[0]
    assert annotate(docs, None, "ner", model)[0] is docs[0]


def test_components_that_take_streams():
    nlp = spacy.blank("zh")
    ruler = nlp.add_pipe("span_ruler", config={"spans_key": "words"})
    ruler.add_patterns([{"label": "", "pattern": "北京"}])
    model = nlp.add_pipe("bilstm_crf", name="ner").model
    nlp.config["training"]["annotating_components"] = ["span_ruler"]
    [doc] = annotate([nlp.make_doc("在北京")], nlp, "ner", model)
    assert [span.text for span in doc.spans["words"]] == ["北京"]


@pytest.mark.parametrize(
    ("tok2vec", "expected"),
    [
        ({"@architectures": "spacy-bilstm-crf.NgramEmbed.v1"}, 3 * SAMPLE_SIZE),
        (
            {
                "@architectures": "spacy.MultiHashEmbed.v2",
                "width": 8,
                "attrs": ["ORTH"],
                "rows": [50],
                "include_static_vectors": False,
            },
            SAMPLE_SIZE,
        ),
    ],
    ids=["a vocabulary", "hashes"],
)
def test_a_sample_is_annotated_unless_a_vocabulary_is_gathered(tok2vec, expected):
    nlp = spacy.blank("zh")
    nlp.add_pipe("test_annotate_one", name="one")
    config = {"model": {"tok2vec": tok2vec}}
    model = nlp.add_pipe("bilstm_crf", name="ner", config=config).model
    nlp.config["training"]["annotating_components"] = ["one"]
    docs = [nlp.make_doc("中") for _ in range(3 * SAMPLE_SIZE)]
    annotated = annotate(docs, nlp, "ner", model)
    assert [doc._.seen_by for doc in annotated] == ["1"] * expected
