from pathlib import Path

import pytest

from spacy_bilstm_crf.corpus.formats import (
    FORMATS,
    find_sources,
    list_unread,
    open_reader,
)
from spacy_bilstm_crf.corpus.readers.columns import ColumnReader
from spacy_bilstm_crf.corpus.readers.inline import InlineReader
from spacy_bilstm_crf.corpus.sentence import CorpusError, Options


@pytest.fixture
def write(tmp_path):
    def write_files(*names, content="中 O\n"):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf8")
        return path

    return write_files


def names(paths):
    return [path.name for path in paths]


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        ("brat", "brat"),
        ("brat/letter.ann", "brat"),
        ("brat/letter.txt", "brat"),
        ("parallel/sentences.txt", "parallel"),
        ("inline.txt", "inline"),
        ("cluener.json", "cluener"),
        ("doccano1.jsonl", "doccano"),
        ("label_studio.json", "label-studio"),
        ("prodigy.jsonl", "prodigy"),
        ("spacy_offsets.jsonl", "spacy"),
        ("offsets.jsonl", "offsets"),
        ("tagged.jsonl", "jsonl"),
        ("tagged_dicts.txt", "jsonl"),
        ("chinese.bmes", "columns"),
        ("english.conll", "columns"),
    ],
)
def test_formats_of_the_samples_are_detected(samples, sample, name):
    path = samples / sample
    detected = next(name for name, format_ in FORMATS.items() if format_.matches(path))
    assert detected == name
    assert open_reader(path, Options()).evidence == (
        open_reader(path, Options(), name).evidence
    )


def test_given_format_is_taken_without_looking(write):
    path = write("in.txt", content="今天/o 王明/nr\n")
    assert isinstance(open_reader(path, Options()), InlineReader)
    with pytest.raises(CorpusError, match=r"in.txt:1: "):
        open_reader(path, Options(), "columns")


def test_options_reach_the_reader(samples):
    reader = open_reader(samples / "chinese.bmes", Options("bmewo"))
    assert "bmewo, as given" in reader.evidence


def test_files_are_taken_as_they_are_given(write, tmp_path):
    inputs = [write("b.bio"), str(write("a.md"))]
    assert find_sources(inputs) == [tmp_path / "b.bio", tmp_path / "a.md"]


def test_folder_means_its_corpus_files_in_order(write, tmp_path):
    write("b.bio", "a.bmes", ".d.bio", "sub/e.bio")
    write("c.md", content="# About this corpus\n")
    assert names(find_sources([tmp_path])) == ["a.bmes", "b.bio"]


def test_files_of_any_name_are_read_if_they_are_tagged(write, tmp_path):
    write("train", "example.dev", "example.test")
    write("LICENSE", content="Do what you like\nO\n")
    write("x.bin", content="\0\1 O")
    assert names(find_sources([tmp_path])) == ["example.dev", "example.test", "train"]


def test_document_of_a_folder_that_is_given_is_given_twice(samples):
    for name in ("letter.ann", "letter.txt"):
        with pytest.raises(CorpusError, match="given twice"):
            find_sources([samples / "brat", samples / "brat" / name])
    odd = samples / "brat" / ".." / "brat" / "letter.txt"
    assert len(find_sources([samples / "brat" / "letter.ann", odd])) == 1


def test_what_lies_in_a_folder_and_is_not_read_is_listed(write, tmp_path):
    write("a.bio", ".hidden", "sub/e.bio")
    write("tags.txt", "sentences.txt", content="今 天\n")
    write("notes.docx", content="PK")
    records = list_unread([tmp_path], find_sources([tmp_path]))
    assert [Path(r.source).name for r in records] == ["notes.docx", "sub"]
    assert {r.kind for r in records} == {"not-read"}
    assert not list_unread([tmp_path / "a.bio"], [tmp_path / "a.bio"])


def test_folder_with_ann_files_is_one_corpus(write, tmp_path):
    write("a.txt", "b.bio")
    write("a.ann", content="T1\tLOC 0 1\t中\n")
    assert find_sources([tmp_path]) == [tmp_path]
    assert not list_unread([tmp_path], [tmp_path])
    assert find_sources([tmp_path], "brat") == [tmp_path]
    assert names(find_sources([tmp_path], "columns")) == ["a.txt", "b.bio"]


def test_text_is_not_read_twice_if_its_ann_file_is_given(write, tmp_path):
    write("a.txt", "a.ann", "b.txt")
    assert names(find_sources(sorted(tmp_path.iterdir()))) == ["a.ann", "b.txt"]
    assert names(find_sources([tmp_path / "a.txt"])) == ["a.txt"]


def test_column_files_that_are_named_like_a_pair_are_two_files(write, tmp_path):
    pair = [write("source.bmes"), write("target.bmes")]
    assert find_sources([tmp_path]) == find_sources(pair) == pair
    assert isinstance(open_reader(pair[0], Options()), ColumnReader)


@pytest.mark.parametrize("format_", ["auto", "parallel"])
def test_tag_file_is_left_out_if_its_sentences_are_there(write, tmp_path, format_):
    write("train.words.txt", "seq.in", content="今 天\n")
    write("train.tags.txt", "seq.out", content="O O\n")
    expected = ["seq.in", "train.words.txt"]
    assert names(find_sources([tmp_path], format_)) == expected
    assert names(find_sources(sorted(tmp_path.iterdir()), format_)) == expected


def test_tag_file_alone_is_a_clear_error(write):
    write("words.txt", content="今 天\n")
    tags = write("tags.txt", content="O O\n")
    assert find_sources([tags]) == [tags]
    with pytest.raises(CorpusError, match=r"tags.txt: a file of tags: give the sentences"):
        open_reader(tags, Options())


def test_given_format_columns_reads_tag_files_as_any_other(write, tmp_path):
    write("words.txt", "tags.txt")
    assert names(find_sources([tmp_path], "columns")) == ["tags.txt", "words.txt"]


@pytest.mark.parametrize(
    ("inputs", "format_", "message"),
    [
        (["no.bio"], "auto", "no.bio does not exist"),
        (["empty"], "auto", r"empty has no corpus file \(.*\.bio"),
        (["empty"], "brat", r"empty has no corpus file \(\.ann\)"),
        (["empty"], "parallel", r"empty has no corpus file \(parallel\)"),
        ([], "auto", "No input"),
        (["a.bio", "empty/../a.bio"], "auto", "given twice"),
        (["a.bio", ""], "auto", "given twice"),
        (["a.bio"], "xml", "Unknown format 'xml'. Use: auto, brat, "),
    ],
)
def test_impossible_inputs_are_clear_errors(write, tmp_path, inputs, format_, message):
    write("a.bio")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=message):
        find_sources([tmp_path / name for name in inputs], format_)


def test_columns_take_what_no_other_format_does():
    assert list(FORMATS)[-1] == "columns"
