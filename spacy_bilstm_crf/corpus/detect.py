"""Which tagging scheme the tags of a file follow."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import Callable, Iterable, NamedTuple, Sequence, Tuple

from .schemes import OUTSIDE, ROLES, SCHEMES, Scheme, split_tag
from .sentence import CorpusError

# Real tags have far fewer different neighbours, and memory must stay flat when
# these are no tags.
MAX_PAIRS = 200_000


@dataclass
class TagCounts:
    """All that detection needs to know of the tags of a file. There are few
    distinct ones, so nothing is looked at once per token.

    pairs (Counter[Tuple[str, str]]): How often a tag follows another. Before the
        first tag of a sentence stands O.
    last (Counter[str]): How often a tag is the last one of a sentence.
    """

    pairs: Counter[Tuple[str, str]] = field(default_factory=Counter)
    last: Counter[str] = field(default_factory=Counter)

    @property
    def tags(self) -> Counter[str]:
        """How often there is each tag."""
        tags: Counter[str] = Counter()
        for (_, tag), n in self.pairs.items():
            tags[tag] += n
        return tags

    def map(self, change: Callable[[str], str]) -> "TagCounts":
        """Count the same tags under other names.

        change (Callable[[str], str]): Gives the name for a tag.
        RETURNS (TagCounts): The counts.
        """
        changed = TagCounts()
        for (before, tag), n in self.pairs.items():
            changed.pairs[change(before), change(tag)] += n
        for tag, n in self.last.items():
            changed.last[change(tag)] += n
        return changed


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


def count_tags(sentences: Iterable[Sequence[str]]) -> TagCounts:
    """Count the tags of a file, and which follows which.

    sentences (Iterable[Sequence[str]]): The tags of every sentence.
    RETURNS (TagCounts): The counts.
    RAISES (CorpusError): If there are more than tags can be.
    """
    counts = TagCounts()
    for tags in sentences:
        if not tags:
            continue
        counts.pairs.update(zip(chain((OUTSIDE,), tags), tags, strict=False))
        counts.last[tags[-1]] += 1
        if len(counts.pairs) > MAX_PAIRS:
            raise CorpusError(
                f"far too many different tags (the last is '{tags[-1]}'): "
                "are these the tags of entities?"
            )
    return counts


def detect_scheme(counts: TagCounts) -> Detection:
    """Find the scheme with the fewest transitions that it does not allow, over
    the whole of a file: a few broken tags do not mislead it. Of several, one that
    has all letters of the file is taken.

    counts (TagCounts): The tags of the file, in the usual notation.
    RETURNS (Detection): The scheme and the evidence. If several schemes fit
        equally well, they read the file in the same way.
    """
    letters: Counter[str] = Counter()
    unknown, example = 0, ""
    for tag, n in counts.tags.items():
        parsed = split_tag(tag)
        if parsed is None:
            unknown += n
            example = example or tag
        else:
            letter, label = parsed
            letters["typed O" if letter == OUTSIDE and label else letter] += n
    known = letters.total()
    n_outside = letters.pop(OUTSIDE, 0) + letters["typed O"]
    faults = {name: _count_faults(counts, scheme) for name, scheme in SCHEMES.items()}
    seen = letters.keys() & ROLES.keys()
    ranked = sorted(
        SCHEMES, key=lambda name: (faults[name], not seen <= SCHEMES[name].letters)
    )
    best = ranked[0]
    shown = ", ".join(f"{letter} {n:,}" for letter, n in sorted((+letters).items()))
    evidence = f"letters {shown or 'none'}; illegal transitions: {best} {faults[best]:,}"
    # Names that fit just as well say nothing: show the first that fits worse.
    worse = next((name for name in ranked if faults[name] > faults[best]), None)
    if worse:
        evidence += f", next best {worse} {faults[worse]:,}"
    return Detection(SCHEMES[best], evidence, known, known - n_outside, unknown, example)


def may_follow(before: str, tag: str, scheme: Scheme) -> bool:
    """Check one transition. Before the first and after the last token of a
    sentence stands O.

    before (str): A tag.
    tag (str): The tag after it.
    scheme (Scheme): The scheme.
    RETURNS (bool): Whether the scheme allows the second tag after the first.
    """
    letter, label = split_tag(tag) or ("", "")
    if letter == OUTSIDE:
        if label and not scheme.typed_outside:
            return False
    elif letter not in scheme.letters:
        return False
    letter_before, label_before = split_tag(before) or ("", "")
    role = ROLES.get(letter, OUTSIDE)
    is_open = ROLES.get(letter_before) in ("B", "I")
    same = is_open and label == label_before
    if scheme.last != scheme.inside:
        # Entities are closed explicitly: open ones go on, and only those.
        return same if role in ("I", "E") else not is_open
    return same or role != ("I" if scheme.begin == "B" else "B")


def _count_faults(counts: TagCounts, scheme: Scheme) -> int:
    faults = sum(
        n for pair, n in counts.pairs.items() if not may_follow(*pair, scheme=scheme)
    )
    return faults + sum(
        n for tag, n in counts.last.items() if not may_follow(tag, OUTSIDE, scheme)
    )
