"""spaCy's Chinese character tokens, in linear time."""

import re
from typing import Callable

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import DummyTokenizer
from spacy.vocab import Vocab

# A character with the space after it, or whatever whitespace is left.
TOKENS = re.compile(r"(\S)( ?)|(\s+)")


def create_char_tokenizer() -> Callable[[Language], "CharTokenizer"]:
    """Create a tokenizer that makes each character a token, as spaCy's own Chinese
    tokenizer does by default."""
    return make_char_tokenizer


def make_char_tokenizer(nlp: Language) -> "CharTokenizer":
    return CharTokenizer(nlp.vocab)


class CharTokenizer(DummyTokenizer):
    """Make each character a token. One space after it belongs to it; other whitespace is
    one token per run.

    The tokens are those of `spacy.zh.ChineseTokenizer` with the segmenter "char", which
    copies the rest of the text for every character: long texts take it quadratic time.

    vocab (Vocab): The shared vocabulary.
    """

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        """Tokenize a text.

        text (str): The text.
        RETURNS (Doc): The Doc.
        RAISES (ValueError): If it has half of a surrogate pair, which is no character.
        """
        try:
            return self._split(text)
        except UnicodeEncodeError as error:
            # Whose position is that in a token.
            position = next(i for i, c in enumerate(text) if "\ud800" <= c <= "\udfff")
            raise ValueError(
                f"character {position} of the text is a lone surrogate, "
                f"{text[position]!r}: decode the text again, or replace it"
            ) from error

    def _split(self, text: str) -> Doc:
        # A text without whitespace, and the empty one, split into themselves alone.
        if len(text.split()) < 2 and "".join(text.split()) == text:
            return Doc(self.vocab, words=list(text), spaces=[False] * len(text))
        tokens = TOKENS.findall(text)
        words = [character or whitespace for character, _, whitespace in tokens]
        return Doc(self.vocab, words=words, spaces=[bool(space) for _, space, _ in tokens])
