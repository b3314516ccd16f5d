"""How a file spells its tags: what comes first, what joins the two, which case."""

from dataclasses import dataclass
from itertools import product
from typing import Mapping, Optional

from .schemes import OUTSIDE, ROLES, split_tag

# LingPipe's HmmChunker writes BB_O_PER after a PER, EE_O_PER before one, WW_O_PER
# where there is one token between, and MM_O elsewhere.
HMM_OUTSIDE = ("BB_O", "MM_O", "EE_O", "WW_O")


@dataclass(frozen=True)
class Notation:
    """A way to spell tags. The usual one is B-PER.

    letter_first (bool): The letter stands before the label, not after it.
    separator (str): What joins letter and label. Labels may contain it. Empty:
        there is no letter, each tag is a label alone, as some write scheme io.
    lower (bool): The letter is a small one. Labels are what they are.
    """

    letter_first: bool = True
    separator: str = "-"
    lower: bool = False

    def __str__(self) -> str:
        return self.write("B-PER")

    def read(self, tag: str) -> Optional[str]:
        """Bring a tag into the usual notation.

        tag (str): The tag as it stands in the file.
        RETURNS (Optional[str]): The tag as in B-PER, or None if it is not in this
            notation.
        """
        if tag == OUTSIDE or (self.lower and tag == OUTSIDE.lower()):
            return OUTSIDE
        if not self.separator:
            # A few tags with a letter must not become labels such as I-PER.
            usual = tag if split_tag(tag) else f"I-{tag}"
            return usual if tag else None
        if self.separator == "_" and tag[:4] in HMM_OUTSIDE and tag[4:5] in ("", "_"):
            return f"{OUTSIDE}-{tag[5:]}" if tag[5:] else OUTSIDE
        front, _, rest = tag.partition(self.separator)
        rest_before, _, back = tag.rpartition(self.separator)
        parts = [(front, rest), (back, rest_before)]
        letter, label = parts[0 if self.letter_first else 1]
        if label and letter == self._cased(letter) and letter.upper() in ROLES:
            return f"{letter.upper()}-{label}"
        # The O's of BMEWO+ have their label on either side.
        outside = self._cased(OUTSIDE)
        context = next((label for o, label in parts if o == outside and label), None)
        return f"{OUTSIDE}-{context}" if context else None

    def write(self, tag: str) -> str:
        """Spell a tag in this notation.

        tag (str): A tag as in B-PER.
        RETURNS (str): The tag as it would stand in the file.
        """
        letter, label = split_tag(tag) or (OUTSIDE, "")
        if not label:
            return self._cased(letter)
        if not self.separator:
            return label
        parts = (self._cased(letter), label)
        return self.separator.join(parts if self.letter_first else reversed(parts))

    def _cased(self, letter: str) -> str:
        return letter.lower() if self.lower else letter.upper()


USUAL = Notation()
LABELS_ALONE = Notation(separator="")
# Of notations that read equally many tags, the first is taken.
NOTATIONS = [Notation(*how) for how in product((True, False), "-_", (False, True))]


def find_notation(tags: Mapping[str, int], labels_alone: bool = False) -> Notation:
    """Find the notation that reads the most tags of a file.

    tags (Mapping[str, int]): How often the file has each tag.
    labels_alone (bool): Whether tags without any letter are an answer. They fit
        everything, so the user has to say it.
    RETURNS (Notation): The notation. If it is not the usual one it reads most
        tags: a word such as e-mail at the end of a line is not enough.
    """
    entity_tags = {tag: n for tag, n in tags.items() if tag not in ("", OUTSIDE)}

    def n_read(notation: Notation) -> int:
        return sum(n for tag, n in entity_tags.items() if notation.read(tag) is not None)

    best = max(NOTATIONS, key=n_read)
    if 2 * n_read(best) >= sum(entity_tags.values()):
        return best
    return LABELS_ALONE if labels_alone else USUAL
