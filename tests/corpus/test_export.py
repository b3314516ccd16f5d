import json
import zlib

import numpy
import pytest
import spacy
from spacy.tokens import DocBin, Span

from spacy_bilstm_crf.corpus.export import FORMATS, export
from spacy_bilstm_crf.corpus.sentence import CorpusError

ZH = spacy.blank("zh")


def annotated(text, *offsets):
    doc = ZH.make_doc(text)
    doc.set_ents([doc.char_span(*offset) for offset in offsets], default="outside")
    return doc


def assert_all_accounted_for(report):
    assert report.entities_read == report.entities_written + report.entities_dropped
    left_out = report.kinds["sentence-dropped"]
    assert report.sentences_read == report.sentences_written + left_out
    assert report.sentences_written == sum(report.outputs.values())


@pytest.fixture
def save(tmp_path):
    def save_docs(*docs, name="in.spacy"):
        DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / name)
        return tmp_path / name

    return save_docs


DOC = annotated("在青川市。", (1, 4, "LOC"))
EMPTY = ZH.make_doc("")


def test_entities_and_docs_are_counted(save, tmp_path):
    first = save(DOC, EMPTY, name="a.spacy")
    second = save(annotated("沪杭", (0, 1, "LOC"), (1, 2, "X")), name="b.spacy")
    report = export([first, second], tmp_path / "out", format="columns", lang="zh")
    assert report.entities_written == {"LOC": 2, "X": 1}
    assert (report.sentences_read, report.sentences_written) == (3, 2)
    assert (report.tokens_read, report.tokens_written) == (7, 7)
    assert report.outputs == {str(tmp_path / "out"): 2}
    [record] = report.records
    assert (record.source, record.line) == (str(first), 2)
    assert_all_accounted_for(report)


def test_scheme_may_have_another_name(save, tmp_path):
    for scheme in ("biluo", "bilou"):
        export([save(DOC)], tmp_path / scheme, format="jsonl", scheme=scheme)
    assert (tmp_path / "biluo").read_bytes() == (tmp_path / "bilou").read_bytes()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"default": "missing"}, "4 of 5 tokens missing or blocked"),
        ({"default": "outside", "blocked": [DOC[0:1]]}, "1 of 5 tokens"),
        ({"default": "outside", "missing": [DOC[0:1]]}, "1 of 5 tokens"),
    ],
)
def test_tokens_without_annotation_are_listed(save, tmp_path, settings, why):
    doc = ZH.make_doc(DOC.text)
    doc.set_ents([Span(doc, 2, 3, "LOC")], **settings)
    report = export([save(doc)], tmp_path / "out", format="jsonl")
    [record] = report.records
    assert (record.kind, record.line) == ("not-annotated", 1)
    assert why in record.why
    assert json.loads((tmp_path / "out").read_text("utf8"))["labels"] == [
        *("O", "O", "B-LOC", "O", "O"),
    ]


def test_spans_under_a_key_are_written_with_overlaps(save, tmp_path):
    doc = annotated("在青川市。", (1, 2, "OTHER"))
    doc.spans["sc"] = [Span(doc, 2, 3, "X"), Span(doc, 1, 4, "LOC")]
    report = export([save(doc)], tmp_path / "out", format="doccano", spans_key="sc")
    row = json.loads((tmp_path / "out").read_text("utf8"))
    assert row["label"] == [[1, 4, "LOC"], [2, 3, "X"]]
    assert report.entities_written == {"X": 1, "LOC": 1}
    assert not report.records


def test_tags_list_the_overlaps_that_they_cannot_say(save, tmp_path):
    doc = annotated("在青川市。")
    doc.spans["sc"] = [Span(doc, 2, 3, "X"), Span(doc, 1, 4, "LOC")]
    report = export([save(doc)], tmp_path / "out", format="jsonl", spans_key="sc")
    assert report.entities_read == {"X": 1, "LOC": 1}
    assert report.entities_written == {"LOC": 1}
    assert_all_accounted_for(report)


def test_doc_without_the_key_is_listed(save, tmp_path):
    doc = annotated("中")
    doc.spans["sc"] = []
    path = save(doc, annotated("国"))
    report = export([path], tmp_path / "out", format="doccano", spans_key="sc")
    assert [(r.kind, r.line) for r in report.records] == [("not-annotated", 2)]


@pytest.mark.parametrize("format_", FORMATS)
def test_spans_without_label_or_tokens_are_dropped_and_listed(save, tmp_path, format_):
    doc = annotated("青川市")
    doc.spans["sc"] = [Span(doc, 0, 1), Span(doc, 1, 1, "X"), Span(doc, 0, 2, " ")]
    path = save(doc)
    report = export([path], tmp_path / "out", format=format_, lang="zh", spans_key="sc")
    assert [(r.kind, r.label) for r in report.records] == [
        *(("entity-dropped", " "), ("entity-dropped", ""), ("entity-dropped", "X")),
    ]
    assert_all_accounted_for(report)


def test_report_file_has_every_record(save, tmp_path):
    path = save(DOC, EMPTY)
    report_path = tmp_path / "report.jsonl"
    export([path], tmp_path / "out", format="columns", lang="zh", report_path=report_path)
    [row] = map(json.loads, report_path.read_text("utf8").splitlines())
    assert (row["source"], row["line"], row["kind"]) == (str(path), 2, "sentence-dropped")


@pytest.mark.parametrize(
    "content",
    [b"", b"text", zlib.compress(b"\x80"), DocBin(docs=[DOC]).to_bytes()[:-9]],
    ids=["empty", "text", "map", "cut"],
)
@pytest.mark.parametrize("format_", ["jsonl", "brat"])
def test_what_is_no_docbin_is_a_clear_error(save, tmp_path, content, format_):
    (tmp_path / "bad.spacy").write_bytes(content)
    inputs = [save(DOC), tmp_path / "bad.spacy"]
    with pytest.raises(CorpusError, match=r"bad.spacy cannot be read"):
        export(inputs, tmp_path / "out", format=format_)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.spacy", "in.spacy"]


def test_entities_that_cannot_be_are_a_clear_error(save, tmp_path):
    doc = annotated("青川")
    # Inside of an entity of which there is no beginning: DocBin does not look.
    doc.from_array(["ENT_IOB", "ENT_TYPE"], numpy.asarray([[2, 0], [1, 7]], "uint64"))
    with pytest.raises(CorpusError, match=r"in.spacy cannot be read .* I without B"):
        export([save(doc)], tmp_path / "out", format="jsonl")


@pytest.mark.parametrize("text", ["青川青", "ab青"], ids=["beyond", "elsewhere"])
def test_spans_that_cannot_be_are_a_clear_error(tmp_path, text):
    docs, other = DocBin(docs=[annotated("青川")]), annotated(text)
    other.spans["sc"] = [other[1 : len(other)]]
    docs.span_groups = [other.spans.to_bytes()]
    docs.to_disk(tmp_path / "in.spacy")
    with pytest.raises(CorpusError, match=r"in.spacy cannot be read .*: (\[E035\]|Doc 1)"):
        export([tmp_path / "in.spacy"], tmp_path / "out", format="jsonl", spans_key="sc")


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (["no.spacy"], {}, "no.spacy does not exist"),
        (["."], {}, "is a folder: name the .spacy files"),
        ([], {}, "No input"),
        (["in.spacy", "out"], {}, "out is an input"),
        (["in.spacy"], {"report_path": "out"}, "out is the output too"),
        (["in.spacy"], {"format": "csv"}, "Unknown format 'csv'. Use: columns, jsonl"),
        (["in.spacy"], {"scheme": "bies"}, "Unknown scheme 'bies'"),
        (["in.spacy"], {"scheme": "auto"}, "'auto' is for reading"),
        (["in.spacy"], {"format": "columns"}, "Which language?"),
        (["in.spacy"], {"format": "columns", "lang": "qq"}, "No language for --lang qq"),
        (["in.spacy"], {"spans_key": "x"}, "No Doc has spans under 'x'. Found: a, sc"),
        (["none.spacy"], {}, "No Doc is left to write to .*out$"),
        (["empty.spacy"], {"format": "columns", "lang": "zh"}, "empty.spacy:1: Doc left"),
    ],
)
def test_impossible_requests_are_clear_errors(
    save, tmp_path, monkeypatch, inputs, options, message
):
    monkeypatch.chdir(tmp_path)
    doc = annotated("中")
    doc.spans["sc"] = doc.spans["a"] = []
    save(doc)
    save(doc, name="out")
    save(name="none.spacy")
    save(EMPTY, name="empty.spacy")
    before = (tmp_path / "out").read_bytes()
    if "report_path" in options:
        options = {"report_path": tmp_path / options["report_path"]}
    with pytest.raises(CorpusError, match=message):
        export(inputs, "out", **{"format": "jsonl", **options})
    assert (tmp_path / "out").read_bytes() == before
