import spacy

from spacy_bilstm_crf.corpus.schemes import SCHEMES
from spacy_bilstm_crf.corpus.writers import Annotated, Style
from spacy_bilstm_crf.corpus.writers.brat import write_brat

ZH = spacy.blank("zh")


def write(text, *offsets):
    doc = ZH(text)
    spans = [doc.char_span(*offset) for offset in offsets]
    return write_brat(Annotated(doc, spans, "f", 1), Style(SCHEMES["bio"], ""))


def test_text_and_entities_are_two_files():
    (text, ann), records = write("在青川。", (1, 3, "LOC"), (2, 3, "X"))
    assert text == "在青川。"
    assert ann == "T1\tLOC 1 3\t青川\nT2\tX 2 3\t川\n"
    assert not records


def test_entity_over_line_ends_has_a_fragment_on_each_line():
    (text, ann), records = write("东 \n\n湖\r\n南 岸", (0, 10, "LOC"))
    assert text == "东 \n\n湖\r\n南 岸"
    assert ann == "T1\tLOC 0 2;4 5;7 10\t东  湖 南 岸\n"
    assert not records


def test_entity_of_line_breaks_is_dropped_and_listed():
    (_, ann), [record] = write("东\n湖", (1, 2, "X"), (2, 3, "Y"))
    assert ann == "T1\tY 2 3\t湖\n"
    assert (record.kind, record.before, record.label) == ("entity-dropped", "\n", "X")


def test_byte_order_mark_counts():
    (text, ann), _ = write("\ufeff湖", (1, 2, "X"))
    assert (text, ann) == ("\ufeff\ufeff湖", "T1\tX 2 3\t湖\n")


def test_whitespace_in_labels_is_replaced_and_listed():
    (_, ann), [record] = write("湖", (0, 1, "A B"))
    assert ann == "T1\tA_B 0 1\t湖\n"
    assert (record.kind, record.label, record.after) == ("label-changed", "A B", "A_B")


def test_doc_without_entities_has_an_empty_file_of_entities():
    assert write("湖").parts == ("湖", "")
