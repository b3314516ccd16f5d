import re
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Dict, List, Set, Tuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "assets" / "demo"
LEAST_SENTENCES = {"train": 1500, "dev": 200, "test": 200}
TYPES = {"NAME", "CONT", "RACE", "TITLE", "EDU", "ORG", "PRO", "LOC"}

Sentence = List[Tuple[str, str]]
Entity = Tuple[str, str]


def read_split(split: str) -> List[Sentence]:
    blocks = (DEMO / f"{split}.bmes").read_text(encoding="utf8").split("\n\n")
    assert blocks.pop() == "", "the file must end with one blank line"
    return [
        [(line[0], line[2:]) for line in block.split("\n")]  # "character tag"
        for block in blocks
    ]


def get_text(sentence: Sentence) -> str:
    return "".join(character for character, _ in sentence)


def get_entities(sentences: List[Sentence]) -> List[Entity]:
    entities = []
    for sentence in sentences:
        text = ""
        for character, tag in sentence:
            position, _, label = tag.partition("-")
            text = character if position in "BS" else text + character
            if position in "ES":
                entities.append((text, label))
    return entities


@pytest.fixture(scope="module")
def corpus() -> Dict[str, List[Sentence]]:
    return {split: read_split(split) for split in LEAST_SENTENCES}


@pytest.fixture(scope="module")
def baseline():
    return runpy.run_path(str(ROOT / "benchmarks" / "unigram_baseline.py"))


def run_script(*args: str) -> str:
    command = [sys.executable, *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make_demo(output: Path, seed: int) -> Dict[str, bytes]:
    script = str(ROOT / "scripts" / "make_demo.py")
    run_script(script, "--output", str(output), "--seed", str(seed))
    return {path.stem: path.read_bytes() for path in output.iterdir()}


def test_generator_writes_the_shipped_bytes(tmp_path):
    shipped = {split: (DEMO / f"{split}.bmes").read_bytes() for split in LEAST_SENTENCES}
    assert make_demo(tmp_path / "new" / "demo", seed=0) == shipped
    assert make_demo(tmp_path / "other", seed=1) != shipped


def test_every_pool_and_rule_is_used_and_held_out_words_are_apart():
    script = runpy.run_path(str(ROOT / "scripts" / "make_demo.py"))
    scripts = ROOT / "scripts"
    grammar = script["Grammar"](scripts / "demo_rules.txt", scripts / "demo_words.txt")
    templates = [template for rule in grammar.rules.values() for template in rule]
    used = {name for template in templates for _, name in script["SLOT"].findall(template)}
    assert not grammar.rules.keys() & grammar.words.keys()
    assert used | {"sentence"} == grammar.rules.keys() | grammar.words.keys()
    for pool in grammar.words.values():
        assert pool.keys() <= LEAST_SENTENCES.keys()
        sizes = [len(set(words)) for words in pool.values()]
        assert len(set().union(*pool.values())) == sum(sizes)


@pytest.mark.parametrize("split", LEAST_SENTENCES)
def test_layout(split, corpus):
    content = (DEMO / f"{split}.bmes").read_bytes().decode("utf8")
    assert re.fullmatch(r"(?:(?:\S (?:O|[BMES]-[A-Z]+)\n)+\n)+", content, re.ASCII)
    sentences = corpus[split]
    assert len(sentences) >= LEAST_SENTENCES[split]
    assert 25 <= sum(map(len, sentences)) / len(sentences) <= 40
    assert len(content.encode("utf8")) < 1_000_000


@pytest.mark.parametrize("split", LEAST_SENTENCES)
def test_tags_are_legal(split, corpus):
    for sentence in corpus[split]:
        open_label = ""
        for _, tag in [*sentence, ("", "O")]:
            position, _, label = tag.partition("-")
            if open_label:
                assert position in "ME", get_text(sentence)
                assert label == open_label, get_text(sentence)
            else:
                assert position in "BSO", get_text(sentence)
            open_label = label if position in "BM" else ""


@pytest.mark.parametrize("split", LEAST_SENTENCES)
def test_types_have_a_sensible_share(split, corpus):
    counts = Counter(label for _, label in get_entities(corpus[split]))
    assert set(counts) == TYPES
    assert [label for label, _ in counts.most_common(2)] == ["TITLE", "ORG"]
    assert min(counts.values()) >= 10
    assert max(counts.values()) < 0.5 * sum(counts.values())


def test_half_of_the_test_entities_are_new(corpus):
    known = {text for text, _ in get_entities(corpus["train"])}
    mentions = [text for text, _ in get_entities(corpus["test"])]
    assert sum(text not in known for text in mentions) >= 0.5 * len(mentions)
    forms = set(mentions)
    assert len(forms - known) >= 0.5 * len(forms)


def test_no_sentence_is_written_twice(corpus):
    texts = [get_text(sentence) for split in corpus.values() for sentence in split]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("split", LEAST_SENTENCES)
def test_short_long_and_no_entities(split, corpus):
    lengths = [len(text) for text, _ in get_entities(corpus[split])]
    assert lengths.count(1) >= 5
    assert max(lengths) >= 18
    bare = [s for s in corpus[split] if all(tag == "O" for _, tag in s)]
    assert 0.02 <= len(bare) / len(corpus[split]) <= 0.1


def test_words_change_their_type_with_context(corpus):
    labels: Dict[str, Set[str]] = {}
    for text, label in get_entities(corpus["train"]):
        labels.setdefault(text, set()).add(label)
    assert sum(len(found) > 1 for found in labels.values()) >= 10
    text = "".join(get_text(sentence) for sentence in corpus["train"])
    # Text that is an entity elsewhere: a post, a degree, a place within a company.
    assert "董事会秘书资格" in text
    assert "为硕士和博士讲授" in text
    assert any(re.match("浙江.+公司", org) for org in labels if "ORG" in labels[org])


def test_unigram_taggers_do_badly(corpus, baseline):
    for make in ("make_most_frequent", "make_viterbi"):
        tagger = baseline[make](corpus["train"])
        assert 0 < baseline["evaluate"](tagger, corpus["test"])["f1"] < 0.6


def test_unigram_viterbi_is_legal(corpus, baseline):
    tagger = baseline["make_viterbi"](corpus["train"])
    for sentence in corpus["test"][:50]:
        tags = ["O", *tagger([character for character, _ in sentence]), "O"]
        assert all(map(baseline["may_follow"], tags[1:], tags))


@pytest.mark.parametrize(
    ("tags", "chunks"),
    [
        ("O O", set()),
        ("B-X M-X E-X", {(0, 3, "X")}),
        ("S-X S-X", {(0, 1, "X"), (1, 2, "X")}),
        ("M-X M-X O", {(0, 2, "X")}),
        ("B-X B-X E-X", {(0, 1, "X"), (1, 3, "X")}),
        ("B-X E-Y", {(0, 1, "X"), (1, 2, "Y")}),
        ("B-X E-X E-X", {(0, 2, "X"), (2, 3, "X")}),
        ("O B-X", {(1, 2, "X")}),
    ],
)
def test_unigram_baseline_reads_chunks_leniently(tags, chunks, baseline):
    assert baseline["read_chunks"](tags.split()) == chunks


def test_unigram_baseline_prints_scores():
    output = run_script(str(ROOT / "benchmarks" / "unigram_baseline.py"))
    assert [line.split("  ")[0] for line in output.splitlines()] == [
        "most frequent tag",
        "legal Viterbi path",
    ]
