import pytest
import spacy
from spacy.tokens import Doc

from spacy_bilstm_crf.corpus.schemes import SCHEMES
from spacy_bilstm_crf.corpus.writers import Annotated, Style
from spacy_bilstm_crf.corpus.writers.columns import write_columns

ZH = spacy.blank("zh")


def write(doc, *offsets, space="", scheme="bmes"):
    spans = [doc.char_span(*offset) for offset in offsets]
    item = Annotated(doc, spans, "in.spacy", 7)
    [text], records = write_columns(item, Style(SCHEMES[scheme], space))
    return text, records


def doc_of(words, spaces=None):
    return Doc(ZH.vocab, words, spaces or [False] * len(words))


def kinds(records):
    return [record.kind for record in records]


def test_each_token_is_a_row_and_a_blank_line_follows():
    text, records = write(ZH("在青川。"), (1, 3, "LOC"))
    assert text == "在 O\n青 B-LOC\n川 E-LOC\n。 O\n\n"
    assert not records


def test_space_after_a_token_is_a_row_where_no_spaces_are_written():
    text, records = write(ZH("A 座 南"), (0, 3, "LOC"))
    assert text == "A B-LOC\n  M-LOC\n座 E-LOC\n  O\n南 O\n\n"
    assert not records


def test_space_after_a_token_is_no_row_where_spaces_are_written():
    doc = doc_of(["In", "New", "Haven"], [True, True, False])
    text, records = write(doc, (3, 12, "LOC"), space=" ")
    assert text == "In O\nNew B-LOC\nHaven E-LOC\n\n"
    assert not records


@pytest.mark.parametrize("space", ["\u3000", "\t", "\r", "\u2028", "\x0b", "\x85"])
def test_whitespace_is_a_token_where_no_spaces_are_written(space):
    text, records = write(ZH(f"中{space}国"), (0, 3, "LOC"))
    assert text == f"中 B-LOC\n{space} M-LOC\n国 E-LOC\n\n"
    assert not records


def test_no_row_has_whitespace_beside_other_characters():
    text, records = write(doc_of(["东 \t湖", "南"]), (0, 4, "LOC"))
    assert text == "东 B-LOC\n  M-LOC\n\t M-LOC\n湖 E-LOC\n南 O\n\n"
    assert not records


def test_tokens_with_a_space_inside_are_cut_where_spaces_are_written():
    text, records = write(doc_of(["New Haven"]), (0, 9, "LOC"), space=" ")
    assert text == "New B-LOC\nHaven E-LOC\n\n"
    assert not records


def test_line_breaks_become_spaces_and_are_listed():
    text, [record] = write(ZH("中\n国"), (0, 3, "LOC"))
    assert text == "中 B-LOC\n  M-LOC\n国 E-LOC\n\n"
    assert (record.kind, record.source, record.line) == ("text-changed", "in.spacy", 7)
    assert (record.before, record.after) == ("中\n国", "中 国")


def test_nul_is_replaced_and_listed():
    text, records = write(doc_of(["中\0"]))
    assert text == "中\ufffd O\n\n"
    assert kinds(records) == ["text-changed"]


def test_missing_space_is_listed_with_its_place():
    doc = doc_of(["It", "was", "in", "Oslo", "."], [True, True, True, False, False])
    text, [record] = write(doc, (10, 14, "LOC"), space=" ")
    assert text == "It O\nwas O\nin O\nOslo S-LOC\n. O\n\n"
    assert record.kind == "text-changed"
    assert (record.before, record.after) == ("as in Oslo.", "as in Oslo .")


def test_whitespace_tokens_are_left_out_where_spaces_are_written():
    doc = doc_of(["A", "\n", " ", "b"])
    text, records = write(doc, (0, 4, "X"), (1, 3, "Y"), space=" ")
    assert text == "A B-X\nb E-X\n\n"
    assert kinds(records) == ["entity-dropped", "text-changed"]
    assert (records[0].before, records[0].label) == ("\n ", "Y")


def test_row_is_not_taken_for_the_beginning_of_a_document():
    text, records = write(doc_of(["-DOCSTART-", "x"]), (0, 10, "LOC"))
    assert text == "- B-LOC\nDOCSTART- E-LOC\nx O\n\n"
    assert not records
    text, records = write(doc_of(["x -DOCSTART-"]))
    assert text == "x O\n  O\n- O\nDOCSTART- O\n\n"
    text, records = write(doc_of(["-DOCSTART-"]), space=" ")
    assert kinds(records) == ["text-changed"]


@pytest.mark.parametrize(("text", "space"), [("", ""), ("", " "), ("\n", " ")])
def test_doc_without_rows_is_left_out_and_listed(text, space):
    text, records = write(ZH.make_doc(text), space=space)
    assert (text, kinds(records)) == ("", ["sentence-dropped"])


def test_whitespace_in_labels_is_replaced_and_listed():
    text, [record] = write(ZH("中"), (0, 1, "A  B\t"))
    assert text == "中 S-A_B\n\n"
    assert (record.kind, record.before, record.after, record.label) == (
        *("label-changed", "A  B\t", "A_B", "A  B\t"),
    )
