"""Do the options fit the corpus? What goes wrong without any fault in a file."""

from dataclasses import dataclass
from typing import List

from spacy.tokens import Doc

from .docs import UNSPACED_LANGS
from .sentence import Sentence

# Looking at more tokens would only take time.
N_LOOKED_AT = 20_000
LONG = 2_000


@dataclass
class Tally:
    """Counts over the first sentences.

    tokens (int): Tokens of the files, where they have any.
    made (int): Tokens that the pipeline makes of them.
    chinese (int): How many of the files' are single Chinese characters.
    numbered (int): How many are a character and a digit.
    longest (int): Tokens of the longest Doc, of all Docs.
    """

    tokens: int = 0
    made: int = 0
    chinese: int = 0
    numbered: int = 0
    longest: int = 0

    def add(self, sentence: Sentence, doc: Doc) -> None:
        """Count a sentence.

        sentence (Sentence): The sentence.
        doc (Doc): What was made of it.
        """
        self.longest = max(self.longest, len(doc))
        if sentence.is_text or self.tokens >= N_LOOKED_AT:
            return
        self.tokens += len(sentence.tokens)
        self.made += len(doc)
        for token in sentence.tokens:
            is_chinese = "\u4e00" <= token[0] <= "\u9fff"
            self.chinese += is_chinese and len(token) == 1
            self.numbered += is_chinese and len(token) == 2 and token[1].isdigit()


def find_hints(tally: Tally, lang: str, is_split: bool) -> List[str]:
    """Say what may not be as it was meant.

    tally (Tally): The counts.
    lang (str): Language of the pipeline.
    is_split (bool): Whether long texts were split.
    RETURNS (List[str]): A line for each doubt.
    """
    hints = []
    if 2 * tally.numbered > tally.tokens:
        hints.append("Most tokens are a character and a digit: --segmentation?")
    elif 2 * tally.chinese > tally.tokens and lang not in UNSPACED_LANGS:
        hints.append(
            "Most tokens are Chinese characters, and spaces were put between them: "
            "--lang zh?"
        )
    elif tally.made > 1.5 * tally.tokens > 0:
        hints.append(
            f"{tally.tokens:,} tokens of the files became {tally.made:,} of the "
            f"pipeline: is --lang {lang} right?"
        )
    if tally.longest > LONG and not is_split:
        hints.append(
            f"The longest text has {tally.longest:,} tokens: "
            "--split sentence --max-tokens 256 would cut it"
        )
    return hints
