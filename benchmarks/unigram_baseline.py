"""Score character-unigram taggers: how far a corpus gets one without any context.

Two taggers know nothing but how often each character had each tag in training. One
gives every character its most frequent tag; the other joins the tag distributions by
Viterbi over legal BMES transitions. A model that reads context should beat both.
"""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

Sentence = list[tuple[str, str]]
Tagger = Callable[[list[str]], list[str]]
DEMO = Path(__file__).resolve().parent.parent / "assets" / "demo"
# What a tag never seen on a character counts; small enough not to beat a seen one.
SMOOTHING = 1e-3


def read_columns(path: Path) -> list[Sentence]:
    """Read "character tag" lines, one blank line between sentences."""
    sentences: list[Sentence] = [[]]
    for line in path.read_text(encoding="utf8").split("\n"):
        if line:
            character, _, tag = line.rpartition(" ")
            sentences[-1].append((character, tag))
        elif sentences[-1]:
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


def split_tag(tag: str) -> tuple[str, str]:
    position, _, label = tag.partition("-")
    return position, label


def read_chunks(tags: list[str]) -> set[tuple[int, int, str]]:
    """Read (start, end, label) leniently, so that odd tag sequences give chunks too.

    A chunk starts at B or S and at any M or E that cannot continue the open chunk.
    """
    chunks = set()
    start, open_label = 0, ""
    for i, tag in enumerate(tags):
        position, label = split_tag(tag)
        if open_label and (position in "BSO" or label != open_label):
            chunks.add((start, i, open_label))
            open_label = ""
        if label and not open_label:
            start, open_label = i, label
        if open_label and position in "ES":
            chunks.add((start, i + 1, open_label))
            open_label = ""
    if open_label:
        chunks.add((start, len(tags), open_label))
    return chunks


def may_follow(tag: str, previous: str) -> bool:
    position, label = split_tag(tag)
    before, before_label = split_tag(previous)
    if before in "BM":
        return position in "ME" and label == before_label
    return position in "BSO"


def count_tags(sentences: list[Sentence]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        for character, tag in sentence:
            counts[character][tag] += 1
    return dict(counts)


def make_most_frequent(train: list[Sentence]) -> Tagger:
    # Ties go to the alphabetically first tag, whatever the order of the corpus.
    best = {
        character: min(counts, key=lambda tag: (-counts[tag], tag))
        for character, counts in count_tags(train).items()
    }

    def tag_characters(characters: list[str]) -> list[str]:
        return [best.get(character, "O") for character in characters]

    return tag_characters


def make_viterbi(train: list[Sentence]) -> Tagger:
    counts = count_tags(train)
    overall = sum(counts.values(), Counter[str]())
    tags = sorted(overall)
    parents = {tag: [p for p in tags if may_follow(tag, p)] for tag in tags}

    def score(character: str, tag: str) -> float:
        # A character that training never saw looks like the average one.
        seen = counts.get(character, overall)
        return math.log((seen[tag] + SMOOTHING) / (seen.total() + SMOOTHING * len(tags)))

    def tag_characters(characters: list[str]) -> list[str]:
        # Outside of a sentence counts as O: that is what may stand at its edges.
        best = {tag: 0.0 if may_follow(tag, "O") else -math.inf for tag in tags}
        back: list[dict[str, str]] = []
        for i, character in enumerate(characters):
            if i:
                back.append({tag: max(parents[tag], key=best.__getitem__) for tag in tags})
                best = {tag: best[back[-1][tag]] for tag in tags}
            best = {tag: best[tag] + score(character, tag) for tag in tags}
        path = [max(parents["O"], key=best.__getitem__)]
        for pointers in reversed(back):
            path.append(pointers[path[-1]])
        return path[::-1]

    return tag_characters


def evaluate(tagger: Tagger, test: list[Sentence]) -> dict[str, float]:
    """Count strict matches: the same characters and the same label."""
    found = gold = right = right_tags = total_tags = 0
    for sentence in test:
        characters = [character for character, _ in sentence]
        gold_tags = [tag for _, tag in sentence]
        tags = tagger(characters)
        chunks, gold_chunks = read_chunks(tags), read_chunks(gold_tags)
        found += len(chunks)
        gold += len(gold_chunks)
        right += len(chunks & gold_chunks)
        right_tags += sum(tag == other for tag, other in zip(tags, gold_tags, strict=True))
        total_tags += len(tags)
    return {
        "precision": right / max(found, 1),
        "recall": right / max(gold, 1),
        "f1": 2 * right / max(found + gold, 1),
        "token accuracy": right_tags / max(total_tags, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--train",
        type=Path,
        default=DEMO / "train.bmes",
        help="BMES column file to count (default: the demo corpus)",
    )
    parser.add_argument(
        "--test",
        type=Path,
        default=DEMO / "test.bmes",
        help="BMES column file to score on (default: the demo corpus)",
    )
    args = parser.parse_args()
    train, test = read_columns(args.train), read_columns(args.test)
    taggers = {
        "most frequent tag": make_most_frequent(train),
        "legal Viterbi path": make_viterbi(train),
    }
    for name, tagger in taggers.items():
        scores = evaluate(tagger, test)
        print(name, *(f"{key} {value:.4f}" for key, value in scores.items()), sep="  ")


if __name__ == "__main__":
    main()
