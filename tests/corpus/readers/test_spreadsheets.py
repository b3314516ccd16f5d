import pytest

from spacy_bilstm_crf.corpus.notation import NOTATIONS
from spacy_bilstm_crf.corpus.readers.spreadsheets import (
    HEADERS,
    N_LOOKED_AT,
    explain_no_tags,
    is_header,
)


def test_no_header_can_be_read_as_a_tag():
    assert not [(h, n) for h in HEADERS for n in NOTATIONS if n.read(h) is not None]


@pytest.mark.parametrize("tag", ["tag", "NER_Tag", "实体标签"])
def test_headers_may_have_any_case(tag):
    assert is_header(tag)


@pytest.mark.parametrize("tag", ["O", "B-tag", "PER", ""])
def test_tags_are_no_headers(tag):
    assert not is_header(tag)


@pytest.mark.parametrize(
    ("lines", "start"),
    [
        (["王,B-PER", '"博","I-PER"', '",",O'], "looks like CSV"),
        (["王,PER-B", "博,PER-E ", "在,O"], "looks like CSV"),
        (['"王"\t"B-PER"', '"在"\t"O"'], "its columns have quotes"),
        (["王\tB-PER"], ""),
        (['"王"\t"PER-B"'], "its columns have quotes"),
        (['"王"\t"B-PER"', "在\tO", "在\tO"], ""),
        (['王\tB-PER"', '"在\tO'], ""),
        (["Wang, Bo", "Berg, Anna", "B-PER", "在,O"], ""),
        (["只有文本"], ""),
        ([], ""),
    ],
)
def test_only_most_lines_tell_what_a_file_is(lines, start):
    why = explain_no_tags(lines)
    assert bool(why) is bool(start)
    assert why.startswith(start)


def test_only_the_first_lines_are_looked_at():
    lines = (f"{i},O" for i in range(N_LOOKED_AT + 1))
    assert explain_no_tags(lines)
    assert next(lines) == f"{N_LOOKED_AT},O"
