"""Whatever is written comes back the same, or the difference is listed."""

from itertools import pairwise

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin, Span
from spacy.vocab import Vocab

from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.corpus.export import FORMATS, export
from spacy_bilstm_crf.corpus.schemes import SCHEMES

ZH = spacy.blank("zh")
EN = spacy.blank("en")
# Characters that readers of some format might take for something else.
TEXTS = st.text(
    st.sampled_from("中国人A1 #-'\"\\。\u3000\t\n\r\u2028\u200e\x1c\ufeff😀é"), max_size=12
)
LABELS = st.sampled_from(["PER", "JOB-TITLE", "B-X", "S", "地名"])


def load(path):
    return list(DocBin().from_disk(path).get_docs(Vocab()))


def annotated(text, *offsets, nlp=ZH):
    doc = nlp.make_doc(text)
    doc.set_ents([doc.char_span(*offset) for offset in offsets], default="outside")
    return doc


def edges_of(span):
    return span.start_char, span.end_char, span.label_


def ents(doc):
    return [edges_of(ent) for ent in doc.ents]


def content(docs):
    return [(doc.text, [token.text for token in doc], ents(doc)) for doc in docs]


def clean(spans):
    """Leave out what no reader takes for an entity: with whitespace at its edges."""
    return [span for span in spans if span.text == span.text.strip()]


@st.composite
def docs_with_entities(draw, nlp):
    """A Doc with entities that do not overlap, some of them neighbours."""
    doc = nlp(draw(TEXTS))
    cuts = sorted(draw(st.sets(st.integers(0, len(doc)), max_size=6)))
    spans = [Span(doc, *edges, draw(LABELS)) for edges in pairwise(cuts)]
    spans = [span for span in spans if draw(st.integers(0, 3))]
    doc.set_ents(clean(spans), default="outside")
    return doc


def round_trip(docs, folder, nlp, *, format, lossless=True, **options):
    """The Docs after a way out and back, and what was listed on the way."""
    path, output, back = folder / "in.spacy", folder / "out", folder / "back.spacy"
    DocBin(docs=docs).to_disk(path)
    report = export([path], output, format=format, lang=nlp.lang, **options)
    assert report.entities_read == report.entities_written + report.entities_dropped
    again = convert([output], back, nlp, format=format, spans_key=options.get("spans_key"))
    assert again.entities_read == report.entities_written
    assert not again.records
    if lossless:
        assert not report.records
    return load(back), report


@pytest.mark.parametrize("nlp", [ZH, EN], ids=lambda nlp: nlp.lang)
@pytest.mark.parametrize("format_", ["jsonl", "doccano", "prodigy", "brat"])
@given(data=st.data())
def test_any_docs_come_back_the_same(tmp_path_factory, format_, nlp, data):
    first = annotated("In 沪", (3, 4, "LOC"), nlp=nlp)
    docs = [first, *data.draw(st.lists(docs_with_entities(nlp), max_size=3))]
    back, _ = round_trip(docs, tmp_path_factory.mktemp("data"), nlp, format=format_)
    assert content(back) == content(docs)


@given(docs=st.lists(docs_with_entities(ZH), max_size=3))
def test_any_columns_come_back_the_same_but_for_line_breaks(tmp_path_factory, docs):
    docs = [annotated("在沪", (1, 2, "LOC")), *docs]
    back, report = round_trip(
        docs, tmp_path_factory.mktemp("data"), ZH, format="columns", lossless=False
    )
    listed = {(record.line, record.kind) for record in report.records}
    empty = {(i, "sentence-dropped") for i, doc in enumerate(docs, 1) if not doc}
    broken = {(i, "text-changed") for i, doc in enumerate(docs, 1) if "\n" in doc.text}
    assert listed == empty | broken
    left = [doc for doc in docs if len(doc)]
    for doc, again in zip(left, back, strict=True):
        assert again.text == doc.text.replace("\n", " ")
        assert ents(again) == ents(doc)
        assert content([again]) == content([doc]) or "\n" in doc.text


@given(docs=st.lists(docs_with_entities(EN), max_size=3))
def test_columns_of_spaced_languages_come_back_the_same_or_are_listed(
    tmp_path_factory, docs
):
    docs = [annotated("In Oslo", (3, 7, "LOC"), nlp=EN), *docs]
    back, report = round_trip(
        docs, tmp_path_factory.mktemp("data"), EN, format="columns", lossless=False
    )
    dropped = {r.line for r in report.records if r.kind == "sentence-dropped"}
    changed = {r.line for r in report.records if r.kind == "text-changed"}
    left = [(i, doc) for i, doc in enumerate(docs, 1) if i not in dropped]
    for (i, doc), again in zip(left, back, strict=True):
        assert (again.text != doc.text) == (i in changed)
        assert content([again]) == content([doc]) or i in changed
        assert [ent.text.split() for ent in again.ents] == [
            [part for token in ent for part in token.text.split()] for ent in doc.ents
        ]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("format_", ["columns", "jsonl"])
@settings(max_examples=30)
@given(doc=docs_with_entities(ZH))
def test_every_scheme_comes_back_the_same(tmp_path_factory, format_, scheme, doc):
    docs = [doc, annotated("在沪", (1, 2, "LOC"))]
    back, report = round_trip(
        *(docs, tmp_path_factory.mktemp("data"), ZH),
        **{"format": format_, "scheme": scheme, "lossless": False},
    )
    if not report.records:
        assert content(back) == content(docs)
    if scheme != "io":
        assert not report.entities_dropped


@pytest.mark.parametrize("format_", ["doccano", "prodigy", "brat"])
@given(data=st.data())
def test_overlapping_spans_come_back_the_same(tmp_path_factory, format_, data):
    doc = data.draw(docs_with_entities(ZH))
    edges = st.integers(0, len(doc))
    drawn = data.draw(st.sets(st.tuples(edges, edges, LABELS), max_size=6))
    doc.spans["sc"] = clean([Span(doc, i, j, label) for i, j, label in drawn if i < j])
    other = annotated("南湖")
    other.spans["sc"] = [Span(other, 0, 1, "LOC")]
    folder = tmp_path_factory.mktemp("data")
    [_, back], _ = round_trip([other, doc], folder, ZH, format=format_, spans_key="sc")
    assert sorted(map(edges_of, back.spans["sc"])) == sorted(map(edges_of, doc.spans["sc"]))
    assert back.text == doc.text


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    ("name", "n_docs"),
    [
        ("resume/dev.char.bmes", 463),
        ("chinese_ner/example.dev", 2318),
        ("zxuu/train_data.txt", 814),
        ("ruijin", 10),
    ],
)
def test_real_corpora_come_back_the_same(corpora, tmp_path, name, n_docs, format_):
    source = corpora / name
    if name == "ruijin":
        source = tmp_path / name
        source.mkdir()
        for ann in sorted((corpora / name).glob("*.ann"))[:n_docs]:
            for half in (ann, ann.with_suffix(".txt")):
                (source / half.name).symlink_to(half)
    convert([source], tmp_path / "gold.spacy", ZH)
    docs = load(tmp_path / "gold.spacy")
    assert len(docs) == n_docs
    lossless = format_ != "columns" or name != "ruijin"
    back, report = round_trip(docs, tmp_path, ZH, format=format_, lossless=lossless)
    if lossless:
        assert content(back) == content(docs)
    assert set(report.kinds) <= {"text-changed"}
    for doc, again in zip(docs, back, strict=True):
        assert again.text == (doc.text if lossless else doc.text.replace("\n", " "))
        assert ents(again) == ents(doc)


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("resume/test.char.bmes", "bmes"), ("chinese_ner/example.dev", "bio")],
)
def test_column_files_come_back_to_the_byte(corpora, tmp_path, name, scheme):
    convert([corpora / name], tmp_path / "gold.spacy", ZH)
    output = tmp_path / "out"
    export([tmp_path / "gold.spacy"], output, format="columns", scheme=scheme, lang="zh")
    assert output.read_bytes() == (corpora / name).read_bytes()
