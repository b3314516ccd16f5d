"""Write the demo corpus: CV-like Chinese sentences, one character and BMES tag a line.

The sentences are drawn from a small grammar (demo_rules.txt over demo_words.txt).
One seed gives the same bytes on every Python and platform.
"""

import argparse
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SIZES = {"train": 2000, "dev": 250, "test": 250}
# How often dev and test take a component that training never sees, if there is one.
HELD_OUT = 0.35
SLOT = re.compile(r"\{(?:([A-Z]+):)?([a-z_]+)\}")


class Piece(NamedTuple):
    """A stretch of text: one entity, or text outside of any (label "")."""

    text: str
    label: str


class Dice:
    """Draws that stay the same over Python versions.

    Only Random.random() is promised to keep its sequence; choice, choices, sample and
    shuffle are not, so nothing here uses them.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, items: list[str]) -> str:
        return items[int(self.rng.random() * len(items))]


class Grammar:
    """Rules and word pools, and the drawing of one sentence from them."""

    def __init__(self, rules: Path, words: Path) -> None:
        self.rules = {name: read_rule(lines) for name, lines in read_sections(rules)}
        self.words = {name: read_pool(lines) for name, lines in read_sections(words)}

    def sentence(self, dice: Dice, split: str) -> list[Piece]:
        return list(self.expand("{sentence}", dice, split))

    def expand(self, template: str, dice: Dice, split: str) -> Iterator[Piece]:
        end = 0
        for slot in SLOT.finditer(template):
            yield Piece(template[end : slot.start()], "")
            end = slot.end()
            label, name = slot.groups()
            pieces = self.expand(self.draw(name, dice, split), dice, split)
            if label is None:
                yield from pieces
            else:
                yield join_entity(list(pieces), label)
        yield Piece(template[end:], "")

    def draw(self, name: str, dice: Dice, split: str) -> str:
        if name in self.rules:
            return dice.pick(self.rules[name])
        pool = self.words[name]
        held_out = pool.get(split, [])
        if held_out and dice.chance(HELD_OUT):
            return dice.pick(held_out)
        return dice.pick(pool["train"])


def read_sections(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each [name] of the file with its lines, comments and blanks left out."""
    name, lines = "", list[str]()
    for line in path.read_text(encoding="utf8").splitlines():
        line = line.strip()
        if line.startswith("["):
            if name:
                yield name, lines
            name, lines = line.strip("[]"), []
        elif line and not line.startswith("#"):
            lines.append(line)
    yield name, lines


def read_rule(lines: list[str]) -> list[str]:
    """List each template as often as its weight says."""
    templates = []
    for line in lines:
        weight, _, template = line.partition(" ")
        templates.extend([template] * int(weight))
    return templates


def read_pool(lines: list[str]) -> dict[str, list[str]]:
    """Sort the words by the split that may use them; "train" ones are for all."""
    pool: dict[str, list[str]] = {}
    for line in lines:
        split, colon, words = line.rpartition(":")
        pool.setdefault(split if colon else "train", []).extend(words.split())
    return pool


def join_entity(pieces: list[Piece], label: str) -> Piece:
    text = "".join(piece.text for piece in pieces)
    if not text or any(piece.label for piece in pieces):
        raise ValueError(f"{label} entity {text!r} is empty or has an entity inside")
    return Piece(text, label)


def tag(piece: Piece) -> list[str]:
    """Give each character of the piece its BMES tag."""
    if not piece.label:
        return ["O"] * len(piece.text)
    if len(piece.text) == 1:
        return [f"S-{piece.label}"]
    positions = "B" + "M" * (len(piece.text) - 2) + "E"
    return [f"{position}-{piece.label}" for position in positions]


def to_columns(pieces: list[Piece]) -> str:
    lines = [
        f"{character} {position}\n"
        for piece in pieces
        for character, position in zip(piece.text, tag(piece), strict=True)
    ]
    return "".join(lines) + "\n"


def make_corpus(seed: int) -> dict[str, str]:
    """Draw all splits; no sentence is written twice, in one split or over two."""
    grammar = Grammar(HERE / "demo_rules.txt", HERE / "demo_words.txt")
    dice = Dice(seed)
    seen: set[str] = set()
    corpus = {}
    for split, size in SIZES.items():
        blocks: list[str] = []
        while len(blocks) < size:
            pieces = grammar.sentence(dice, split)
            text = "".join(piece.text for piece in pieces)
            if text not in seen:
                seen.add(text)
                blocks.append(to_columns(pieces))
        corpus[split] = "".join(blocks)
    return corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--output",
        type=Path,
        default=HERE.parent / "assets" / "demo",
        help="folder for train.bmes, dev.bmes and test.bmes (default: assets/demo)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the random draws (default: 0)"
    )
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for split, text in make_corpus(args.seed).items():
        path = args.output / f"{split}.bmes"
        # Bytes, so that Windows does not write CR LF.
        path.write_bytes(text.encode("utf8"))
        print(f"{path}: {SIZES[split]} sentences")


if __name__ == "__main__":
    main()
