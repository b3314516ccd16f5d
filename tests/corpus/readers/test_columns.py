import pytest

from spacy_bilstm_crf.corpus.columns import ColumnReader, split_columns
from spacy_bilstm_crf.corpus.schemes import SCHEMES
from spacy_bilstm_crf.corpus.sentence import CorpusError


@pytest.fixture
def read(tmp_path):
    def read_content(content, scheme="auto"):
        path = tmp_path / "file.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf8"))
        return list(ColumnReader(path, scheme))

    return read_content


def tokens(sentences):
    return [list(sentence.tokens) for sentence in sentences]


def records(sentences):
    return [(r.line, r.kind) for sentence in sentences for r in sentence.records]


def test_blank_lines_separate_sentences(read):
    first, second = read("\n中 B-LOC\n国 I-LOC\n\n \t\n\n人 O\n")
    assert (first.tokens, first.spans, first.line) == (["中", "国"], [(0, 2, "LOC")], 2)
    assert (second.tokens, second.spans, second.line) == (["人"], [], 7)


def test_last_sentence_needs_no_line_end(read):
    assert tokens(read("中 O\n\n国 O")) == [["中"], ["国"]]


def test_crlf_and_byte_order_mark_are_not_content(read):
    [sentence] = read(b"\xef\xbb\xbf" + "中 B-LOC\r\n国 I-LOC\r\n\r\n".encode())
    assert (sentence.tokens, sentence.spans) == (["中", "国"], [(0, 2, "LOC")])
    assert not sentence.records


def test_hash_is_a_token(read):
    [sentence] = read("# B-TITLE\n楼 I-TITLE\n")
    assert (sentence.tokens, sentence.spans) == (["#", "楼"], [(0, 2, "TITLE")])


def test_docstart_lines_are_skipped(read):
    sentences = read(
        "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\n-DOCSTART- -X- O O\nUK N N O\n"
    )
    assert tokens(sentences) == [["EU"], ["UK"]]
    assert sentences[0].line == 3


@pytest.mark.parametrize("character", ["\u2028", "\x85", "\x0b", "\x1c", "\u3000"])
def test_only_line_feeds_end_a_line(read, character):
    assert tokens(read(f"{character} O\n中{character} O\n")) == [
        [character, f"中{character}"]
    ]


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("中 O", ["中", "O"]),
        ("EU   NNP \t".rstrip("\t"), ["EU", "NNP"]),
        ("New York\tB-LOC", ["New York", "B-LOC"]),
        ("EU\tNNP\t\tO", ["EU", "NNP", "O"]),
        ("  O", [" ", "O"]),
        ("\t\tO", ["\t", "O"]),
        ("\u3000 O", ["\u3000", "O"]),
        ("中", ["中"]),
    ],
)
def test_split_columns(line, columns):
    assert split_columns(line) == columns


def test_line_without_tag_is_recorded(read):
    [sentence] = read("中 B-LOC\n国\n人 O\n")
    assert (sentence.tokens, sentence.spans) == (["中", "国", "人"], [(0, 1, "LOC")])
    assert records([sentence]) == [(2, "unknown-tag")]


def test_line_with_odd_number_of_columns_is_recorded(read):
    sentences = read("中 O\nNew York B-LOC\n\n国 O\n")
    assert records(sentences) == [(2, "column-count")]


def test_lines_without_tag_do_not_set_the_number_of_columns(read):
    assert records(read("中\n国\n人 O\n")) == [(1, "unknown-tag"), (2, "unknown-tag")]


def test_illegal_and_unknown_tags_are_recorded_with_their_lines(read):
    sentences = read("中 O\n国 X-PER\n\n人 I-PER\n民 I-PER\n", scheme="bio")
    assert records(sentences) == [(2, "unknown-tag"), (4, "illegal-tag")]


def test_sentence_that_is_not_utf8_is_recorded_and_the_rest_is_read(read):
    sentences = read(
        "中 O\n\n国 O\n".encode() + "人 B-PER\n".encode("gbk") + "\n民 O\n".encode()
    )
    assert records(sentences) == [(4, "not-utf8")]
    assert tokens(sentences)[2] == ["民"]
    assert sentences[1].spans == [(1, 2, "PER")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("中国人民\n".encode("gbk"), "file.txt:1: not UTF-8"),
        ("\n\n中 O\n".encode("gbk"), "file.txt:3: not UTF-8"),
        ("中 O\n".encode("utf-16"), "file.txt:1: UTF-16"),
        (b"\n\nPK\x03\x04\x00", "file.txt:3: a binary file"),
        (b"a O\rb O\r", "file.txt:1: lines end with CR"),
        ("\n只有文本\n".encode(), "file.txt:2: no line .* only one column"),
        (b"runs VBZ\n", "file.txt:1: no line .* 'VBZ'"),
    ],
)
def test_what_is_no_column_file_is_one_clear_error(read, content, message):
    with pytest.raises(CorpusError, match=message):
        read(content)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"-DOCSTART- O\n"])
def test_file_without_tokens_has_no_sentences(read, content):
    assert read(content) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_samples_say_the_same_in_every_scheme(samples, scheme):
    reader = ColumnReader(samples / f"chinese.{scheme}")
    assert reader.scheme.name == scheme
    expected = list(ColumnReader(samples / "chinese.bio"))
    assert len(reader) == len(expected) == 5
    for sentence, other in zip(reader, expected, strict=True):
        assert (sentence.tokens, sentence.spans) == (other.tokens, other.spans)
        assert not sentence.records


def test_given_scheme_overrides_the_detected_one(samples):
    reader = ColumnReader(samples / "chinese.bmes", "bioes")
    assert reader.scheme.name == "bioes"
    assert "as given" in reader.evidence
    assert {why for s in reader for why in [r.why for r in s.records]} == {
        "bioes has no M-"
    }


@pytest.mark.parametrize(
    ("name", "entities"),
    [
        ("example.train.recovered", 5712),
        ("example.dev", 3819),
        ("example.test", 7707),
    ],
)
def test_chinese_ner_is_read_without_repairs(corpora, name, entities):
    reader = ColumnReader(corpora / "chinese_ner" / name)
    assert reader.scheme.name == "bio"
    assert sum(len(sentence.spans) for sentence in reader) == entities
    assert records(reader) == []


@pytest.mark.parametrize("tag", ["B_PER", "PER-B", "PER"])
def test_a_file_whose_entity_tags_cannot_be_read_is_an_error(tmp_path, tag):
    path = tmp_path / "train.bio"
    path.write_text(f"x O\n\ny O\nz {tag}\n", "utf8")
    with pytest.raises(CorpusError, match=rf"train.bio:4: .*'{tag}'.*B-PER"):
        ColumnReader(path)
