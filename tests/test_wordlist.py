import pytest

from spacy_bilstm_crf.corpus.sentence import CorpusError
from spacy_bilstm_crf.wordlist import read_lexicon


def test_words_of_a_lexicon_have_types_and_perhaps_frequencies(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("星云科技\tcompany\n\n 晨光 \tcompany\t12\n", "utf8")
    assert list(read_lexicon(path)) == [
        ("星云科技", "company", 1.0),
        ("晨光", "company", 12.0),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("甲", r"words.tsv:2: 1 columns, expected a word, a tab and its label or type"),
        ("甲\t", r"words.tsv:2: the type is empty"),
        ("\tX", r"words.tsv:2: the word is empty"),
        ("甲\tX\tmany", r"words.tsv:2: frequency 'many'"),
        ("甲\tX\t0", r"words.tsv:2: frequency 0.0 is not a number from 1 to 3.4e\+38"),
        ("甲\tX\t0.5", r"words.tsv:2: frequency 0.5"),
        ("甲\tX\t1e39", r"words.tsv:2: frequency 1e\+39"),
        ("甲\tX\tnan", r"words.tsv:2: frequency nan"),
    ],
)
def test_bad_lines_of_a_lexicon_are_clear_errors(tmp_path, line, message):
    path = tmp_path / "words.tsv"
    path.write_text(f"乙\tX\n{line}\n", "utf8")
    with pytest.raises(CorpusError, match=message):
        list(read_lexicon(path))


def test_a_lexicon_without_words_and_a_missing_one_are_clear_errors(tmp_path):
    path = tmp_path / "words.tsv"
    with pytest.raises(CorpusError, match=r"word list .*: no such file"):
        list(read_lexicon(path))
    path.write_text("\n", "utf8")
    with pytest.raises(CorpusError, match="a word list without words"):
        list(read_lexicon(path))
