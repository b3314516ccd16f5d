"""Punctuation at the edges of an entity that does not belong to it."""

import unicodedata

from spacy.tokens import Span

# Unicode categories of brackets and quotation marks.
OPENING = frozenset(("Ps", "Pi"))
CLOSING = frozenset(("Pe", "Pf"))
# Punctuation to Unicode, but part of what is named: 7.5%, C#
SIGNS = frozenset("%％‰#＃&＆@＠*＊")


def has_loose_punctuation(ent: Span) -> bool:
    """Look for punctuation at the edges of an entity. A bracket or quotation mark
    does not count if the entity has its counterpart too, as in 《红楼梦》.

    ent (Span): The entity.
    RETURNS (bool): Whether there is any.
    """
    kinds = {unicodedata.category(character) for character in ent.text}
    paired = OPENING | CLOSING if kinds & OPENING and kinds & CLOSING else frozenset()
    return any(
        token.is_punct
        and token.text not in SIGNS
        and unicodedata.category(token.text[0]) not in paired
        for token in (ent[0], ent[-1])
    )
