import pytest
import spacy
from spacy.tokens import Span

from spacy_bilstm_crf.corpus.schemes import SCHEMES
from spacy_bilstm_crf.corpus.writers import Annotated
from spacy_bilstm_crf.corpus.writers.tags import make_tags

DOC = spacy.blank("zh")("东湖南岸")


def tag(*places, scheme="bio"):
    spans = [Span(DOC, *place) for place in places]
    return make_tags(Annotated(DOC, spans, "f", 1), places, len(DOC), SCHEMES[scheme])


def test_longest_of_overlapping_entities_is_tagged_and_the_others_are_listed():
    tags, records = tag((0, 2, "LOC"), (1, 4, "ORG"), (1, 4, "PER"), (0, 1, "X"))
    assert tags == ["B-X", "B-ORG", "I-ORG", "I-ORG"]
    assert [(r.kind, r.label, r.before) for r in records] == [
        ("entity-dropped", "PER", "湖南岸"),
        ("entity-dropped", "LOC", "东湖"),
    ]


def test_earliest_of_equally_long_entities_is_tagged():
    tags, [record] = tag((1, 3, "ORG"), (0, 2, "LOC"))
    assert tags == ["B-LOC", "I-LOC", "O", "O"]
    assert record.label == "ORG"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_only_plain_io_joins_neighbours_and_each_is_listed(scheme):
    _, records = tag((0, 1, "X"), (1, 3, "X"), (3, 4, "X"), scheme=scheme)
    joined = [("湖南", "X"), ("岸", "X")] if scheme == "io" else []
    assert [(r.before, r.label) for r in records] == joined


def test_plain_io_tells_neighbours_of_other_labels_apart():
    tags, records = tag((0, 1, "X"), (1, 2, "Y"), (3, 4, "Y"), scheme="io")
    assert tags == ["I-X", "I-Y", "O", "I-Y"]
    assert not records


def test_entity_without_a_row_is_listed():
    tags, [record] = make_tags(
        Annotated(DOC, [Span(DOC, 0, 1, "X")], "f", 1), [(2, 2, "X")], 4, SCHEMES["bio"]
    )
    assert tags == ["O"] * 4
    assert (record.kind, record.label) == ("entity-dropped", "X")
