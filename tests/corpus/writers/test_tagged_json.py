import json

import spacy

from spacy_bilstm_crf.corpus.schemes import SCHEMES
from spacy_bilstm_crf.corpus.writers import Annotated, Style
from spacy_bilstm_crf.corpus.writers.tagged_json import write_tagged_json


def test_each_character_has_a_tag():
    doc = spacy.blank("en")("In New\nHaven")
    item = Annotated(doc, [doc.char_span(3, 12, "A B")], "f", 1)
    [line], records = write_tagged_json(item, Style(SCHEMES["bioes"], ""))
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "text": "In New\nHaven",
        "labels": ["O"] * 3 + ["B-A B"] + ["I-A B"] * 7 + ["E-A B"],
    }
    assert not records


def test_characters_are_written_as_they_are():
    item = Annotated(spacy.blank("zh")("中😀"), [], "f", 1)
    [line], _ = write_tagged_json(item, Style(SCHEMES["bio"], ""))
    assert line == '{"text": "中😀", "labels": ["O", "O"]}\n'
