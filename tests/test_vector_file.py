import gzip

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.corpus.sentence import CorpusError
from spacy_bilstm_crf.vector_file import VectorReport, load_vectors, read_vectors

ROWS = ["中 0.5 -1 2e-1", "国 1 2 3", "2014 4 5 6"]
VECTORS = {"中": [0.5, -1, 0.2], "国": [1, 2, 3], "2014": [4, 5, 6]}


def write(path, lines, end="\n"):
    path.write_bytes("".join(line + end for line in lines).encode("utf8"))
    return path


def read(path):
    report = VectorReport()
    rows = list(read_vectors(path, report))
    assert report.rows == len(rows)
    assert all(v.dtype == "float32" and v.shape == (report.width,) for _, v in rows)
    return {word: v.round(6).tolist() for word, v in rows}, report


def as_float32(rows):
    return {w: numpy.float32(v).round(6).tolist() for w, v in rows.items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.vec"


@pytest.mark.parametrize(
    ("header", "declared"),
    [
        ([], None),
        (["3 3"], (3, 3)),
        (["9999 3"], (9999, 3)),
        (["3 300"], (3, 300)),
        (["1 3"], (1, 3)),
    ],
    ids=["absent", "right", "too many", "wrong width", "too few"],
)
def test_a_header_is_not_needed_and_not_believed(path, header, declared):
    rows, report = read(write(path, [*header, *ROWS]))
    assert rows == as_float32(VECTORS)
    assert (report.declared, report.width) == (declared, 3)
    assert not report.skipped


@pytest.mark.parametrize("end", ["\r\n", " \n", "\t\n"])
def test_line_ends_and_trailing_blanks(path, end):
    assert read(write(path, ["3 3", *ROWS], end))[0] == as_float32(VECTORS)


def test_mixed_line_ends(path):
    path.write_bytes(f"3 3\r\n{ROWS[0]}\n{ROWS[1]}\r\n{ROWS[2]}".encode())
    assert read(path)[0] == as_float32(VECTORS)


def test_byte_order_mark(path):
    path.write_bytes(b"\xef\xbb\xbf" + write(path, ROWS).read_bytes())
    assert read(path)[0] == as_float32(VECTORS)


@pytest.mark.parametrize("change", [("\t", "\t"), ("\t", " "), ("  ", "  "), (" ", " \t")])
def test_what_separates_the_columns(path, change):
    first, others = change
    lines = [first.join(line.split(" ", 1)) for line in ROWS]
    lines = [line.replace(" ", others) for line in lines]
    assert read(write(path, lines))[0] == as_float32(VECTORS)


@pytest.mark.parametrize("header", [[], ["6 2"]])
def test_words_that_are_whitespace_or_hold_it(path, header):
    words = [" ", "\t", "\u2003", "\u3000", "New York", "a\u2028b", "\x85"]
    _, report = read(write(path, [*header, *[f"{word} 1 2" for word in words]]))
    assert report.rows == len(words)
    assert [word for word, _ in read_vectors(path)] == words


def test_whitespace_as_first_word_without_a_header(path):
    assert read(write(path, ["  1 2 3", *ROWS]))[0][" "] == [1, 2, 3]


def test_of_several_rows_the_first_counts(path):
    rows, report = read(write(path, ["中 1 2", "国 3 4", "中 5 6", "中 7 8"]))
    assert rows == {"中": [1, 2], "国": [3, 4]}
    assert report.skipped == {"a word that an earlier row has": 2}
    assert report.list_skipped() == [
        f"2 rows left out: a word that an earlier row has, first at {path}:3"
    ]


@pytest.mark.parametrize(
    "row", ["人 1 2", "人 1 2 x", "人 1 nan 2", "人 1 1e99 2", "人", " 1 2 3", "5 6 7"]
)
def test_rows_that_are_no_vectors_are_left_out_and_counted(path, row):
    rows, report = read(write(path, [*ROWS, row]))
    assert rows == as_float32(VECTORS)
    assert report.skipped == {"not a word and 3 numbers": 1}
    assert list(report.examples.values()) == [f"{path}:4"]


def test_odd_rows_at_the_start_are_outvoted(path):
    rows, report = read(write(path, ["top 10 7 8 9", *ROWS]))
    assert rows["top 10"] == [7, 8, 9]
    assert report.width == 3


def test_words_that_are_not_utf8_are_left_out_and_counted(path):
    good = write(path, ROWS).read_bytes()
    path.write_bytes(good + "中".encode("gb18030") + b" 1 2 3\n")
    rows, report = read(path)
    assert rows == as_float32(VECTORS)
    assert report.skipped == {"not UTF-8": 1}


def test_blank_lines_are_nothing(path):
    blank = ["", " ", "\t", "\u3000"]
    rows, report = read(write(path, [ROWS[0], *blank, *ROWS[1:], *blank]))
    assert rows == as_float32(VECTORS)
    assert not report.skipped


def test_gzip_by_content_not_by_name(path):
    path.write_bytes(gzip.compress(write(path, ["3 3", *ROWS]).read_bytes()))
    assert read(path)[0] == as_float32(VECTORS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ":1: no vectors"),
        (b"3 3\n", ":1: no vectors"),
        (b" \n", ":1: no vectors"),
        (b" 1 2 3\n", ":1: no vectors"),
        ("中 国\n人 民\n".encode(), ":1: no vectors"),
        ("中 1 2\n国 3 4\n".encode("utf16"), ":1: not a UTF-8 text file"),
        ("中 1 2\n国 3 4\n".encode("gb18030"), ":1: not a UTF-8 text file"),
        (b"2 2\nab \0\0\1\2", ":1: not a UTF-8 text file"),
        ("中 1 2\r国 3 4\r".encode(), ":1: lines end with CR only"),
        (gzip.compress("中 1 2\n".encode())[:-4], "the gzip file is damaged"),
        (gzip.compress("中 1 2\n".encode())[:12] + b"x" * 20, "the gzip file is damaged"),
        (b"\x1f\x8b\x01 no method of that number", "the gzip file is damaged"),
    ],
)
def test_files_that_are_none_are_refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=message) as error:
        list(read_vectors(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_whose_rows_are_all_left_out_has_no_vectors_for_a_vocabulary(path):
    path.write_bytes(b" 1 2 3\n")
    vocab = spacy.blank("zh").vocab
    with pytest.raises(CorpusError, match="no vectors"):
        load_vectors(vocab, path)


def test_a_file_that_is_not_there(path):
    with pytest.raises(CorpusError, match="no such file"):
        list(read_vectors(path))


def test_rows_come_before_the_file_is_read_to_the_end(path):
    # Nothing but the words is kept.
    with gzip.open(path, "wt", encoding="utf8") as file_:
        file_.writelines(f"{i} {i % 7} {i % 11}\n" for i in range(100_000))
    path.write_bytes(path.read_bytes()[:100_000])
    rows = read_vectors(path)
    assert [next(rows)[0] for _ in range(3)] == ["0", "1", "2"]


@given(st.binary(max_size=200))
def test_any_bytes_give_vectors_or_a_clear_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.vec"
    path.write_bytes(content)
    try:
        read(path)
    except CorpusError as error:
        assert "\n" not in str(error)  # noqa: PT017


words = st.text(min_size=1, max_size=4).filter(
    # What ends a row, stands in binary files only, or is like what separates the columns.
    lambda word: not {"\n", "\r", "\0"} & set(word) and not word[-1].isspace()
)
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.dictionaries(words, st.lists(numbers, min_size=2, max_size=2), min_size=1))
def test_what_was_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "written.vec"
    # Two rows more decide what the width is.
    rows = {"a": [1.0, 2.0], "b": [3.0, 4.0], **rows}
    write(path, [f"{word} {x!r} {y!r}" for word, (x, y) in rows.items()])
    assert {word: v.tolist() for word, v in read_vectors(path)} == rows


def test_vectors_of_a_vocabulary(path):
    write(path, [*ROWS, ROWS[0]])
    vocab = spacy.blank("zh").vocab
    report = load_vectors(vocab, path)
    assert vocab.vectors.shape == (3, 3)
    assert vocab["国"].vector.tolist() == [1, 2, 3]
    assert not vocab.has_vector("人")
    assert report.skipped.total() == 1
    assert vocab.strings["中"] in vocab.strings


def test_the_first_vectors_only(path):
    vocab = spacy.blank("zh").vocab
    assert load_vectors(vocab, write(path, ROWS), truncate=2).rows == 2
    assert vocab.vectors.n_keys == 2
    assert not vocab.has_vector("2014")


def test_real_character_vectors(corpora):
    path = corpora / "char_vectors" / "ruijin_char_100d.vec"
    rows, report = read(path)
    assert (report.rows, report.width, report.declared) == (3244, 100, (3244, 100))
    assert not report.skipped
    assert {word for word in rows if len(word) > 1 or word.isspace()} == {
        " ", "\u2003", "LSEG"
    }  # fmt: skip
