import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.readers.inline import InlineReader, matches, split_piece
from spacy_bilstm_crf.corpus.sentence import CorpusError, Options


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "file.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf8"))
        return path

    return write_file


@pytest.fixture
def read(write):
    def read_content(content, scheme="auto"):
        return list(InlineReader(write(content), Options(scheme)))

    return read_content


def entities(sentence):
    return [("|".join(sentence.tokens[s.start : s.end]), s.label) for s in sentence.spans]


def records(sentences):
    return [(r.line, r.kind) for sentence in sentences for r in sentence.records]


def test_each_line_is_a_sentence_and_each_piece_a_token(read):
    first, second = read("今天/o 王明/nr 在/o 南湖/ns\n\n \t\n下/O 雨/O\n")
    assert first.tokens == ["今天", "王明", "在", "南湖"]
    assert first.spans == [(1, 2, "nr", 1), (3, 4, "ns", 1)]
    assert (second.tokens, second.spans, second.line) == (["下", "雨"], [], 4)
    assert records([first, second]) == []


def test_pieces_of_the_same_tag_side_by_side_are_several_entities(read):
    [sentence] = read("青川/ns 南湖/ns 王明/nr\n")
    assert entities(sentence) == [("青川", "ns"), ("南湖", "ns"), ("王明", "nr")]


def test_spaces_and_tabs_separate_pieces_and_other_whitespace_is_text(read):
    [sentence] = read("\ufeff  王/nr \t\u3000/o\u2028/o   雨/o \r\n".encode())
    assert sentence.tokens == ["王", "\u3000/o\u2028", "雨"]


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ("北京/ns", ("北京", "ns")),
        ("3/4/o", ("3/4", "O")),
        ("//O", ("/", "O")),
        ("/o", (" ", "O")),
        ("/ns", (" ", "ns")),
        ("北京", ("北京", "")),
        ("北京/", ("北京/", "")),
        ("/", ("/", "")),
        ("o", ("o", "")),
    ],
)
def test_split_piece(piece, expected):
    assert split_piece(piece) == expected


@pytest.mark.parametrize(
    "content", ["[/w 注/n ]/w\n", "[注]/n 王/nr\n", "王/n]x 在/o\n", "[注/n 王/a[1]\n"]
)
def test_brackets_of_single_pieces_are_text(read, content):
    [sentence] = read(content)
    assert len(sentence.tokens) == len(content.split())


def test_piece_without_tag_is_outside_and_recorded(read):
    [sentence] = read("王明/nr 在 南湖/ns\n")
    assert sentence.tokens == ["王明", "在", "南湖"]
    assert entities(sentence) == [("王明", "nr"), ("南湖", "ns")]
    [record] = sentence.records
    assert (record.line, record.kind) == (1, "unknown-tag")
    assert (record.before, record.after) == ("在", "O")


@pytest.mark.parametrize(
    "content",
    [
        "王/B-PER 明/I-PER 在/O 沪/B-LOC\n",
        "王/B_PER 明/E_PER 在/o 沪/S_LOC\n",
        "王/PER-B 明/PER-E 在/O 沪/LOC-S\n",
        "王/b-PER 明/i-PER 在/o 沪/b-LOC\n",
    ],
)
def test_tags_of_a_scheme_are_read_by_it(read, content):
    [sentence] = read(content)
    assert entities(sentence) == [("王|明", "PER"), ("沪", "LOC")]
    assert not sentence.records


def test_faults_in_a_scheme_are_recorded_with_their_lines(read):
    sentences = read("王/B-PER 明/I-PER\n明/I-LOC 在/O\n在 km/h\n")
    assert records(sentences) == [
        (2, "illegal-tag"),
        (3, "unknown-tag"),
        (3, "unknown-tag"),
    ]


def test_a_few_tags_that_look_like_a_scheme_make_none(read):
    sentences = read("王明/nr 南湖/ns 一日/B-time 在/o\n")
    assert entities(sentences[0])[2] == ("一日", "B-time")


def test_given_scheme_is_used(read):
    [sentence] = read("王/nr 明/nr 在/O\n", scheme="io")
    assert entities(sentence) == [("王|明", "nr")]


def test_evidence_counts_the_tags(write):
    reader = InlineReader(write("王明/nr 南湖/ns 沪/ns 在/o\n"))
    assert reader.evidence == "text/tag pieces, an entity each (tags ns 2, nr 1, O 1)"
    reader = InlineReader(write("王/B-PER 明/I-PER\n"))
    assert reader.evidence.startswith("text/tag pieces, bio, detected")


def test_sentence_that_is_not_utf8_is_recorded_and_the_rest_is_read(read):
    first, second = read("王明/nr 在/o\n".encode() + "南湖/ns\n".encode("gbk"))
    assert entities(first) == [("王明", "nr")]
    assert records([first, second]) == [(2, "not-utf8")]
    assert [span.label for span in second.spans] == ["ns"]


@pytest.mark.parametrize(
    ("content", "scheme", "message"),
    [
        ("\n只有 文本\n", "auto", "file.txt:2: no piece with a tag .*'只有'.*text/tag"),
        ("南湖/ns\n".encode("gbk"), "auto", "file.txt:1: not UTF-8"),
        ("南湖/ns\n".encode("utf-16"), "auto", "file.txt:1: UTF-16"),
        (b"\nPK\x00/o", "auto", "file.txt:2: a binary file"),
        ("在/o\n南湖/ns\n", "bio", "file.txt:2: no tag but O .*'ns'"),
        ("在/o\n", "bies", "Unknown scheme 'bies'"),
        ("在/o\n[中国/ns 银行/n]nt 在/o\n", "auto", "file.txt:2: brackets around several"),
        (" ".join(f"a/{i}" for i in range(2000)), "auto", "file.txt:1: more than 1,000"),
    ],
)
def test_what_is_no_inline_file_is_one_clear_error(read, content, scheme, message):
    with pytest.raises(CorpusError, match=message):
        read(content, scheme)


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_file_without_tokens_has_no_sentences(read, content):
    assert read(content) == []


@pytest.mark.parametrize(
    "content",
    [
        "今天/o 王明/nr\n",
        "\ufeff王/B-PER 明/I-PER 在/O\n",
        "今天/o 王明/nr 在/o 3/4/o 处/o 散步/o 在/o 南湖/ns 边/o 了 。/o\n",
    ],
)
def test_inline_files_match(write, content):
    assert matches(write(content))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "1/2 O\nkm/h O\n",
        "1/2 O\nkm/h B-a/b\n",
        "中 O\n国 O\n",
        "王/B-PER\n明/I-PER\n在/O\n",  # a column file with slashes
        "北京/ns 是/v 首都/n\n",  # parts of speech only
        "and/or either/or\n",
        '{"text": "1/2 O"}\n',
        "今天 王明/nr 在/o 南湖\n",
    ],
)
def test_other_files_do_not_match(write, content):
    assert not matches(write(content))


def test_folder_does_not_match(tmp_path):
    assert not matches(tmp_path)


def test_only_the_beginning_of_a_file_is_looked_at(write):
    assert not matches(write("x" * 100_000 + "/o 在/o\n"))


def test_sample_has_its_entities(samples):
    sentences = list(InlineReader(samples / "inline.txt"))
    assert [entities(sentence) for sentence in sentences] == [
        [("李晓梅", "nr"), ("青川市", "ns"), ("南湖", "ns")],
        [("青川市科技局", "nt"), ("南湖大学", "nt")],
        [],
    ]
    assert sentences[1].tokens[6] == "3/4"
    assert records(sentences) == []
    assert matches(samples / "inline.txt")


pieces = st.one_of(
    st.sampled_from(
        ["王/nr", "在/o", "/o", "/", "a/B-X", "b/I-X", "c/E-X", "\n", "\u3000/o"]
    ),
    st.text(max_size=4),
).map(str.encode)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.lists(st.one_of(pieces, st.binary(max_size=3)), max_size=12).map(b" ".join),
    scheme=st.sampled_from(["auto", "bio", "io"]),
)
def test_any_bytes_give_sentences_or_a_clear_error(write, content, scheme):
    path = write(content)
    try:
        reader = InlineReader(path, Options(scheme))
    except CorpusError:
        return
    sentences = list(reader)
    assert len(sentences) == len(reader)
    for sentence in sentences:
        assert all(sentence.tokens)
        assert all(0 <= s.start < s.end <= len(sentence.tokens) for s in sentence.spans)
