import json

import spacy
from spacy.tokens import Span

from spacy_bilstm_crf.corpus.schemes import SCHEMES
from spacy_bilstm_crf.corpus.writers import Annotated, Style
from spacy_bilstm_crf.corpus.writers.offsets import write_doccano, write_prodigy

DOC = spacy.blank("zh")("😀南湖 大学")
ITEM = Annotated(DOC, [Span(DOC, 1, 5, "ORG"), Span(DOC, 1, 3, "地名 A")], "f", 1)
STYLE = Style(SCHEMES["bio"], "")


def test_doccano_has_offsets_of_characters_and_overlaps():
    [line], records = write_doccano(ITEM, STYLE)
    assert line == ('{"text": "😀南湖 大学", "label": [[1, 6, "ORG"], [1, 3, "地名 A"]]}\n')
    assert not records


def test_prodigy_has_tokens_and_spans_over_them():
    [line], records = write_prodigy(ITEM, STYLE)
    task = json.loads(line)
    assert task["text"] == "😀南湖 大学"
    assert task["tokens"][2:4] == [
        {"text": "湖", "start": 2, "end": 3, "id": 2, "ws": True},
        {"text": "大", "start": 4, "end": 5, "id": 3, "ws": False},
    ]
    assert task["spans"] == [
        {"start": 1, "end": 6, "token_start": 1, "token_end": 4, "label": "ORG"},
        {"start": 1, "end": 3, "token_start": 1, "token_end": 2, "label": "地名 A"},
    ]
    assert task["answer"] == "accept"
    assert not records


def test_doc_is_one_line():
    doc = spacy.blank("zh")("中\n国\r\n")
    for write in (write_doccano, write_prodigy):
        [line], _ = write(Annotated(doc, [], "f", 1), STYLE)
        assert line.splitlines() == [line.rstrip("\n")]
