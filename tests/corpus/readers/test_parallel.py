from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.readers.parallel import (
    ParallelReader,
    matches,
    sentence_file,
    tag_file,
)
from spacy_bilstm_crf.corpus.sentence import CorpusError, Options


@pytest.fixture
def write(tmp_path):
    def write_pair(sentences, tags):
        for name, content in (("sentences.txt", sentences), ("tags.txt", tags)):
            is_bytes = isinstance(content, bytes)
            (tmp_path / name).write_bytes(content if is_bytes else content.encode("utf8"))
        return tmp_path / "sentences.txt"

    return write_pair


@pytest.fixture
def read(write):
    def read_pair(sentences, tags, scheme="auto"):
        return list(ParallelReader(write(sentences, tags), Options(scheme)))

    return read_pair


def records(sentences):
    return [
        (Path(r.source).name, r.line, r.kind)
        for sentence in sentences
        for r in sentence.records
    ]


def test_lines_of_both_files_make_a_sentence(read, tmp_path):
    first, second = read("王 明 在\n南湖 边\n", "B-PER I-PER O\nB-LOC O\n")
    assert (first.tokens, first.spans) == (["王", "明", "在"], [(0, 2, "PER", 1)])
    assert (second.tokens, second.spans) == (["南湖", "边"], [(0, 1, "LOC", 2)])
    assert (second.source, second.line) == (str(tmp_path / "sentences.txt"), 2)
    assert records([first, second]) == []


def test_lines_that_are_blank_in_both_files_are_skipped(read):
    sentences = read("\n王\n \n南\n\n\n", "\nB-PER\n\t\nB-LOC\n")
    assert [(s.tokens, s.line) for s in sentences] == [(["王"], 2), (["南"], 4)]
    assert records(sentences) == []


def test_line_ends_and_byte_order_marks_are_not_content(read):
    [sentence] = read("\ufeff王 明 \r\n", "\ufeffB-PER\t I-PER\r\n")
    assert (sentence.tokens, sentence.spans) == (["王", "明"], [(0, 2, "PER", 1)])


@pytest.mark.parametrize("token", ["\u3000", "\u2028", "\x85", "\x0b"])
def test_only_spaces_and_tabs_separate_tokens(read, token):
    [sentence] = read(f"王 {token}\t明\n", "B-PER I-PER O\n")
    assert sentence.tokens == ["王", token, "明"]


def test_sentence_without_spaces_is_read_as_characters(read):
    first, second = read("王明 \n南湖\n", "B-PER I-PER\nB-LOC\n")
    assert (first.tokens, first.spans) == ("王明", [(0, 2, "PER", 1)])
    assert (second.tokens, second.spans) == (["南湖"], [(0, 1, "LOC", 2)])


def test_spaces_are_characters_where_most_lines_have_a_tag_for_each(read):
    tags = "B-PER I-PER\nB-ORG I-ORG I-ORG\n"
    _, sentence = read("王明\nA B\n", tags)
    assert (sentence.tokens, sentence.spans) == ("A B", [(0, 3, "ORG", 2)])


def test_a_tag_too_many_does_not_make_characters_of_tokens(read):
    tags = "B-PER I-PER\nB-PER I-PER O\nB-LOC I-LOC\nO O O\n"
    sentences = read("王 明\n王 明 在\n南湖\nA B\n", tags)
    assert records(sentences) == [("sentences.txt", 4, "length-mismatch")]


@pytest.mark.parametrize("tags", ["B-PER I-PER O B-LOC I-LOC", "B-PER I-PER O B-LOC"])
def test_other_number_of_tags_is_listed_with_the_entities(read, tags):
    first, second = read("王 明 在\n王\n", f"{tags}\nB-PER\n")
    assert (first.tokens, first.spans) == (["王", "明", "在"], ())
    assert records([first]) == [
        *(("sentences.txt", 1, "length-mismatch"), ("tags.txt", 1, "entity-dropped")),
        ("tags.txt", 1, "entity-dropped"),
    ]
    assert [r.label for r in first.records] == ["", "PER", "LOC"]
    assert first.records[1].before == "B-PER I-PER"
    assert second.spans == [(0, 1, "PER", 2)]


@pytest.mark.parametrize(
    ("sentences", "tags", "labels"),
    [
        ("王\n南 湖\n", "B-PER\n", [""]),
        ("王\n", "B-PER\nB-LOC I-LOC\n", ["", "LOC"]),
        ("王\n\n", "B-PER\nB-LOC I-LOC\n", ["", "LOC"]),
        ("王\n南 湖\n", "B-PER\n\n", [""]),
    ],
)
def test_line_without_a_counterpart_is_listed(read, sentences, tags, labels):
    first, second = read(sentences, tags)
    assert first.spans == [(0, 1, "PER", 1)]
    assert (second.spans, second.line) == ((), 2)
    assert [r.label for r in second.records] == labels
    assert second.records[0].kind == "length-mismatch"


def test_shorter_file_is_named(read):
    _, sentence = read("王\n", "B-PER\nB-LOC I-LOC\n")
    assert "sentences.txt ends before this line" in sentence.records[0].why


def test_faults_in_tags_are_recorded_where_they_stand(read):
    sentences = read("王 明\n在\n", "B-PER I-PER\nI-PER\n", scheme="bio")
    assert records(sentences) == [("tags.txt", 2, "illegal-tag")]


def test_given_scheme_is_used(write):
    path = write("王 明\n", "B-PER I-PER\n")
    assert (
        "tags in tags.txt: bioes, as given"
        in ParallelReader(path, Options("bioes")).evidence
    )


@pytest.mark.parametrize(
    ("sentences", "tags", "source"),
    [
        ("王\n".encode() + "明\n".encode("gbk"), b"B-PER\nB-LOC\n", "sentences.txt"),
        ("王\n明\n", b"B-PER\nB-\xff\n", "tags.txt"),
    ],
)
def test_line_that_is_not_utf8_is_recorded_and_the_rest_is_read(
    read, sentences, tags, source
):
    first, second = read(sentences, tags)
    assert first.spans == [(0, 1, "PER", 1)]
    assert (source, 2, "not-utf8") in records([second])


@pytest.mark.parametrize(
    ("sentences", "tags", "message"),
    [
        ("王\n", "\n", "tags.txt:1: no tags"),
        (
            "\n王 明\n",
            "\nruns fast\n",
            "tags.txt:2: no tag such as O or B-PER .*'runs fast'",
        ),
        ("王\n", "名\n".encode("gbk"), "tags.txt:1: not UTF-8"),
        ("王\n明\n", "O\nper\n", "tags.txt:2: no tag but O .*'per'"),
        (b"\x00", "O\n", "sentences.txt:1: a binary file"),
        ("王\n", "O\n".encode("utf-16"), "tags.txt:1: UTF-16"),
    ],
)
def test_what_are_no_parallel_files_is_one_clear_error(read, sentences, tags, message):
    with pytest.raises(CorpusError, match=message):
        read(sentences, tags)


def test_files_without_lines_have_no_sentences(read):
    assert read("", "\n") == []


PAIRS = [
    ("sentences.txt", "tags.txt"),
    ("sentences.txt", "labels.txt"),
    ("source.txt", "target.txt"),
    ("small.source_BIO_2014.txt", "small.target_BIO_2014.txt"),
    ("train.words.txt", "train.tags.txt"),
    ("train_words.txt", "train_tags.txt"),
    ("test-sentences", "test-labels"),
    ("seq.in", "seq.out"),
    ("train.text", "train.tags"),
    ("train.words", "train.labels"),
    ("train.sent", "train.label"),
    ("train.src", "train.tgt"),
    ("input.txt", "output.txt"),
]


@pytest.mark.parametrize(("sentences", "tags"), PAIRS)
def test_usual_pairs_are_found_by_their_names(tmp_path, sentences, tags):
    path, other = tmp_path / sentences, tmp_path / tags
    path.write_text("王\n", "utf8")
    assert (tag_file(path), matches(path)) == (None, False)
    other.write_text("B-PER\n", "utf8")
    (tmp_path / "other.txt").touch()
    assert (tag_file(path), sentence_file(path), matches(path)) == (other, None, True)
    assert (tag_file(other), sentence_file(other), matches(other)) == (None, path, True)
    assert not matches(tmp_path / "other.txt")
    assert len(list(ParallelReader(path))) == 1


@pytest.mark.parametrize(
    ("name", "what"), [("tags.txt", "a file of tags"), ("x.txt", "no file")]
)
def test_path_that_is_not_the_sentences_is_a_clear_error(write, name, what):
    path = write("王\n", "O\n").with_name(name)
    with pytest.raises(CorpusError, match=rf"{name}: {what}.*: give the sentences"):
        ParallelReader(path)


def test_sample_has_its_entities(samples):
    reader = ParallelReader(samples / "parallel" / "sentences.txt")
    assert [["".join(s.tokens[i:j]) for i, j, *_ in s.spans] for s in reader] == [
        *(["李晓梅", "青川市"], ["青川市科技局"], []),
    ]
    assert len(reader) == 3
    assert records(reader) == []


content = st.lists(
    st.one_of(
        st.sampled_from(["王", "南湖", "B-X", "I-X", "E-X", "O", "\n", " "]).map(
            str.encode
        ),
        st.text(max_size=3).map(str.encode),
        st.binary(max_size=2),
    ),
    max_size=12,
).map(b" ".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentences=content, tags=content)
def test_any_bytes_give_sentences_or_a_clear_error(write, sentences, tags):
    path = write(sentences, tags)
    try:
        reader = ParallelReader(path)
    except CorpusError:
        return
    read = list(reader)
    assert len(read) == len(reader)
    for sentence in read:
        assert all(sentence.tokens)
        assert all(0 <= s.start < s.end <= len(sentence.tokens) for s in sentence.spans)
