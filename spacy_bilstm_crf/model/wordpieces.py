"""Tokens as a transformer's wordpieces: at least one of its own for each."""

from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc

Ints = NDArray[numpy.int64]

# What SentencePiece and byte-level tokenizers make of a space, and put before every text:
# the former always, the latter if they are told to.
MARKS = ("\u2581", "\u0120")
# Texts of one wordpiece or more, for tokenizers of any language.
PROBES = ("a", "1", "的", "?")


class Pieces(NamedTuple):
    """The wordpieces of many Docs, token by token.

    ids (int array, shape (pieces,)): Their ids.
    lengths (int array, shape (tokens,)): How many each token has: 1 or more.
    """

    ids: Ints
    lengths: Ints


def find_specials(tokenizer: Any) -> Tuple[List[int], List[int]]:
    """Find what stands around a text.

    tokenizer (PreTrainedTokenizerBase): A tokenizer of the package transformers.
    RETURNS (Tuple[List[int], List[int]]): The ids before and after it, e.g. of [CLS] and
        of [SEP].
    RAISES (ValueError): If the tokenizer is of no use.
    """
    for probe in PROBES:
        bare = tokenizer(probe, add_special_tokens=False)["input_ids"]
        whole = tokenizer(probe)["input_ids"]
        for at in range(len(whole) - len(bare) + 1 if bare else 0):
            if whole[at : at + len(bare)] == bare:
                return whole[:at], whole[at + len(bare) :]
    raise ValueError(
        f"the tokenizer has no wordpieces for any of {', '.join(PROBES)}: take the one "
        "that belongs to the transformer"
    )


def split_tokens(tokenizer: Any, docs: Sequence[Doc]) -> Pieces:
    """Split each token by itself, so that none shares a piece with its neighbours and none
    is left without. What a tokenizer drops, like a line break, gets its unknown piece.

    tokenizer (PreTrainedTokenizerBase): A tokenizer of the package transformers.
    docs (Sequence[Doc]): The Docs.
    RETURNS (Pieces): The pieces of all their tokens.
    """
    numbers: Dict[Tuple[str, bool], int] = {}
    which = [
        numbers.setdefault(key, len(numbers)) for doc in docs for key in _contexts(doc)
    ]
    if not which:
        return Pieces(numpy.zeros(0, dtype="int64"), numpy.zeros(0, dtype="int64"))
    distinct = _encode(tokenizer, list(numbers))
    ids = [i for number in which for i in distinct[number]]
    lengths = numpy.array([len(pieces) for pieces in distinct], dtype="int64")
    return Pieces(numpy.array(ids, dtype="int64"), lengths[which])


def _contexts(doc: Doc) -> Iterator[Tuple[str, bool]]:
    """YIELDS (Tuple[str, bool]): Each token with the space before it, and whether it
    follows another token without one."""
    space, glued = "", False
    for token in doc:
        yield space + token.text, glued
        space = token.whitespace_
        glued = not space


def _encode(tokenizer: Any, keys: List[Tuple[str, bool]]) -> List[List[int]]:
    texts = [text for text, _ in keys]
    # Not verbose: it would warn of a token that is longer than the transformer can take.
    encoded = tokenizer(texts, add_special_tokens=False, verbose=False)
    unknown, special = tokenizer.unk_token_id, set(tokenizer.all_special_ids)
    found = []
    for (text, glued), ids in zip(keys, encoded["input_ids"], strict=True):
        # Otherwise a token like "[SEP]" would end the text. `split_special_tokens` does not
        # do: slow tokenizers pass over it, fast ones are changed by it while other threads
        # use them, and XLM-R has "<s>" among its words.
        ids = [unknown if i in special else i for i in ids] or [unknown]
        if None in ids:
            raise ValueError(
                f"the tokenizer has no wordpiece for {text!r}, nor for unknowns"
            )
        found.append(_without_mark(tokenizer, ids) if glued else ids)
    return found


def _without_mark(tokenizer: Any, ids: List[int]) -> List[int]:
    """RETURNS (List[int]): Ids that do not tell of a space before the token, if there are
    any."""
    first = tokenizer.convert_ids_to_tokens(ids[0])
    if first in MARKS:
        return ids[1:] or ids
    if first.startswith(MARKS):
        inside = tokenizer.convert_tokens_to_ids(first[1:])
        if inside not in (None, tokenizer.unk_token_id):
            return [inside, *ids[1:]]
    return ids
