"""Break the sample of every format in random ways and convert it.

Whatever the input, `convert` must give Docs or one clear error, and account for every
entity and sentence: entities read are entities written plus entities listed as dropped.
"""

import argparse
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Callable, Dict, List

import spacy
import timing
from spacy.tokens import DocBin

from spacy_bilstm_crf.corpus.convert import ON_ERROR, convert
from spacy_bilstm_crf.corpus.report import Report
from spacy_bilstm_crf.corpus.sentence import CorpusError, Options
from spacy_bilstm_crf.corpus.split import BORDERS

SAMPLES = Path(__file__).resolve().parent.parent / "assets" / "samples"
NLP = {lang: spacy.blank(lang) for lang in ("zh", "en")}
Lines = List[bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--json", type=Path, default=Path("benchmarks/results/fuzz_convert.json")
    )
    args = parser.parse_args()
    start = time.perf_counter()
    outcomes = fuzz(args.rounds, args.seed)
    outcomes["seconds"] = round(time.perf_counter() - start)
    for name, count in outcomes.items():
        print(f"{name}: {count:,}")
    timing.write_json(args.json, {"rounds": args.rounds, "outcomes": outcomes})


def fuzz(rounds: int, seed: int) -> Dict[str, int]:
    """Convert broken samples.

    rounds (int): How many.
    seed (int): Every round can be repeated by seed and number.
    RETURNS (Dict[str, int]): How many gave Docs, and how many an error.
    """
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    samples = sorted(SAMPLES.iterdir())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(rounds):
            rng = random.Random(f"{seed} {i}")
            sample = samples[i % len(samples)]
            broken = copy(sample, folder / "in")
            for _ in range(rng.randint(1, 4)):
                path = rng.choice(list_files(broken))
                path.write_bytes(mutate(path.read_bytes(), rng))
            start = time.perf_counter()
            try:
                outcomes[attempt(broken, folder / "out.spacy", rng)] += 1
            except Exception as error:
                raise AssertionError(f"seed {seed}, round {i}: {sample.name}") from error
            slowest = max(slowest, time.perf_counter() - start)
    return {**outcomes, "slowest, in milliseconds": round(1000 * slowest)}


def copy(sample: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / sample.name
    if sample.is_dir():
        shutil.copytree(sample, target)
    else:
        folder.mkdir()
        shutil.copy(sample, target)
    return target


def list_files(path: Path) -> List[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def attempt(path: Path, output: Path, rng: random.Random) -> str:
    """RETURNS (str): "Docs", or the reason why there are none."""
    lang = rng.choice(list(NLP))
    try:
        report = convert(
            [path],
            output,
            NLP[lang],
            options=Options(segmentation=rng.random() < 0.1),
            on_error=rng.choice(ON_ERROR),
            spans_key=rng.choice([None, "sc"]),
            split=rng.choice(BORDERS),
            max_tokens=rng.choice([None, 1, 5, 50]),
        )
    except CorpusError as error:
        if "\n" in str(error):
            raise AssertionError(f"an error of several lines: {error}") from error
        return "clear error"
    check(report, output, lang)
    return "Docs, all as it was" if not report.kinds else "Docs, with records"


def check(report: Report, output: Path, lang: str) -> None:
    """The law of counting, and that the file holds what the report says."""
    dropped = report.kinds["sentence-dropped"]
    if report.entities_read != report.entities_written + report.entities_dropped:
        raise AssertionError(f"entities are missing: {report}")
    if report.sentences_read != report.sentences_written + dropped:
        raise AssertionError(f"sentences are missing: {report}")
    docs = list(DocBin().from_disk(output).get_docs(NLP[lang].vocab))
    keyed = any(doc.spans for doc in docs)
    found = sum(len(doc.spans["sc"]) if keyed else len(doc.ents) for doc in docs)
    if found != report.entities_written.total():
        raise AssertionError(f"the file has {found} entities: {report}")


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Break a file in one way."""
    ways: List[Callable[[Lines, random.Random], Lines]] = [
        *(flip_bytes, cut_lines, repeat_lines, swap_columns, scramble_tags),
        *(cut_off, insert_text, swap_lines),
    ]
    return b"\n".join(rng.choice(ways)(data.split(b"\n"), rng))


def flip_bytes(lines: Lines, rng: random.Random) -> Lines:
    data = bytearray(b"\n".join(lines))
    for _ in range(rng.randint(1, 5) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data).split(b"\n")


def cut_lines(lines: Lines, rng: random.Random) -> Lines:
    start = rng.randrange(len(lines))
    return lines[:start] + lines[start + rng.randint(1, 9) :]


def repeat_lines(lines: Lines, rng: random.Random) -> Lines:
    start = rng.randrange(len(lines))
    return lines[: start + rng.randint(1, 9)] + lines[start:]


def swap_lines(lines: Lines, rng: random.Random) -> Lines:
    i, j = (rng.randrange(len(lines)) for _ in range(2))
    lines[i], lines[j] = lines[j], lines[i]
    return lines


def swap_columns(lines: Lines, rng: random.Random) -> Lines:
    for _ in range(rng.randint(1, 9)):
        i = rng.randrange(len(lines))
        separator = b"\t" if b"\t" in lines[i] else b" "
        lines[i] = separator.join(reversed(lines[i].split(separator)))
    return lines


def scramble_tags(lines: Lines, rng: random.Random) -> Lines:
    tags = [b"B-", b"I-", b"M-", b"E-", b"S-", b"O", b"X-", b"-", b"_"]
    old, new = rng.sample(tags, 2)
    return [line.replace(old, new) if rng.random() < 0.5 else line for line in lines]


def cut_off(lines: Lines, rng: random.Random) -> Lines:
    data = b"\n".join(lines)
    return data[: rng.randrange(len(data) + 1)].split(b"\n")


def insert_text(lines: Lines, rng: random.Random) -> Lines:
    texts = [
        *(b"\r", b"\xef\xbb\xbf", b"\x00", b"\xff\xfe", b" ", b"\t", b"O", b"/", b"{"),
        *("\u3000".encode(), "\u2028".encode(), b"[[0, 99, 'X']]", b'"', b"\\ud800"),
        *(b"-DOCSTART- O", b"T9\tX 0 1;3 4\tab", b"9" * 30, b"null", b"NaN", b"[" * 300),
    ]
    data = b"\n".join(lines)
    i = rng.randrange(len(data) + 1)
    return (data[:i] + rng.choice(texts) + data[i:]).split(b"\n")


if __name__ == "__main__":
    main()
