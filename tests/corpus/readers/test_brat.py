from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.readers.brat import BratReader, matches
from spacy_bilstm_crf.corpus.sentence import UNREPAIRABLE, CorpusError


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf8"))
        return path

    return write_file


@pytest.fixture
def read(write):
    """Read a document. None leaves out a file."""

    def read_document(text, ann):
        for name, content in (("a.txt", text), ("a.ann", ann)):
            if content is not None:
                path = write(name, content)
        [sentence] = BratReader(path.parent)
        return sentence

    return read_document


def entities(sentence):
    return [(sentence.tokens[s.start : s.end], s.label) for s in sentence.spans]


def records(sentence):
    return [(Path(r.source).name, r.line, r.kind) for r in sentence.records]


def test_document_is_its_text_with_entities_by_offset(read, tmp_path):
    sentence = read("李明在沪。\n", "T1\tPER 0 2\t李明\nT2\tLOC 3 4\t沪\n")
    assert sentence.tokens == "李明在沪。\n"
    assert sentence.spans == [(0, 2, "PER", 1), (3, 4, "LOC", 2)]
    assert (sentence.source, sentence.line) == (str(tmp_path / "a.ann"), 1)
    assert not sentence.records


def test_offsets_count_characters_not_bytes_or_utf16_units(read):
    assert entities(read("𠮷野在é沪", "T1\tLOC 4 5\t沪\n")) == [("沪", "LOC")]


def test_each_character_of_a_line_break_counts(read):
    sentence = read("甲\r\n乙\n丙\r丁", "T1\tX 3 4\t乙\r\nT2\tX 7 8\t丁\r\n")
    assert entities(sentence) == [("乙", "X"), ("丁", "X")]
    assert not sentence.records


def test_byte_order_mark_counts_but_is_not_text(read):
    sentence = read("\ufeff李明在沪", "T1\tPER 1 3\t李明\nT2\tPER 0 3\t\ufeff李明\n")
    assert sentence.tokens == "李明在沪"
    assert entities(sentence) == [("李明", "PER"), ("李明", "PER")]
    assert not sentence.records


def test_entity_of_a_byte_order_mark_is_dropped(read):
    sentence = read("\ufeff李明", "T1\tPER 0 1\t\ufeff\n")
    assert (sentence.spans, records(sentence)) == ([], [("a.ann", 1, "entity-dropped")])


def test_ann_file_may_have_a_byte_order_mark(read):
    sentence = read("李明", "\ufeffT1\tPER 0 2\t李明\n")
    assert (entities(sentence), sentence.records) == ([("李明", "PER")], [])


@pytest.mark.parametrize("gap", ["\n", "\r\n", "\n  ", " ", "\n\n", ""])
def test_fragments_are_joined_over_line_breaks_and_spaces(read, gap):
    end = 4 + len(gap)
    sentence = read(f"在青川{gap}市。", f"T1\tLOC 1 3;{end - 1} {end}\t青川 市\n")
    assert entities(sentence) == [(f"青川{gap}市", "LOC")]
    assert not sentence.records


def test_several_fragments_are_joined(read):
    sentence = read("青\n川\n市\n局", "T1\tORG 0 1;2 3;4 5;6 7\t青 川 市 局\n")
    assert entities(sentence) == [("青\n川\n市\n局", "ORG")]


def test_fragments_with_other_text_between_are_dropped_and_listed(read):
    line = "T7\tORG 0 2;3 4\t青川 局"
    sentence = read("青川市局", f"\n{line}\n")
    [record] = sentence.records
    assert not sentence.spans
    assert (record.kind, record.line, record.label) == ("entity-dropped", 2, "ORG")
    assert "discontinuous" in record.why
    assert record.before == line


@pytest.mark.parametrize("offsets", ["0 3;2 4", "3 4;0 2"])
def test_fragments_that_overlap_or_are_not_in_order_are_dropped(read, offsets):
    sentence = read("青川市局", f"T1\tORG {offsets}\t青川市局\n")
    [record] = sentence.records
    assert (sentence.spans, record.kind) == ([], "entity-dropped")
    assert "overlap" in record.why


def test_entities_that_overlap_are_all_given(read):
    ann = "T1\tA 0 4\t甲乙丙丁\nT2\tB 1 2\t乙\nT3\tC 3 5\t丁戊\nT4\tD 1 2\t乙\n"
    sentence = read("甲乙丙丁戊", ann)
    assert [s[:3] for s in sentence.spans] == [
        *((0, 4, "A"), (1, 2, "B"), (3, 5, "C"), (1, 2, "D")),
    ]
    assert not sentence.records


def test_other_lines_are_skipped_and_counted(write):
    write("a.txt", "李明在沪")
    others = ["R1\tin Arg1:T1 Arg2:T2\t", "E1\tMove:T1 To:T2", "A1\tSure T1", "M1\tNeg E1"]
    others += ["N1\tReference T1 Wiki:1\t沪", "#1\tAnnotatorNotes T1\t?", "*\tEquiv T1 T2"]
    others += ["#2\tAnnotatorNotes T2\tT3"]
    ann = write("a.ann", "\n".join(["T1\tLOC 3 4\t沪", *others, "", " "]))
    reader = BratReader(ann)
    [sentence] = reader
    assert (entities(sentence), sentence.records) == ([("沪", "LOC")], [])
    assert (
        "entities 1; lines not read: # 2, * 1, A 1, E 1, M 1, N 1, R 1" in reader.evidence
    )


def test_wrong_text_of_an_entity_is_recorded_and_the_offsets_are_kept(read):
    sentence = read("李明在沪", "T1\tPER 0 2\t李朋\n")
    [record] = sentence.records
    assert entities(sentence) == [("李明", "PER")]
    assert (record.kind, record.line, record.label) == ("text-mismatch", 1, "PER")
    assert (record.before, record.after) == ("李朋", "李明")


def test_missing_text_of_an_entity_is_recorded(read):
    sentence = read("李明在沪", "T1\tPER 0 2\n")
    assert entities(sentence) == [("李明", "PER")]
    assert records(sentence) == [("a.ann", 1, "text-mismatch")]


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_text_of_an_entity_has_a_space_for_a_line_break(read, line_break):
    end = 2 + len(line_break)
    sentence = read(f"青{line_break}川", f"T1\tLOC 0 {end}\t青 川\n")
    assert entities(sentence) == [(f"青{line_break}川", "LOC")]
    assert not sentence.records


@pytest.mark.parametrize("character", ["\u2028", "\x85", "\x0b", "\u3000", "\t", "\r"])
def test_only_line_feeds_end_a_line(read, character):
    sentence = read(f"青{character}川", f"T1\tLOC 0 3\t青{character}川\n")
    assert entities(sentence) == [(f"青{character}川", "LOC")]
    assert not sentence.records


@pytest.mark.parametrize(
    ("line", "label", "why"),
    [
        ("T1\tPER 3 5\t沪人", "PER", "ends at 5, after the end of the text at 4"),
        ("T1\tPER 9 10\t沪", "PER", "after the end"),
        (f"T1\tPER 0 {'9' * 5000}\t沪", "PER", "two numbers"),
        (f"T1\tPER {'9' * 5000} 2\t沪", "PER", "two numbers"),
        ("T1\tPER 2 2\t", "PER", "empty"),
        ("T1\tPER 2 1\t明", "PER", "ends before it begins"),
        ("T1\tPER -1 2\t明", "PER", "two numbers"),
        ("T1\tPER 0 x\t明", "PER", "two numbers"),
        ("T1\tPER ０ ２\t李明", "PER", "two numbers"),
        ("T1\tPER 0 ２\t李明", "PER", "two numbers"),
        ("T1\tPER 0 1_0\t李明", "PER", "two numbers"),
        ("T1\tPER 0 2;\t李明", "PER", "two numbers"),
        ("T1\tPER 0\t李", "PER", "two numbers"),
        ("T1\tPER\t李", "PER", "two numbers"),
        ("T1\t\t李", "", "not a line of BRAT"),
        ("T1", "", "not a line of BRAT"),
        ("T1 PER 0 2 李明", "", "its columns are not separated by tabs"),
        ("T1 PER 0 2\t李明", "", "its columns are not separated by tabs"),
        ("X1\tPER 0 2\t李明", "", "not a line of BRAT"),
        ("李明", "", "not a line of BRAT"),
        ("Note", "", "not a line of BRAT"),
    ],
)
def test_entity_that_cannot_be_read_is_dropped_alone(read, line, label, why):
    sentence = read("李明在沪", f"{line}\nT2\tLOC 3 4\t沪\n")
    [record] = sentence.records
    assert entities(sentence) == [("沪", "LOC")]
    assert (record.kind, record.line) == ("entity-dropped", 1)
    assert (record.label, record.before) == (label, line)
    assert why in record.why


def test_text_without_ann_file_is_no_gold(write):
    text = write("a.txt", "李明")
    write("b.ann", "")
    sentence, _ = BratReader(text.parent)
    assert (sentence.tokens, sentence.spans) == ("李明", [])
    assert records(sentence) == [("a.txt", 1, "missing-file")]


def test_ann_file_without_text_is_listed_with_its_entities(read):
    sentence = read(None, "T1\tPER 0 2\t李明\nR1\tx\nT2\tLOC 3 4;6 7\t沪\n")
    assert (sentence.tokens, sentence.spans) == ("", [])
    assert records(sentence) == [
        *(("a.ann", 1, "missing-file"), ("a.ann", 1, "entity-dropped")),
        ("a.ann", 3, "entity-dropped"),
    ]
    assert [r.label for r in sentence.records] == ["", "PER", "LOC"]
    whys = {r.why for r in sentence.records if r.kind == "entity-dropped"}
    assert whys == {"entity dropped with its document"}


@pytest.mark.parametrize("text", ["李明", ""])
def test_empty_ann_file_is_a_document_without_entities(read, text):
    sentence = read(text, "")
    assert (sentence.tokens, sentence.spans, sentence.records) == (text, [], [])


def test_text_that_is_not_utf8_is_listed_with_its_entities(read):
    sentence = read("abc\n李明".encode("gbk"), "T1\tPER 4 6\t李明\n")
    assert (sentence.tokens, sentence.spans) == ("", [])
    assert records(sentence) == [("a.txt", 2, "not-utf8"), ("a.ann", 1, "entity-dropped")]
    dropped = sentence.records[1]
    assert (dropped.label, dropped.why) == ("PER", "entity dropped with its document")


def test_ann_file_that_is_not_utf8_is_recorded_once(read):
    ann = "T1\tPER 0 2\tx\nT2\tPER 0 2\t李明\nT3\tPER 1 2\t明\n".encode("gbk")
    sentence = read("李明", ann)
    assert entities(sentence) == [("李明", "PER"), ("李明", "PER"), ("明", "PER")]
    assert [r for r in records(sentence) if r[2] == "not-utf8"] == [
        ("a.ann", 2, "not-utf8")
    ]


def test_folder_gives_its_documents_in_order(write, tmp_path):
    for name in ("b.txt", "b.ann", "a.2.txt", "a.2.ann", ".c.ann", ".c.txt", "x/d.ann"):
        write(name, "")
    (tmp_path / "e.ann").mkdir()
    reader = BratReader(tmp_path)
    assert len(reader) == 2
    assert [Path(s.source).name for s in reader] == ["a.2.ann", "b.ann"]
    assert [Path(s.source).name for s in reader] == ["a.2.ann", "b.ann"]


def test_files_that_are_not_read_are_named(write, tmp_path):
    for name in ("a.txt", "a.ann", "annotation.conf", ".stats_cache"):
        write(name, "")
    assert "not read" not in BratReader(tmp_path).evidence
    write("z.bio", "")
    write("train.bio", "")
    assert "files not read: 2, first train.bio" in BratReader(tmp_path).evidence


@pytest.mark.parametrize("name", ["a.ann", "a.txt"])
def test_one_document_is_given_by_either_half(write, tmp_path, name):
    for stem in "ab":
        write(f"{stem}.txt", "李明")
        write(f"{stem}.ann", "T1\tPER 0 2\t李明\n")
    assert matches(tmp_path / name)
    [sentence] = BratReader(tmp_path / name)
    assert (entities(sentence), sentence.source) == (
        *([("李明", "PER")], str(tmp_path / "a.ann")),
    )


@pytest.mark.parametrize("name", ["", "a.txt", "a.bio"])
def test_without_ann_files_it_is_not_brat(write, tmp_path, name):
    write("a.txt", "李明")
    write("a.bio", "李 O")
    assert not matches(tmp_path / name)
    with pytest.raises(CorpusError, match=r"no .ann file"):
        BratReader(tmp_path / name)


def test_sample_has_what_the_format_allows(samples):
    reader = BratReader(samples / "brat")
    first, second = reader
    assert entities(first) == [
        *(("李晓梅", "PER"), ("青川市科\n技局", "ORG"), ("青川市", "LOC")),
        ("南湖大学", "ORG"),
    ]
    assert entities(second) == [("南湖", "LOC"), ("王博", "PER")]
    assert not [*first.records, *second.records]
    assert "lines not read: # 1, R 1" in reader.evidence


ann_lines = st.one_of(
    st.builds(
        "T{}\tX {} {}{}\t{}".format,
        *(st.integers(0, 9), st.integers(-1, 9), st.integers(-1, 9)),
        *(st.sampled_from(["", ";3 4", ";5 9", ";x"]), st.text(max_size=3)),
    ),
    st.text("T1\tX 02;#", max_size=9),
    st.text(max_size=6),
).map(str.encode)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(st.text(max_size=9).map(str.encode), st.binary(max_size=4)),
    lines=st.lists(st.one_of(ann_lines, st.binary(max_size=6)), max_size=6),
)
def test_every_line_is_a_span_or_a_dropped_entity_or_counted(read, text, lines):
    ann = b"\n".join(lines)
    sentence = read(text, ann)
    stripped = [
        line.rstrip(b"\r") for line in ann.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    ]
    others = (b"R", b"E", b"A", b"M", b"N")
    n_others = sum(
        line[:1] in (b"#", b"*") or (line[:1] in others and line[1:2].isdigit())
        for line in stripped
    )
    n_lines = sum(bool(line.strip()) for line in stripped)
    kinds = Counter(r.kind for r in sentence.records)
    assert len(sentence.spans) + kinds["entity-dropped"] == n_lines - n_others
    assert all(0 <= s.start < s.end <= len(sentence.tokens) for s in sentence.spans)
    assert all(s.label for s in sentence.spans)


def test_ruijin_is_read_completely(corpora):
    reader = BratReader(corpora / "ruijin")
    counts: Counter[str] = Counter()
    mismatches = []
    for sentence in reader:
        counts["documents"] += 1
        counts["characters"] += len(sentence.tokens)
        counts["entities"] += len(sentence.spans)
        mismatches += [(r.kind, Path(r.source).stem) for r in sentence.records]
        assert not any(r.kind in UNREPAIRABLE for r in sentence.records)
    assert counts == {"documents": 363, "characters": 3_205_776, "entities": 140_028}
    assert len(reader) == 363
    assert "entities 140,028" in reader.evidence
    documents = ("124_17", "138_7", "144_17", "145_19", "145_21", "146_20", "152_16")
    assert mismatches == [("text-mismatch", name) for name in (*documents, "25", "28")]
