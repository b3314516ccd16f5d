import copy
from itertools import chain

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from tokenizers import Tokenizer, models
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

from spacy_bilstm_crf.model.wordpieces import find_specials, split_tokens

NLP = spacy.blank("zh")
# spaCy takes no halves of a character.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# They are to be unknown, one by one.
RESERVED = ["[SEP]", "[CLS]", "[PAD]", "[MASK]", "<s>", "</s>", "<pad>", "<mask>"]


def make_doc(*words):
    """A word with a space at its end has one after it."""
    texts = [word.removesuffix(" ") or " " for word in words]
    spaces = [word.strip() != "" and word.endswith(" ") for word in words]
    return Doc(NLP.vocab, words=texts, spaces=spaces)


def split(tokenizer, *docs):
    """RETURNS (List[List[str]]): The pieces of each token."""
    pieces = split_tokens(tokenizer, docs)
    ids = iter(tokenizer.convert_ids_to_tokens(pieces.ids.tolist()))
    found = [[next(ids) for _ in range(length)] for length in pieces.lengths]
    assert list(ids) == []
    return found


def make_bare_tokenizer():
    """Of the single piece "a"."""
    tokenizer = Tokenizer(models.BPE({"a": 0}, []))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


class Watched:
    """A tokenizer that keeps the texts that it is given."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.texts = []

    def __call__(self, texts, **kwargs):
        self.texts += texts
        return self.tokenizer(texts, **kwargs)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


@given(texts=st.lists(TEXTS, max_size=3))
def test_every_token_has_a_piece_and_no_special_one(objects, texts):
    tokenizer = objects.tokenizer
    # Tokens are characters, and texts.
    docs = [*map(NLP.make_doc, texts), make_doc(*filter(None, texts))]
    pieces = split_tokens(tokenizer, docs)
    assert len(pieces.lengths) == sum(map(len, docs))
    assert (pieces.lengths >= 1).all()
    assert len(pieces.ids) == pieces.lengths.sum()
    assert not {*pieces.ids} & {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}


@pytest.mark.parametrize("word", RESERVED)
def test_a_token_that_is_spelled_like_a_special_piece(objects, word):
    tokenizer = objects.tokenizer
    special = {*tokenizer.all_special_tokens} - {tokenizer.unk_token}
    for glued in (False, True):
        doc = make_doc("a" if glued else "a ", word, "b")
        assert special.isdisjoint(chain(*split(tokenizer, doc)))


def test_what_is_dropped_is_unknown(objects):
    unknown = [objects.tokenizer.unk_token]
    found = split(objects.tokenizer, make_doc("a", "\u200b", "\u200b", "b"))
    if "Ã" in objects.tokenizer.get_vocab():
        assert [len(pieces) for pieces in found] == [1, 3, 3, 1]  # Its bytes.
    else:
        assert found[1:3] == [unknown, unknown]


def test_neighbours_are_not_joined(make_objects):
    tokenizer = make_objects("bert").tokenizer
    found = split(tokenizer, NLP.make_doc("2017年ab中中"))
    unknown = tokenizer.unk_token
    assert found == [["2"], ["0"], ["1"], ["7"], ["年"], ["a"], ["b"], [unknown], [unknown]]


def test_words_keep_their_pieces(make_objects):
    found = split(make_objects("bert").tokenizer, make_doc("abx ", "2017", "我们"))
    assert found == [["ab", "##x"], ["2017"], ["我", "们"]]


def test_sentencepiece_marks_spaces_and_the_beginning_of_a_doc(make_objects):
    tokenizer = make_objects("unigram").tokenizer
    found = split(
        tokenizer, make_doc("a", "ab ", "我们", "我们", "2"), make_doc("20 ", "2")
    )
    assert found == [["▁a"], ["ab"], ["▁我们"], ["我们"], ["2"], ["▁20"], ["▁2"]]
    # What is glued is what the whole text has, but for its beginning.
    whole = tokenizer.tokenize("aab 我们我们2")
    assert [*chain(*found[:5])] == whole


def test_a_mark_stays_where_there_is_nothing_else(make_objects):
    tokenizer = make_objects("unigram").tokenizer
    # A line break is a mark to it, and it knows this character only behind one.
    found = split(tokenizer, make_doc("a", "\n", "京", "a"))
    assert found == [["▁a"], ["▁"], ["▁京"], ["a"]]


def test_byte_level_pieces_have_the_space_before_them(make_objects):
    tokenizer = make_objects("byte-level bpe").tokenizer
    docs = [make_doc("a", "ab ", "a", "a ", "21"), make_doc("a")]
    found = [["a"], ["ab"], ["Ġa"], ["a"], ["Ġ2", "1"], ["a"]]
    assert split(tokenizer, *docs) == found


def test_a_byte_level_tokenizer_that_puts_a_space_before_all(make_objects):
    tokenizer = copy.deepcopy(make_objects("byte-level bpe").tokenizer)
    tokenizer.backend_tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=True)
    found = split(tokenizer, make_doc("a", "a ", "a", "2", "21"))
    assert found == [["Ġa"], ["a"], ["Ġa"], ["2"], ["2", "1"]]


def test_docs_without_tokens(objects):
    for docs in ([], [make_doc()], [make_doc(), make_doc()]):
        pieces = split_tokens(objects.tokenizer, docs)
        assert pieces.ids.tolist() == pieces.lengths.tolist() == []
    pieces = split_tokens(objects.tokenizer, [make_doc(), make_doc("a"), make_doc()])
    assert len(pieces.lengths) == 1


def test_each_text_is_split_once(objects):
    tokenizer = Watched(objects.tokenizer)
    split_tokens(tokenizer, [make_doc("a", "b", "b"), make_doc("a", "b ", "b")])
    assert tokenizer.texts == ["a", "b", " b"]


def test_a_tokenizer_that_has_no_piece_for_unknowns():
    tokenizer = make_bare_tokenizer()
    assert split(tokenizer, make_doc("a")) == [["a"]]
    with pytest.raises(ValueError, match=r"no wordpiece for 'b', nor for unknowns"):
        split(tokenizer, make_doc("a", "b"))


def test_what_stands_around_a_text(objects):
    tokenizer = objects.tokenizer
    before, after = find_specials(tokenizer)
    assert tokenizer.convert_ids_to_tokens(before) == [tokenizer.cls_token]
    assert tokenizer.convert_ids_to_tokens(after) == [tokenizer.sep_token]


@pytest.mark.parametrize(("known", "works"), [("a", True), ("的", True), ("b", False)])
def test_what_a_tokenizer_drops_tells_nothing(known, works):
    def tokenizer(text, add_special_tokens=True):
        ids = [7] if text == known else []
        return {"input_ids": [1, *ids, 2] if add_special_tokens else ids}

    if works:
        assert find_specials(tokenizer) == ([1], [2])
    else:
        with pytest.raises(ValueError, match="no wordpieces for any of a, 1, 的"):
            find_specials(tokenizer)


def test_nothing_may_stand_around_a_text():
    assert find_specials(make_bare_tokenizer()) == ([], [])
