"""Tagging schemes: tags to spans and spans to tags.

All schemes share one rule for reading (the chunk rule of the CoNLL scorer): an
entity starts at B or S, and at any other tag that cannot continue the open
entity; it ends where it is closed, cut by another one, or left open. So the
spans never depend on the scheme. The scheme decides which tags should have
stood there, and every tag that differs from those is a repair.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Dict, FrozenSet, Iterable, List, Literal, Optional, Sequence, Tuple

from .sentence import CorpusError, TokenSpan

OUTSIDE = "O"
# BIOES, BMES, BILOU and BMEWO are one automaton under four names: what a letter
# does, in the letters of BIOES.
ROLES: Dict[str, str] = {
    "B": "B",
    **dict.fromkeys("IM", "I"),
    **dict.fromkeys("EL", "E"),
    **dict.fromkeys("SUW", "S"),
}


@dataclass(frozen=True)
class Scheme:
    """A tagging scheme: the letters for the places in an entity.

    name (str): Name of the scheme.
    begin (str): First token of an entity.
    inside (str): Neither first nor last.
    last (str): Last token, if it is not the first.
    unit (str): The only token.
    again (str): First token, and only token, right after another entity of the
        same label, where it differs there.
    typed_outside (bool): O says what stands beside it: BOS-O, O-PER, PER-O, O-EOS.
    """

    name: str
    begin: str
    inside: str
    last: str
    unit: str
    again: str = ""
    typed_outside: bool = False

    @property
    def letters(self) -> FrozenSet[str]:
        written = (self.begin, self.inside, self.last, self.unit, self.again)
        return frozenset(filter(None, written))

    @property
    def tells_neighbours_apart(self) -> bool:
        """Whether two adjacent entities of one label stay two."""
        return self.begin != self.inside or bool(self.again)


# Of schemes that fit a file equally well, the first is named.
SCHEMES: Dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("bio", "B", "I", "I", "B"),
        Scheme("io", "I", "I", "I", "I"),
        Scheme("iob1", "I", "I", "I", "I", again="B"),
        Scheme("bioes", "B", "I", "E", "S"),
        Scheme("bmes", "B", "M", "E", "S"),
        Scheme("bilou", "B", "I", "L", "U"),
        Scheme("bmewo", "B", "M", "E", "W"),
        Scheme("bmewo+", "B", "M", "E", "W", typed_outside=True),
    )
}
ALIASES: Dict[str, str] = {
    "iob2": "bio",
    "iob": "iob1",
    "biose": "bioes",
    "biluo": "bilou",
}


@dataclass(frozen=True)
class Repair:
    """A tag that was read as another one: where, why, and as which."""

    index: int
    kind: Literal["illegal-tag", "unknown-tag"]
    why: str
    before: str
    after: str


def get_scheme(name: str) -> Scheme:
    """Look up a scheme by its name.

    name (str): Name of the scheme, or an alias of it, in any case.
    RETURNS (Scheme): The scheme.
    """
    key = ALIASES.get(name.lower(), name.lower())
    if key not in SCHEMES:
        raise CorpusError(f"Unknown scheme '{name}'. Use: auto, {', '.join(SCHEMES)}")
    return SCHEMES[key]


@lru_cache(maxsize=4096)
def split_tag(tag: str) -> Optional[Tuple[str, str]]:
    """Split a tag into letter and label. Labels may contain hyphens themselves.

    tag (str): The tag.
    RETURNS (Optional[Tuple[str, str]]): The letter and the label, or None if
        this is no tag of any scheme. The O's of BMEWO+ have a label.
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    letter, _, label = tag.partition("-")
    if label and (letter in ROLES or letter == OUTSIDE):
        return letter, label
    label, _, letter = tag.rpartition("-")
    if label and letter == OUTSIDE:
        return OUTSIDE, label
    return None


def tags_to_spans(
    tags: Sequence[str], scheme: Scheme
) -> Tuple[List[TokenSpan], List[Repair]]:
    """Read the entities of one sentence.

    tags (Sequence[str]): One tag per token.
    scheme (Scheme): The scheme that the tags are meant to follow.
    RETURNS (Tuple[List[TokenSpan], List[Repair]]): The spans, in order and
        without overlaps, and every tag that the scheme would have written
        otherwise.
    """
    spans: List[TokenSpan] = []
    # The open entity reaches up to here. No label: none is open.
    start, end, open_label = 0, 0, ""
    for i, tag in enumerate(tags):
        if tag == OUTSIDE:
            continue
        letter, label = split_tag(tag) or (OUTSIDE, "")
        if letter == OUTSIDE:
            continue
        role = ROLES[letter]
        if role in "BS" or i != end or label != open_label:
            if open_label:
                spans.append((start, end, open_label))
            start, open_label = i, label
        end = i + 1
        if role in "ES":
            spans.append((start, end, open_label))
            open_label = ""
    if open_label:
        spans.append((start, end, open_label))
    expected = spans_to_tags(spans, len(tags), scheme)
    if expected == list(tags):
        return spans, []
    repairs = [
        Repair(i, *_explain(tag, after, scheme), tag, after)
        for i, (tag, after) in enumerate(zip(tags, expected, strict=True))
        if tag != after and not (scheme.typed_outside and _is_outside(tag))
    ]
    return spans, repairs


def spans_to_tags(spans: Iterable[TokenSpan], length: int, scheme: Scheme) -> List[str]:
    """Write the entities of one sentence as tags.

    spans (Iterable[TokenSpan]): The spans, without overlaps. A scheme that does
        not tell neighbours apart joins those of one label.
    length (int): Number of tokens.
    scheme (Scheme): The scheme to write.
    RETURNS (List[str]): One tag per token.
    """
    tags = [OUTSIDE] * length
    ordered = sorted(spans)
    previous: Tuple[int, str] = (-1, "")
    for start, end, label in ordered:
        begin, unit = scheme.begin, scheme.unit
        if scheme.again and previous == (start, label):
            begin = unit = scheme.again
        if end - start == 1:
            tags[start] = f"{unit}-{label}"
        else:
            tags[start] = f"{begin}-{label}"
            tags[start + 1 : end - 1] = [f"{scheme.inside}-{label}"] * (end - start - 2)
            tags[end - 1] = f"{scheme.last}-{label}"
        previous = (end, label)
    if scheme.typed_outside:
        _type_outside(tags, ordered)
    return tags


def _type_outside(tags: List[str], spans: Sequence[TokenSpan]) -> None:
    """Write into every O what stands beside it. Of several, an entity after it
    comes first, then the end of the sentence, an entity before it, the beginning.
    """
    starts = {start: label for start, _, label in spans}
    ends = {end: label for _, end, label in spans}
    for i, tag in enumerate(tags):
        if tag != OUTSIDE:
            continue
        if i + 1 in starts:
            typed = f"{OUTSIDE}-{starts[i + 1]}"
        elif i + 1 == len(tags):
            typed = f"{OUTSIDE}-EOS"
        elif i in ends:
            typed = f"{ends[i]}-{OUTSIDE}"
        else:
            typed = OUTSIDE if i else f"BOS-{OUTSIDE}"
        # PER-O says what came before; B-CELL-O would be an entity of label CELL-O.
        tags[i] = typed if _is_outside(typed) else OUTSIDE


def _is_outside(tag: str) -> bool:
    parsed = split_tag(tag)
    return parsed is not None and parsed[0] == OUTSIDE


def _explain(
    tag: str, after: str, scheme: Scheme
) -> Tuple[Literal["illegal-tag", "unknown-tag"], str]:
    """Say why a tag was read as another one."""
    parsed = split_tag(tag)
    if parsed is None:
        return "unknown-tag", "not a tag of any scheme" if tag else "no tag"
    if parsed[0] == OUTSIDE:
        return "illegal-tag", f"{scheme.name} has no O with a label"
    if parsed[0] not in scheme.letters:
        return "illegal-tag", f"{scheme.name} has no {parsed[0]}-"
    role, role_after = ROLES[parsed[0]], ROLES[after[0]]
    if role in ("I", "E") and role_after in ("B", "S"):
        return "illegal-tag", "no open entity of this label to continue"
    if role in ("B", "I") and role_after in ("E", "S"):
        return "illegal-tag", "the entity is left open"
    return "illegal-tag", "no entity of this label right before it"
