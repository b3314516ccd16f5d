import pytest

from spacy_bilstm_crf.corpus.sentence import CorpusError
from spacy_bilstm_crf.corpus.tagging import TagReader


def read(*tags, scheme="auto"):
    """Read the tags as one sentence of a source that has no other."""
    reader = TagReader([tags], scheme)
    return reader.read("x" * len(tags), tags, "f", range(10, 10 + len(tags)))


def spans(sentence):
    return [span[:3] for span in sentence.spans]


def test_entities_stand_on_the_line_of_their_first_token():
    sentence = read("O", "B-PER", "I-PER", "B-LOC")
    assert sentence.spans == [(1, 3, "PER", 11), (3, 4, "LOC", 13)]
    assert (sentence.tokens, sentence.source, sentence.line) == ("xxxx", "f", 10)


@pytest.mark.parametrize(
    ("tags", "label"),
    [
        ("PER-B PER-I O", "PER"),
        ("B_PER I_PER O", "PER"),
        ("JOB-TITLE_B JOB-TITLE_I O", "JOB-TITLE"),
        ("b-per i-per o", "per"),
        ("per_b per_i O", "per"),
    ],
)
def test_unusual_notations_are_read(tags, label):
    sentence = read(*tags.split())
    assert (spans(sentence), sentence.records) == ([(0, 2, label)], ())


def test_record_shows_the_tags_in_the_notation_of_the_file():
    sentence = read("PER-B", "PER-M", "O", "LOC-S", "X", scheme="bmes")
    assert [(r.line, r.kind, r.before, r.after) for r in sentence.records] == [
        (11, "illegal-tag", "PER-M", "PER-E"),
        (14, "unknown-tag", "X", "O"),
    ]


def test_evidence_names_scheme_and_counts():
    assert TagReader([["B-PER", "I-PER"]]).evidence == (
        "bio, detected (letters B 1, I 1; illegal transitions: bio 0, next best iob1 1)"
    )


def test_evidence_names_an_unusual_notation():
    assert "bmes, detected, tags such as PER_B (letters" in (
        TagReader([["PER_B", "PER_M", "PER_E"]]).evidence
    )


def test_given_scheme_overrides_the_detected_one():
    reader = TagReader([["B-PER", "M-PER", "E-PER"]], "biose")
    assert reader.scheme.name == "bioes"
    assert reader.evidence.startswith("bioes, as given (letters")


def test_labels_alone_are_read_if_the_scheme_is_io():
    sentence = read("PER", "PER", "O", "JOB-TITLE", scheme="io")
    assert (spans(sentence), sentence.records) == (
        [(0, 2, "PER"), (3, 4, "JOB-TITLE")],
        (),
    )


@pytest.mark.parametrize("tag", ["PER", "X-PER", "B", "B-"])
def test_source_without_a_readable_entity_is_an_error_with_a_hint(tag):
    with pytest.raises(CorpusError, match=rf"here: '{tag}'.*B-PER.*--scheme io") as error:
        TagReader([["O", tag]])
    assert error.value.tag == tag


def test_labels_alone_are_no_tags_of_another_scheme():
    with pytest.raises(CorpusError, match="here: 'PER'"):
        TagReader([["O", "PER"]], "bio")


def test_source_without_entities_is_read():
    assert spans(read("O", "O")) == []


def test_bmewo_plus_in_the_notation_of_lingpipe_is_read():
    tags = "BOS_O O O_PER B_PER M_PER M_PER E_PER PER_O O_LOC W_LOC O_EOS"
    reader = TagReader([tags.split()])
    assert reader.evidence.startswith("bmewo+, detected, tags such as B_PER")
    sentence = read(*tags.split())
    assert (spans(sentence), sentence.records) == ([(3, 7, "PER"), (9, 10, "LOC")], ())


def test_tags_of_a_hidden_markov_chunker_are_read():
    tags = "WW_O_BOS W_GENE BB_O_GENE MM_O EE_O_GENE B_GENE E_GENE"
    sentence = read(*tags.split())
    assert (spans(sentence), sentence.records) == ([(1, 2, "GENE"), (5, 7, "GENE")], ())


def test_unknown_scheme_is_an_error():
    with pytest.raises(CorpusError, match=r"'bieos'"):
        TagReader([["O"]], "bieos")


def test_sentence_without_tokens_is_read():
    reader = TagReader([[], ["O"]])
    assert reader.read("", [], "f", [1]).spans == []
