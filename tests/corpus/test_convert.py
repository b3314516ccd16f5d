import re
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import spacy
import srsly
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokenizer import Tokenizer
from spacy.tokens import DocBin

from spacy_bilstm_crf.corpus import convert as module
from spacy_bilstm_crf.corpus import report as report_module
from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.corpus.sentence import CorpusError, Options

ZH = spacy.blank("zh")
EN = spacy.blank("en")
# A Chinese pipeline whose tokens are longer than a character.
CLAUSES = spacy.blank("zh")
CLAUSES.tokenizer = Tokenizer(CLAUSES.vocab, infix_finditer=re.compile("，").finditer)
# Three sentences: one to repair, a clean one, one to repair.
BROKEN = "王 B-PER\n博 M-PER\n在 S-LOC\n\n沪 S-LOC\n\n南 B-LOC\n湖 E-LOC\n和 X-LOC\n"


def load(path, nlp=ZH):
    return list(DocBin().from_disk(path).get_docs(nlp.vocab))


def ents(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def assert_counts_agree(report):
    assert report.entities_read == report.entities_written + report.entities_dropped
    listed = (r.label for r in report.records if r.kind == "entity-dropped")
    assert Counter(listed) == report.entities_dropped
    left_out = report.kinds["sentence-dropped"]
    assert report.sentences_read == report.sentences_written + left_out


def assert_all_accounted_for(report):
    assert_counts_agree(report)
    assert report.sentences_written == sum(report.outputs.values())


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="in.bmes"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf8"))
        return path

    return write_file


def test_repair_keeps_every_entity_and_lists_every_repair(write, tmp_path):
    report = convert([write(BROKEN)], tmp_path / "out.spacy", ZH)
    assert [ents(doc) for doc in load(tmp_path / "out.spacy")] == [
        [("王博", "PER"), ("在", "LOC")],
        [("沪", "LOC")],
        [("南湖", "LOC")],
    ]
    assert [(r.line, r.kind, r.before, r.after) for r in report.records] == [
        (2, "illegal-tag", "M-PER", "E-PER"),
        (9, "unknown-tag", "X-LOC", "O"),
    ]
    assert_all_accounted_for(report)


def test_skip_leaves_out_sentences_and_lists_their_entities(write, tmp_path):
    report = convert([write(BROKEN)], tmp_path / "out.spacy", ZH, on_error="skip")
    assert [ents(doc) for doc in load(tmp_path / "out.spacy")] == [[("沪", "LOC")]]
    assert [(r.line, r.kind, r.before) for r in report.records] == [
        (1, "sentence-dropped", ""),
        (1, "entity-dropped", "王博"),
        (3, "entity-dropped", "在"),
        (7, "sentence-dropped", ""),
        (7, "entity-dropped", "南湖"),
    ]
    assert "line 2: the entity is left open" in report.records[0].why
    assert_all_accounted_for(report)


def test_raise_stops_at_the_first_fault_and_writes_nothing(write, tmp_path):
    path = write(BROKEN)
    with pytest.raises(CorpusError, match=rf"{re.escape(str(path))}:2: .*'M-PER'"):
        convert([path], tmp_path / "out.spacy", ZH, on_error="raise")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content", ["中 x O\n国 I-LOC\n\n人 O\n", "中 I-LOC\n国 x O\n人 O\n"]
)
def test_raise_names_the_first_line_of_several(write, tmp_path, content):
    with pytest.raises(CorpusError, match=r"in.bmes:1:"):
        convert([write(content)], tmp_path, ZH, options=Options("bio"), on_error="raise")


@pytest.mark.parametrize("on_error", ["repair", "skip"])
def test_sentence_that_cannot_be_repaired_is_dropped(write, tmp_path, on_error):
    content = "中 O\n\n".encode() + "沪 I-LOC\n".encode("gbk")
    report = convert([write(content)], tmp_path / "out.spacy", ZH, on_error=on_error)
    assert len(load(tmp_path / "out.spacy")) == 1
    assert [r.kind for r in report.records] == ["sentence-dropped", "entity-dropped"]
    assert "not UTF-8" in report.records[0].why
    assert_all_accounted_for(report)


def test_sentence_too_long_for_the_pipeline_is_dropped(write, tmp_path):
    nlp = spacy.blank("zh")
    nlp.max_length = 3
    path = write("中 O\n国 O\n人 O\n\n中 O\n国 O\n人 O\n民 B-LOC\n")
    report = convert([path], tmp_path / "out.spacy", nlp)
    assert [doc.text for doc in load(tmp_path / "out.spacy")] == ["中国人"]
    assert "4 characters" in report.records[0].why
    assert_all_accounted_for(report)


def test_all_inputs_go_to_one_spacy_file(write, tmp_path):
    inputs = [write("中 O\n", "a.bio"), write("国 O\n", "b.bio")]
    report = convert(inputs, tmp_path / "new" / "out.spacy", ZH)
    assert [d.text for d in load(tmp_path / "new" / "out.spacy")] == ["中", "国"]
    assert_all_accounted_for(report)


def test_each_input_gets_a_file_in_an_output_folder(write, tmp_path):
    inputs = [write("中 O\n", "train.char.bmes"), write("国 O\n", "dev.char.bmes")]
    convert(inputs, tmp_path / "out", ZH)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("dev.spacy", "train.spacy"),
    ]


def test_clash_of_output_names_is_found_before_anything_is_written(write, tmp_path):
    inputs = [write("中 O\n", name) for name in ("x.bio", "a/train.bio", "b/train.bio")]
    with pytest.raises(CorpusError, match=r"a/train.bio and .*b/train.bio would both"):
        convert(inputs, tmp_path / "out", ZH)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["no.bio"], "out.spacy", "no.bio does not exist"),
        (["empty"], "out.spacy", "empty has no corpus file"),
        ([], "out.spacy", "No input"),
        (["a.bio", "empty/../a.bio"], "out.spacy", "given twice"),
        (["a.bio"], "b.bio", "b.bio is no folder"),
        (["a.bio"], "folder.spacy", "folder.spacy is a folder"),
        (["blank.bio"], "out.spacy", "No sentence is left .* no sentence in this file"),
    ],
)
def test_impossible_requests_are_clear_errors(write, tmp_path, inputs, output, message):
    for name in ("a.bio", "b.bio"):
        write("中 O\n", name)
    write("\n\n", "blank.bio")
    for name in ("empty", "folder.spacy"):
        (tmp_path / name).mkdir()
    with pytest.raises(CorpusError, match=message):
        convert([tmp_path / name for name in inputs], tmp_path / output, ZH)


def test_unknown_options_are_clear_errors(write, tmp_path):
    path = write("中 O\n")
    with pytest.raises(CorpusError, match="on_error 'ignore'"):
        convert([path], tmp_path / "out.spacy", ZH, on_error="ignore")
    with pytest.raises(CorpusError, match="shards is 0"):
        convert([path], tmp_path / "out.spacy", ZH, shards=0)
    with pytest.raises(CorpusError, match="not both"):
        convert([path], tmp_path / "out.spacy", ZH, shards=2, max_docs=2)
    with pytest.raises(CorpusError, match="format 'xml'"):
        convert([path], tmp_path / "out.spacy", ZH, format="xml")
    with pytest.raises(CorpusError, match="scheme 'bies'"):
        convert([path], tmp_path / "out.spacy", ZH, options=Options("bies"))


def test_empty_file_beside_others_is_a_record(write, tmp_path):
    inputs = [write("", "a.bio"), write("中 O\n", "b.bio")]
    report = convert(inputs, tmp_path / "out.spacy", ZH)
    assert [r.kind for r in report.records] == ["empty-file"]
    with pytest.raises(CorpusError, match=r"a.bio:1: no sentence"):
        convert(inputs, tmp_path / "out.spacy", ZH, on_error="raise")


def test_file_of_another_encoding_does_not_pass_by_its_ascii_lines(write, tmp_path):
    path = write("中 B-LOC\n国 E-LOC\n\n".encode("gbk") * 2 + b"ok O\n\n")
    with pytest.raises(CorpusError, match=r"in.bmes: most sentences .* iconv -f GB18030"):
        convert([path], tmp_path / "out.spacy", ZH)


def test_no_input_is_written_over(write, tmp_path):
    path = write("中 O\n")
    for report in (path, tmp_path / "x.spacy"):
        with pytest.raises(CorpusError, match=r"name another|give another"):
            convert([path], tmp_path / "x.spacy", ZH, report_path=report)
    assert path.read_text("utf8") == "中 O\n"
    assert list(tmp_path.iterdir()) == [path]


def test_report_lists_the_fault_that_stopped_it(write, tmp_path):
    listed = tmp_path / "report.jsonl"
    with pytest.raises(CorpusError):
        convert(
            [write(BROKEN)], tmp_path / "x.spacy", ZH, on_error="raise", report_path=listed
        )
    assert [record["line"] for record in srsly.read_jsonl(listed)] == [2]


def test_cancelled_annotations_are_listed_but_no_fault(samples, tmp_path):
    region = {"value": {"start": 0, "end": 1, "labels": ["X"]}, "type": "labels"}
    task = {
        "data": {"text": "中国"},
        "annotations": [
            {"result": [region], "was_cancelled": True},
            {"result": [region], "was_cancelled": False},
        ],
    }
    srsly.write_json(tmp_path / "in.json", [task])
    for on_error in ("skip", "raise"):
        report = convert(
            [tmp_path / "in.json"], tmp_path / "x.spacy", ZH, on_error=on_error
        )
        assert report.entities_written == {"X": 1}
        assert report.kinds == {"entity-dropped": 1}
        assert_all_accounted_for(report)


def test_files_of_another_run_are_not_mixed_in(write, tmp_path):
    path = write("中 O\n\n国 O\n")
    convert([path], tmp_path / "x.spacy", ZH)
    with pytest.raises(CorpusError, match=r"x.spacy is from another run"):
        convert([path], tmp_path / "x.spacy", ZH, shards=2)
    (tmp_path / "x.spacy").unlink()
    convert([path], tmp_path / "x.spacy", ZH, shards=2)
    with pytest.raises(CorpusError, match=r"00001.spacy is from another run"):
        convert([path], tmp_path / "x.spacy", ZH)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_nothing_is_lost_with_any_options(samples, data):
    draw = data.draw
    source = draw(st.sampled_from(sorted(samples.iterdir())))
    nlp = draw(st.sampled_from([ZH, EN, CLAUSES]))
    spans_key = draw(st.sampled_from([None, "sc"]))
    options = {
        "on_error": draw(st.sampled_from(["repair", "skip"])),
        "missing": draw(st.sampled_from(["none", "empty", "outside"])),
        "spans_key": spans_key,
        "split": draw(st.sampled_from(["none", "newline", "sentence"])),
        "max_tokens": draw(st.sampled_from([None, 1, 2, 5, 30])),
        "max_docs": draw(st.sampled_from([None, 1, 3])),
    }
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = convert([source], Path(folder, "x.spacy"), nlp, **options)
        except CorpusError:
            # All sentences were skipped.
            return
        docs = [doc for path in report.outputs for doc in load(path, nlp)]
    groups = [doc.spans[spans_key] if spans_key else doc.ents for doc in docs]
    found = Counter(span.label_ for group in groups for span in group)
    assert found == report.entities_written
    assert_counts_agree(report)


def test_entities_that_a_reader_drops_are_read_and_dropped(write, tmp_path):
    content = '{"text": "沪杭", "labels": [[0, 1, "X"], [1, 9, "X"]]}\n'
    for on_error, dropped in (("repair", 1), ("skip", 2)):
        path = write(content + NESTED, "in.jsonl")
        report = convert([path], tmp_path / "x.spacy", ZH, on_error=on_error, spans_key="a")
        assert report.entities_read["X"] == 2
        assert report.entities_dropped["X"] == dropped
        assert_all_accounted_for(report)


def test_files_of_a_folder_that_are_not_read_are_records_but_no_faults(write, tmp_path):
    write("中 O\n", "in/a.bio")
    write("PK", "in/notes.docx")
    report = convert([tmp_path / "in"], tmp_path / "out", ZH, on_error="raise")
    assert [(r.kind, r.source) for r in report.records] == [
        ("not-read", str(tmp_path / "in" / "notes.docx"))
    ]


def test_empty_file_beside_others_has_no_output(write, tmp_path):
    inputs = [write("", "a.bio"), write("中 O\n", "b.bio")]
    report = convert(inputs, tmp_path / "out", ZH)
    assert list(report.outputs) == [str(tmp_path / "out" / "b.spacy")]
    assert report.kinds == {"empty-file": 1}


@pytest.mark.parametrize(
    ("content", "nlp", "options", "hint"),
    [
        ("中 O\n国 O\n", EN, {}, "--lang zh"),
        ("中 O\n国 O\n", ZH, {}, None),
        ("New O\nHaven O\n", ZH, {}, "is --lang zh right"),
        ("科0 O\n技1 O\n", ZH, {}, "--segmentation"),
        ("中 O\n" * 3000, ZH, {}, "longest text has 3,000 tokens"),
        ("中 O\n" * 3000, ZH, {"max_tokens": 256}, None),
    ],
)
def test_options_that_may_not_fit_are_hinted_at(
    write, tmp_path, content, nlp, options, hint
):
    report = convert([write(content)], tmp_path / "out.spacy", nlp, **options)
    assert len(report.hints) == (hint is not None)
    assert hint is None or hint in report.hints[0]


NESTED = (
    '{"text": "南湖大学食堂", "labels": [[0, 2, "LOC"], [0, 4, "ORG"], [0, 4, "FAC"]]}\n'
)


def test_overlaps_are_dropped_or_kept_under_a_key(write, tmp_path):
    path = write(NESTED, "in.jsonl")
    report = convert([path], tmp_path / "out.spacy", ZH)
    assert report.entities_dropped == {"LOC": 1, "FAC": 1}
    assert_all_accounted_for(report)
    report = convert([path], tmp_path / "out.spacy", ZH, spans_key="sc")
    assert (report.entities_written.total(), report.records) == (3, [])
    [doc] = load(tmp_path / "out.spacy")
    assert (ents(doc), len(doc.spans["sc"])) == ([("南湖大学", "ORG")], 3)


def test_long_docs_are_split_and_all_entities_kept(write, tmp_path):
    path = write("南 B-ORG\n湖 E-ORG\n在 O\n" * 10)
    report = convert([path], tmp_path / "out.spacy", ZH, split="sentence", max_tokens=4)
    docs = load(tmp_path / "out.spacy")
    assert max(map(len, docs)) <= 4
    assert (report.sentences_written, len(docs)) == (1, sum(report.outputs.values()))
    assert report.entities_written == {"ORG": 10}


def test_entity_longer_than_a_piece_is_a_record(write, tmp_path):
    path = write("南 B-ORG\n湖 M-ORG\n大 M-ORG\n学 E-ORG\n")
    report = convert([path], tmp_path / "out.spacy", ZH, max_tokens=2)
    assert [len(doc) for doc in load(tmp_path / "out.spacy")] == [4]
    assert [r.kind for r in report.records] == ["split-too-long"]
    with pytest.raises(CorpusError, match="piece of 4 tokens"):
        convert([path], tmp_path / "x.spacy", ZH, max_tokens=2, on_error="raise")


def test_shards_are_even_and_in_order(write, tmp_path):
    inputs = [write("中 O\n\n" * 5, "a.bio"), write("国 O\n\n" * 5, "b.bio")]
    report = convert(inputs, tmp_path / "train.spacy", ZH, shards=4)
    assert sorted(report.outputs.values()) == [2, 2, 3, 3]
    texts = [d.text for path in sorted(report.outputs) for d in load(path)]
    assert texts == ["中"] * 5 + ["国"] * 5


def test_max_docs_counts_pieces(write, tmp_path):
    path = write("中 O\n国 O\n人 O\n\n" * 3)
    report = convert([path], tmp_path / "x.spacy", ZH, max_tokens=1, max_docs=4)
    assert report.outputs == {
        str(tmp_path / "x" / f"0000{i}.spacy"): n for i, n in ((1, 4), (2, 4), (3, 1))
    }


def test_report_file_lists_what_memory_does_not_hold(write, tmp_path, monkeypatch):
    monkeypatch.setattr(report_module, "MAX_KEPT", 3)
    path = write("中 O\n国 I-LOC\n\n" * 9, "in.bio")
    listed = tmp_path / "new" / "report.jsonl"
    options = Options("bio")
    report = convert([path], tmp_path / "x.spacy", ZH, options=options, report_path=listed)
    assert (len(report.records), report.kinds) == (3, {"illegal-tag": 9})
    assert len(list(srsly.read_jsonl(listed))) == 9


def test_report_file_tells_why_a_conversion_failed(write, tmp_path):
    path = write("沪 S-LOC\n".encode() + b"\xff O\n")
    listed = tmp_path / "report.jsonl"
    with pytest.raises(CorpusError, match="most sentences are not UTF-8"):
        convert([path], tmp_path / "x.spacy", ZH, report_path=listed)
    kinds = [record["kind"] for record in srsly.read_jsonl(listed)]
    assert kinds == ["sentence-dropped", "entity-dropped"]


def test_rejected_texts_are_listed_but_no_fault(write, tmp_path):
    record = (
        '{"text": "沪", "spans": [{"start": 0, "end": 1, "label": "X"}], "answer": "%s"}'
    )
    path = write("\n".join(record % answer for answer in ("accept", "reject")), "in.jsonl")
    report = convert([path], tmp_path / "x.spacy", ZH, on_error="raise")
    assert report.kinds == {"sentence-dropped": 1, "entity-dropped": 1}
    assert_all_accounted_for(report)


def test_half_of_a_surrogate_pair_is_dropped_and_listed(write, tmp_path):
    path = write('{"text": "a\\ud800", "labels": [[0, 1, "X"]]}\n' + NESTED, "in.jsonl")
    listed = tmp_path / "report.jsonl"
    report = convert([path], tmp_path / "x.spacy", ZH, report_path=listed)
    assert len(load(tmp_path / "x.spacy")) == 1
    assert report.kinds["sentence-dropped"] == 1
    assert "surrogate" in next(srsly.read_jsonl(listed))["why"]
    assert_all_accounted_for(report)


def test_same_input_gives_the_same_bytes(samples, tmp_path):
    for name in ("a.spacy", "b.spacy"):
        convert([samples / "english.bio"], tmp_path / name, EN)
    assert (tmp_path / "a.spacy").read_bytes() == (tmp_path / "b.spacy").read_bytes()


def test_english_sample_keeps_its_tokens_and_entities(samples, tmp_path):
    report = convert([samples / "english.bio"], tmp_path / "out.spacy", EN)
    assert report.tokens_read == report.tokens_written
    assert report.entities_written == {"PER": 38, "LOC": 36, "ORG": 28}
    assert not report.records


lines = st.one_of(
    st.sampled_from(
        ["中 B-LOC", "国 E-LOC", "a I-PER", "b\tS-PER", "  I-PER", "\u3000 B-X", "", "O"]
    ).map(str.encode),
    st.text(max_size=8).map(str.encode),
    st.binary(max_size=8),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.lists(lines, max_size=12).map(b"\n".join),
    on_error=st.sampled_from(module.ON_ERROR),
    nlp=st.sampled_from([ZH, EN]),
)
def test_any_bytes_give_docs_or_a_clear_error(write, tmp_path, content, on_error, nlp):
    output = tmp_path / "out.spacy"
    try:
        report = convert([write(content)], output, nlp, on_error=on_error)
    except CorpusError:
        return
    assert_all_accounted_for(report)
    docs = load(output, nlp)
    assert sum(len(doc.ents) for doc in docs) == report.entities_written.total()
    assert all(doc.has_annotation("ENT_IOB") for doc in docs)


@pytest.mark.parametrize(
    ("name", "entities", "repairs"),
    [("train", 13440, [62390, 62392, 64412, 64414]), ("dev", 1497, []), ("test", 1630, [])],
)
def test_resume_keeps_all_entities(corpora, tmp_path, name, entities, repairs):
    path = corpora / "resume" / f"{name}.char.bmes"
    report = convert([path], tmp_path, ZH)
    assert report.entities_read.total() == entities
    assert report.entities_written == report.entities_read
    assert report.tokens_written == report.tokens_read
    assert [(r.line, r.kind) for r in report.records] == [
        (line, "illegal-tag") for line in repairs
    ]
    assert list(report.outputs) == [str(tmp_path / f"{name}.spacy")]


@pytest.mark.parametrize(
    ("path", "entities", "kinds"),
    [
        ("chinese_ner/example.train.recovered", 5712, {}),
        ("chinese_ner/example.dev", 3819, {}),
        ("chinese_ner/example.test", 7707, {}),
        ("chinese_ner/chinese_ner_train_substitute.bio", 34257, {}),
        ("zxuu/train_data3.txt", 4320, {"span-trimmed": 1}),
        ("zxuu/train_data.txt", 5108, {"span-trimmed": 1, "illegal-tag": 3}),
        ("zxuu/resume.sample.json", 13, {}),
    ],
)
def test_other_corpora_keep_all_entities(corpora, tmp_path, path, entities, kinds):
    report = convert([corpora / path], tmp_path / "x.spacy", ZH)
    assert report.entities_read.total() == entities
    assert report.entities_written == report.entities_read
    assert report.kinds == kinds


def test_ruijin_loses_nothing_but_overlaps(corpora, tmp_path):
    report = convert(
        [corpora / "ruijin"], tmp_path / "x.spacy", ZH, split="newline", max_tokens=256
    )
    assert report.sentences_read == 363
    assert report.entities_read.total() == 140_028
    assert report.entities_written.total() == 139_598
    assert report.kinds == {"entity-dropped": 430, "text-mismatch": 9}
    whys = {r.why.split(",")[0] for r in report.records if r.kind == "entity-dropped"}
    assert all("overlaps a longer one" in why or "labelled" in why for why in whys)
    docs = load(tmp_path / "x.spacy")
    assert max(map(len, docs)) <= 256
    assert sum(len(doc.ents) for doc in docs) == 139_598


def test_missing_annotation_reaches_the_file(write, tmp_path):
    """Through pieces, and through the DocBin."""
    path = write("在 O\n南 B-LOC\n湖 E-LOC\n边 O\n\n你 O\n好 O\n")
    for missing, expected in (("empty", "OBIO--"), ("outside", "-BI---")):
        report = convert(
            [path], tmp_path / "x.spacy", ZH, missing=missing, split="none", max_tokens=3
        )
        docs = load(tmp_path / "x.spacy")
        assert [len(doc) for doc in docs] == [3, 1, 2]
        iobs = [token.ent_iob_ or "-" for doc in docs for token in doc]
        assert "".join(iobs) == expected
        assert report.tokens_missing == expected.count("-")
        assert report.entities_read == report.entities_written == {"LOC": 1}


def test_unknown_missing_is_a_clear_error(write, tmp_path):
    with pytest.raises(CorpusError, match=r"Unknown missing 'some'\. Use: none, empty"):
        convert([write(BROKEN)], tmp_path / "out.spacy", ZH, missing="some")
