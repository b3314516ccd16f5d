import pytest

from spacy_bilstm_crf.corpus.readers import columns
from spacy_bilstm_crf.corpus.readers.columns import ColumnReader, split_columns
from spacy_bilstm_crf.corpus.schemes import SCHEMES
from spacy_bilstm_crf.corpus.sentence import CorpusError, Options


@pytest.fixture
def open_content(tmp_path):
    def open_file(content, **options):
        path = tmp_path / "file.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf8"))
        return ColumnReader(path, Options(**options))

    return open_file


@pytest.fixture
def read(open_content):
    return lambda content, **options: list(open_content(content, **options))


def tokens(sentences):
    return [sentence.tokens for sentence in sentences]


def spans(sentences):
    return [[span[:3] for span in sentence.spans] for sentence in sentences]


def records(sentences):
    return [(r.line, r.kind) for sentence in sentences for r in sentence.records]


def test_blank_lines_separate_sentences(read):
    first, second = read("\n中 B-LOC\n国 I-LOC\n\n \t\n\n人 O\n")
    assert (first.tokens, first.spans) == (["中", "国"], [(0, 2, "LOC", 2)])
    assert (first.line, second.line) == (2, 7)
    assert (second.tokens, second.spans) == (["人"], [])


def test_last_sentence_needs_no_line_end(read):
    assert tokens(read("中 O\n\n国 O")) == [["中"], ["国"]]


def test_crlf_and_byte_order_mark_are_not_content(read):
    [sentence] = read(b"\xef\xbb\xbf" + "中 B-LOC\r\n国 I-LOC\r\n\r\n".encode())
    assert (sentence.tokens, sentence.spans) == (["中", "国"], [(0, 2, "LOC", 1)])
    assert not sentence.records


def test_byte_order_mark_is_a_token_inside_the_file(read):
    assert tokens(read("中 O\n\ufeff O\n")) == [["中", "\ufeff"]]


@pytest.mark.parametrize("line", ["# _ O", "#id O", "# sent_id O", "# text O", "# O"])
def test_other_lines_with_a_hash_are_tokens(read, line):
    [sentence] = read(f"中 _ O\n{line}\n")
    assert sentence.tokens[1].startswith("#")


@pytest.mark.parametrize("header", ["token\ttag", "字 标签", "Word\tPOS\tNER_Tag"])
def test_header_line_is_no_token_and_recorded(read, header):
    first, second = read(f"\n{header}\n王\tB-PER\n博\tI-PER\n\n在\tO\n")
    assert (first.tokens, first.spans) == (["王", "博"], [(0, 2, "PER", 3)])
    assert (first.line, second.line) == (3, 6)
    [record] = first.records
    assert (record.line, record.kind, record.why) == (2, "not-read", "a header line")
    assert (record.before, record.fault, second.records) == (header, False, ())


def test_header_line_may_be_a_block_of_its_own(read):
    [sentence] = read("token tag\n\n#\n\n王 B-PER\n", comment="#")
    assert (sentence.tokens, records([sentence])) == (["王"], [(1, "not-read")])


def test_header_line_has_no_say_in_the_number_of_columns(open_content):
    reader = open_content("the token tag\n王 B-PER\n")
    assert (reader.n_columns, records(reader)) == (2, [(1, "not-read")])


def test_only_the_first_line_is_a_header(read):
    sentences = read("token tag\n王 B-PER\n\ntoken tag\n")
    assert tokens(sentences) == [["王"], ["token"]]
    assert records(sentences) == [(1, "not-read"), (4, "unknown-tag")]


def test_commas_may_be_tokens(read):
    assert tokens(read(", O\n, O\n王 B-PER\n")) == [[",", ",", "王"]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [("token label\n王 PER\n", ["王"]), ("好 label\n王 label\n", ["好", "王"])],
)
def test_with_labels_alone_a_header_is_what_is_no_label(read, content, expected):
    assert tokens(read(content, scheme="io")) == [expected]


def test_hash_is_a_token(read):
    [sentence] = read("# B-TITLE\n楼 I-TITLE\n")
    assert (sentence.tokens, sentence.spans) == (["#", "楼"], [(0, 2, "TITLE", 1)])


@pytest.mark.parametrize(
    "boundary",
    [
        *("-DOCSTART- -X- O O", "# newdoc id = 1", "# id 5239d808-f300\tdomain=train"),
        *("# sent_id = 1", "# text = EU and UK"),
    ],
)
def test_lines_between_documents_separate_sentences(read, boundary):
    sentences = read(f"{boundary}\n\nEU NNP I-NP I-ORG\n{boundary}\nUK N N O\n")
    assert tokens(sentences) == [["EU"], ["UK"]]
    assert [sentence.line for sentence in sentences] == [3, 5]
    assert records(sentences) == []


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
        ("   O", [" ", "O"]),
        (" \tO", [" ", "O"]),
        ("\u3000\tO", ["\u3000", "O"]),
        ("\t\tO", ["\t", "O"]),
        ("\u3000 O", ["\u3000", "O"]),
        ("中", ["中"]),
    ],
)
def test_split_columns(line, columns):
    assert split_columns(line) == columns


def test_line_without_tag_is_recorded(read):
    [sentence] = read("中 B-LOC\n国\n人 O\n")
    assert (sentence.tokens, sentence.spans) == (["中", "国", "人"], [(0, 1, "LOC", 1)])
    assert records([sentence]) == [(2, "unknown-tag")]


def test_line_with_odd_number_of_columns_is_recorded(read):
    sentences = read("中 O\nNew York B-LOC\n\n国 O\n")
    assert records(sentences) == [(2, "column-count")]


def test_line_without_tag_is_recorded_once_beside_other_faults(read):
    sentences = read("中 O\n国\nNew York B-LOC\n\n人 O\n")
    assert sorted(records(sentences)) == [(2, "unknown-tag"), (3, "column-count")]


def test_lines_without_tag_do_not_set_the_number_of_columns(read):
    assert records(read("中\n国\n人 O\n")) == [(1, "unknown-tag"), (2, "unknown-tag")]


def test_illegal_and_unknown_tags_are_recorded_with_their_lines(read):
    sentences = read("中 O\n国 X-PER\n\n人 I-PER\n民 I-PER\n", scheme="bio")
    assert records(sentences) == [(2, "unknown-tag"), (4, "illegal-tag")]


def test_sentence_that_is_not_utf8_is_recorded_and_the_rest_is_read(read):
    sentences = read(
        "中 O\n\n国 O\n".encode() + "人 B-PER\n大 O\n".encode("gbk") + "\n民 O\n".encode()
    )
    assert records(sentences) == [(4, "not-utf8")]
    assert tokens(sentences)[2] == ["民"]
    assert sentences[1].spans == [(1, 2, "PER", 4)]


def test_tags_beside_a_line_that_is_not_utf8_are_known(open_content):
    reader = open_content("沪 S-LOC\n".encode() + b"\xff O\n")
    assert "letters S 1;" in reader.evidence
    assert records(reader) == [(2, "not-utf8")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("中国人民\n\n大 O\n".encode("gbk"), "file.txt:1: not UTF-8"),
        ("\n\n中 O\n".encode("gbk"), "file.txt:3: not UTF-8"),
        ("中 O\n".encode("utf-16"), "file.txt:1: UTF-16"),
        (b"\n\nPK\x03\x04\x00", "file.txt:3: a binary file"),
        (b"a O\rb O\r", "file.txt:1: lines end with CR"),
        ("\n只有文本\n".encode(), "file.txt:2: no line .* only one column"),
        (b"runs VBZ\n", "file.txt:1: no line .* 'VBZ'.*--token-column, --tag-column"),
        ('王,B-PER\n"博",I-PER\n\n在,O\n', "file.txt:1: looks like CSV: .*tab-separated"),
        ("#,Word,Tag\n中 1,沪,B-LOC\n,在,O\n", "file.txt:1: looks like CSV"),
        ('"王"\t"B-PER"\n\n"在"\t"O"\n', "file.txt:1: its columns have quotes: save"),
        ("甲,乙\n丙,丁\n在,O\n", "file.txt:1: no line .* only one column"),
    ],
)
def test_what_is_no_column_file_is_one_clear_error(read, content, message):
    with pytest.raises(CorpusError, match=message):
        read(content)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"-DOCSTART- O\n"])
def test_file_without_tokens_has_no_sentences(read, content):
    assert read(content, token_column=3) == []


@pytest.mark.parametrize("tag", ["PER", "X-PER"])
def test_a_file_whose_entity_tags_cannot_be_read_is_an_error(read, tag):
    with pytest.raises(CorpusError, match=rf"file.txt:4: .*'{tag}'.*B-PER.*--scheme io"):
        read(f"x O\n\ny O\nz {tag}\n")


def test_unknown_scheme_is_an_error(read):
    with pytest.raises(CorpusError, match="Unknown scheme 'bieos'"):
        read("x O\n", scheme="bieos")


@pytest.mark.parametrize(
    ("token_column", "tag_column"), [(1, 3), (-4, -2), (1, -2), (-4, 3)]
)
def test_columns_are_counted_from_either_end(read, token_column, tag_column):
    sentences = read(
        "1 EU NNP I-ORG _\n2 and CC O _\n",
        token_column=token_column,
        tag_column=tag_column,
    )
    assert tokens(sentences) == [["EU", "and"]]
    assert spans(sentences) == [[(0, 1, "ORG")]]


def test_columns_may_be_tabs_with_spaces_in_them(read):
    sentences = read("New York\tNNP\tB-LOC \n \t_\tO\n,\t,\tO\n")
    assert (tokens(sentences), spans(sentences)) == (
        [["New York", " ", ","]],
        [[(0, 1, "LOC")]],
    )


def test_line_that_lacks_the_tag_is_recorded_and_has_none(read):
    [sentence] = read("1 EU B-ORG _\n2 and\n3 UK B-ORG _\n", token_column=1, tag_column=2)
    assert (sentence.tokens, records([sentence])) == (
        ["EU", "and", "UK"],
        [(2, "column-count")],
    )
    assert (sentence.records[0].before, sentence.records[0].after) == ("2 and", "and O")
    assert spans([sentence]) == [[(0, 1, "ORG"), (2, 3, "ORG")]]


def test_line_that_lacks_the_token_is_recorded_and_keeps_its_entity(read):
    [sentence] = read("B-ORG 1 EU\nI-ORG\nO 3 UK\n", token_column=2, tag_column=0)
    assert (sentence.tokens, spans([sentence])) == (
        ["EU", "I-ORG", "UK"],
        [[(0, 2, "ORG")]],
    )
    assert records([sentence]) == [(2, "column-count")]


def test_further_columns_do_not_matter_to_columns_counted_from_the_front(read):
    content = "EU B-ORG _\nand O _ (ARG1* (V*\nUK B-ORG\n"
    assert records(read(content, tag_column=1)) == []
    by_end = read("EU _ B-ORG _\nand _ (ARG1* O (V*\nUK _ B-ORG _\n", tag_column=-2)
    assert records(by_end) == [(2, "column-count")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tag_column": 2}, "file.txt:2: no line has a column 2: the file has 2, counted"),
        ({"token_column": -3}, "file.txt:2: no line has a column -3: the file has 2"),
        ({"token_column": 1}, "file.txt:2: token and tag cannot both be in column 1"),
        ({"token_column": -1, "tag_column": 0}, "file.txt:2: no line .*'中'.* name their"),
    ],
)
def test_columns_that_are_not_there_are_an_error(read, options, message):
    with pytest.raises(CorpusError, match=message):
        read("\n中 B-LOC\n国 I-LOC\n", **options)


def test_evidence_names_the_columns_if_there_are_others(open_content):
    assert "column" not in open_content("EU B-ORG\nand O\n").evidence
    content = "1 EU B-ORG\n2 and O\n"
    evidence = open_content(content).evidence
    assert evidence.endswith("; token in column 0, tag in column -1 of 3")
    evidence = open_content(content, token_column=1).evidence
    assert evidence.endswith("; token in column 1, tag in column -1 of 3")
    evidence = open_content("B-ORG EU\n", token_column=1, tag_column=0).evidence
    assert evidence.endswith("; token in column 1, tag in column 0 of 2")


def test_comments_are_skipped_and_do_not_separate(read):
    [first, second] = read(
        "# id 1\n中 B-LOC\n# note\n国 I-LOC\n\n# id 2\n\n人 X-PER\n#\n", comment="#"
    )
    assert (first.tokens, first.spans) == (["中", "国"], [(0, 2, "LOC", 2)])
    assert (second.tokens, second.line) == (["人"], 8)
    assert records([first, second]) == [(8, "unknown-tag")]


@pytest.mark.parametrize("comment", [None, ""])
def test_without_a_prefix_there_are_no_comments(read, comment):
    assert tokens(read("# O\n中 O\n", comment=comment)) == [["#", "中"]]


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("科0", "科"),
        ("ab1", "ab"),
        ("10", "1"),
        ("１0", "１"),
        ("#3", "#"),
        ("科", "科"),
        ("7", "7"),
        ("2024", "2024"),
        ("科１", "科１"),
    ],
)
def test_segmentation_digit_is_cut_off(read, token, expected):
    sentences = read(f"{token} O\n", segmentation=True)
    assert (tokens(sentences), records(sentences)) == ([[expected]], [])


def test_digits_are_kept_unless_they_are_said_to_be_segmentation(read):
    assert tokens(read("科0 O\n10 O\n")) == [["科0", "10"]]


def test_lines_are_remembered_up_to_a_limit(read, monkeypatch):
    monkeypatch.setattr(columns, "N_CACHED_LINES", 2)
    content = "".join(f"{i} O\n" for i in range(5)) * 2
    assert tokens(read(content)) == [[*"01234"] * 2]


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != "io"])
def test_samples_say_the_same_in_every_scheme(samples, scheme):
    reader = ColumnReader(samples / f"chinese.{scheme}")
    assert reader.evidence.startswith(f"{scheme}, detected (")
    expected = list(ColumnReader(samples / "chinese.bio"))
    assert len(reader) == len(expected) == 5
    assert list(map(content, reader)) == list(map(content, expected))
    assert records(reader) == []


def test_io_sample_joins_what_its_scheme_cannot_tell_apart(samples):
    reader = ColumnReader(samples / "chinese.io")
    assert reader.evidence.startswith("io, detected (")
    apart = spans(ColumnReader(samples / "chinese.bio"))
    joined = spans(reader)
    assert (apart[1], joined[1]) == ([(3, 5, "LOC"), (5, 7, "LOC")], [(3, 7, "LOC")])
    assert (apart[2], joined[2]) == ([(0, 1, "LOC"), (1, 2, "LOC")], [(0, 2, "LOC")])
    assert (apart[0], apart[3:]) == (joined[0], joined[3:])


@pytest.mark.parametrize(
    ("name", "options", "evidence"),
    [
        ("chinese_type_first.bmes", {}, "bmes, detected, tags such as PER-B ("),
        ("chinese_segmented.bio", {"segmentation": True}, "bio, detected ("),
    ],
)
def test_samples_say_the_same_in_every_notation(samples, name, options, evidence):
    reader = ColumnReader(samples / name, Options(**options))
    expected = ColumnReader(samples / "chinese.bio")
    assert reader.evidence.startswith(evidence)
    assert list(map(content, reader)) == list(map(content, expected))
    assert records(reader) == []


def test_lower_case_sample_has_labels_in_lower_case(samples):
    reader = ColumnReader(samples / "chinese_lower_case.bio")
    assert reader.evidence.startswith("bio, detected, tags such as b-PER (")
    expected = ColumnReader(samples / "chinese.bio")
    lower = [[(i, j, label.lower()) for i, j, label in found] for found in spans(expected)]
    assert (spans(reader), records(reader)) == (lower, [])


def test_sample_with_more_columns_and_comments(samples):
    reader = ColumnReader(samples / "english.conll", Options(token_column=1, comment="#"))
    expected = list(ColumnReader(samples / "english.bio"))[:2]
    assert list(map(content, reader)) == list(map(content, expected))
    assert records(reader) == []


def content(sentence):
    return sentence.tokens, [span[:3] for span in sentence.spans]


def test_given_scheme_overrides_the_detected_one(samples):
    reader = ColumnReader(samples / "chinese.bmes", Options(scheme="biose"))
    assert reader.evidence.startswith("bioes, as given")
    assert {record.why for s in reader for record in s.records} == {"bioes has no M-"}


@pytest.mark.parametrize(
    ("name", "entities"),
    [
        ("example.train.recovered", 5712),
        ("example.dev", 3819),
        ("example.test", 7707),
        ("chinese_ner_train_substitute.bio", 34257),
    ],
)
def test_chinese_ner_is_read_without_repairs(corpora, name, entities):
    reader = ColumnReader(corpora / "chinese_ner" / name)
    assert reader.evidence.startswith("bio, detected (")
    assert sum(map(len, spans(reader))) == entities
    assert records(reader) == []


@pytest.mark.parametrize(
    ("name", "entities", "repaired"),
    [
        ("train", 13440, [62390, 62392, 64412, 64414]),
        ("dev", 1497, []),
        ("test", 1630, []),
    ],
)
def test_resume_is_read_and_its_illegal_tags_are_repaired(
    corpora, name, entities, repaired
):
    reader = ColumnReader(corpora / "resume" / f"{name}.char.bmes")
    assert reader.evidence.startswith("bmes, detected (")
    assert sum(map(len, spans(reader))) == entities
    assert records(reader) == [(line, "illegal-tag") for line in repaired]
