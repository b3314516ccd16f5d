"""Tagging schemes: tags to spans, spans to tags, and which scheme a file uses.

All schemes share one rule for reading (the chunk rule of the CoNLL scorer): an
entity starts at B or S, and at any other tag that cannot continue the open
entity; it ends where it is closed, cut by another one, or left open. So the
spans never depend on the scheme. The scheme decides which tags should have
stood there, and every tag that differs from those is a repair.
"""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import (
    Dict,
    FrozenSet,
    Iterable,
    List,
    Literal,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

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
    """

    name: str
    begin: str
    inside: str
    last: str
    unit: str

    @property
    def letters(self) -> FrozenSet[str]:
        # IOB1 begins with I, and needs B only right after an entity of the
        # same label.
        return frozenset(("B", self.begin, self.inside, self.last, self.unit))


SCHEMES: Dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("bio", "B", "I", "I", "B"),
        Scheme("iob1", "I", "I", "I", "I"),
        Scheme("bioes", "B", "I", "E", "S"),
        Scheme("bmes", "B", "M", "E", "S"),
        Scheme("bilou", "B", "I", "L", "U"),
        Scheme("bmewo", "B", "M", "E", "W"),
    )
}


@dataclass(frozen=True)
class Repair:
    """A tag that was read as another one: where, why, and as which."""

    index: int
    kind: Literal["illegal-tag", "unknown-tag"]
    why: str
    before: str
    after: str


class Detection(NamedTuple):
    """The scheme that fits a file best, and what speaks for it. `known` counts
    the tags that belong to any scheme at all, `entity` those of them that are
    not O, and `unknown` the others, of which `example` is the first.
    """

    scheme: Scheme
    evidence: str
    known: int
    entity: int
    unknown: int
    example: str = ""


def get_scheme(name: str) -> Scheme:
    """Look up a scheme by its name.

    name (str): Name of the scheme.
    RETURNS (Scheme): The scheme.
    """
    if name not in SCHEMES:
        raise CorpusError(f"Unknown scheme '{name}'. Use: auto, {', '.join(SCHEMES)}")
    return SCHEMES[name]


@lru_cache(maxsize=4096)
def split_tag(tag: str) -> Optional[Tuple[str, str]]:
    """Split a tag at its first hyphen: labels may contain hyphens themselves.

    tag (str): The tag.
    RETURNS (Optional[Tuple[str, str]]): The letter and the label, or None if
        this is no tag of any scheme.
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    letter, _, label = tag.partition("-")
    if letter not in ROLES or not label:
        return None
    return letter, label


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
    start, open_label = -1, ""
    for i, tag in enumerate(tags):
        letter, label = split_tag(tag) or (OUTSIDE, "")
        role = ROLES.get(letter, OUTSIDE)
        if start < 0 or role not in ("I", "E") or label != open_label:
            if start >= 0:
                spans.append((start, i, open_label))
            start, open_label = (-1, "") if role == OUTSIDE else (i, label)
        if role in ("E", "S"):
            spans.append((start, i + 1, open_label))
            start = -1
    if start >= 0:
        spans.append((start, len(tags), open_label))
    expected = spans_to_tags(spans, len(tags), scheme)
    repairs = [
        Repair(i, *_explain(tag, after, scheme), tag, after)
        for i, (tag, after) in enumerate(zip(tags, expected, strict=True))
        if tag != after
    ]
    return spans, repairs


def spans_to_tags(spans: Iterable[TokenSpan], length: int, scheme: Scheme) -> List[str]:
    """Write the entities of one sentence as tags.

    spans (Iterable[TokenSpan]): The spans, without overlaps.
    length (int): Number of tokens.
    scheme (Scheme): The scheme to write.
    RETURNS (List[str]): One tag per token.
    """
    tags = [OUTSIDE] * length
    previous: Tuple[int, str] = (-1, "")
    for start, end, label in sorted(spans):
        begin, unit = scheme.begin, scheme.unit
        if begin == scheme.inside and previous == (start, label):
            begin = unit = "B"
        if end - start == 1:
            tags[start] = f"{unit}-{label}"
        else:
            tags[start] = f"{begin}-{label}"
            tags[start + 1 : end - 1] = [f"{scheme.inside}-{label}"] * (end - start - 2)
            tags[end - 1] = f"{scheme.last}-{label}"
        previous = (end, label)
    return tags


def tags_legal(tags: Sequence[str], scheme: Scheme) -> bool:
    """Check whether a sentence keeps to a scheme.

    tags (Sequence[str]): One tag per token.
    scheme (Scheme): The scheme.
    RETURNS (bool): True if there is nothing to repair.
    """
    pairs = zip((OUTSIDE, *tags), (*tags, OUTSIDE), strict=True)
    return all(may_follow(before, tag, scheme) for before, tag in pairs)


def may_follow(before: str, tag: str, scheme: Scheme) -> bool:
    """Check one transition. Before the first and after the last token of a
    sentence stands O.

    before (str): A tag.
    tag (str): The tag after it.
    scheme (Scheme): The scheme.
    RETURNS (bool): Whether the scheme allows the second tag after the first.
    """
    letter, label = split_tag(tag) or ("", "")
    if letter != OUTSIDE and letter not in scheme.letters:
        return False
    letter_before, label_before = split_tag(before) or ("", "")
    role = ROLES.get(letter, OUTSIDE)
    is_open = ROLES.get(letter_before) in ("B", "I")
    same = is_open and label == label_before
    if scheme.last != scheme.inside:
        # Entities are closed explicitly: open ones go on, and only those.
        return same if role in ("I", "E") else not is_open
    return same or role != ("I" if scheme.begin == "B" else "B")


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Detection:
    """Find the scheme with the fewest transitions that it does not allow, over
    the whole of a file: a few broken tags do not mislead it.

    sentences (Iterable[Sequence[str]]): The tags of every sentence.
    RETURNS (Detection): The scheme and the evidence. If several schemes fit
        equally well, they read the file in the same way.
    """
    # Only distinct pairs of tags are looked at one by one: there are few.
    pairs: Counter[Tuple[str, str]] = Counter()
    n_sentences = 0
    for tags in sentences:
        pairs.update(zip((OUTSIDE, *tags), (*tags, OUTSIDE), strict=True))
        n_sentences += 1
    letters: Counter[str] = Counter()
    faults = dict.fromkeys(SCHEMES, 0)
    example = ""
    for (before, tag), count in pairs.items():
        parsed = split_tag(tag)
        if parsed is None:
            example = example or tag
        letters[parsed[0] if parsed else "other"] += count
        for name, scheme in SCHEMES.items():
            faults[name] += 0 if may_follow(before, tag, scheme) else count
    unknown = letters.pop("other", 0)
    known = sum(letters.values()) - n_sentences
    letters.pop(OUTSIDE, None)
    ranked = sorted(SCHEMES, key=lambda name: faults[name])
    best = ranked[0]
    counts = ", ".join(f"{letter} {n:,}" for letter, n in sorted(letters.items()))
    evidence = f"letters {counts or 'none'}; illegal transitions: {best} {faults[best]:,}"
    # Names that fit just as well say nothing: show the first that fits worse.
    worse = next((name for name in ranked if faults[name] > faults[best]), None)
    if worse:
        evidence += f", next best {worse} {faults[worse]:,}"
    return Detection(SCHEMES[best], evidence, known, letters.total(), unknown, example)


def _explain(
    tag: str, after: str, scheme: Scheme
) -> Tuple[Literal["illegal-tag", "unknown-tag"], str]:
    """Say why a tag was read as another one."""
    parsed = split_tag(tag)
    if parsed is None:
        return "unknown-tag", "not a tag of any scheme" if tag else "no tag"
    if parsed[0] not in scheme.letters:
        return "illegal-tag", f"{scheme.name} has no {parsed[0]}-"
    role, role_after = ROLES[parsed[0]], ROLES[after[0]]
    if role in ("I", "E") and role_after in ("B", "S"):
        return "illegal-tag", "no open entity of this label to continue"
    if role in ("B", "I") and role_after in ("E", "S"):
        return "illegal-tag", "the entity is left open"
    return "illegal-tag", "no entity of this label right before it"
