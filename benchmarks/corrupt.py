"""Break the files of a saved component in random ways and load them.

Whatever the files, there must be one clear error, and the component as it was; or it must
load and predict what it did before. Without checksums nobody can tell one weight from
another: it may predict anything then, but must not crash.
"""

import argparse
import random
import resource
import shutil
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, List

import spacy
import timing
from spacy.language import Language
from tiny import read_texts, train_tiny

from spacy_bilstm_crf.saved import CHECKSUMS

NUM_TEXTS = 5
# What a file may be mistaken for.
FOREIGN = [
    *(b"", b"\x00", b"{}", b"[]", b"null", b"\x80", b"\x90", b"\xc0", b"PK\x03\x04"),
    *(b"\x80\x04\x95cos\nsystem\n(S'exit 1'\ntR.", b"\xff" * 64, b"[" * 10_000),
]
# Sizes and lengths, in the middle of a file: they ask for more than there is.
BOMBS = [
    *(
        b"\xff" * 8,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
    ),
    *(b"\x91" * 2000, b"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", b"999999999999"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="trained pipeline (default: trains a tiny one)")
    parser.add_argument("--name", default="ner", help="its component")
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--no-checksums", action="store_true", help="as if the files had none"
    )
    parser.add_argument(
        "--json", type=Path, default=Path("benchmarks/results/corrupt.json")
    )
    args = parser.parse_args()
    # numpy warns of strange names of types.
    warnings.simplefilter("ignore")
    nlp = spacy.load(args.model) if args.model else train_tiny()
    start = time.perf_counter()
    before = peak_mib()
    outcomes: Dict[str, Any] = corrupt(
        nlp, args.name, args.rounds, args.seed, not args.no_checksums
    )
    outcomes["MiB at the most, more than before"] = peak_mib() - before
    outcomes["seconds"] = round(time.perf_counter() - start)
    for name, count in outcomes.items():
        print(f"{name}: {count:,}")
    settings = {
        "rounds": args.rounds,
        "seed": args.seed,
        "checksums": not args.no_checksums,
    }
    timing.write_json(args.json, {**settings, "outcomes": outcomes})


def corrupt(
    nlp: Language, name: str, rounds: int, seed: int, checksums: bool
) -> Dict[str, int]:
    """Load broken files.

    nlp (Language): A trained pipeline.
    name (str): The component whose files are broken.
    rounds (int): How many times.
    seed (int): Every round can be repeated by seed and number.
    checksums (bool): Whether there are any.
    RETURNS (Dict[str, int]): How often what came of it.
    """
    outcomes: Counter[str] = Counter()
    files = ["cfg", "model", "model", "model", *([CHECKSUMS] if checksums else [])]
    with tempfile.TemporaryDirectory() as folder:
        sound, broken = Path(folder) / "sound", Path(folder) / "broken"
        nlp.to_disk(sound)
        target = Target(sound, name)
        if not checksums:
            (sound / name / CHECKSUMS).unlink()
        for i in range(rounds):
            rng = random.Random(f"{seed} {i}")
            shutil.copytree(sound / name, broken)
            file = rng.choice(files)
            mutate(broken / file, rng)
            try:
                outcome = target.load(broken)
                if checksums and outcome not in ("clear error", "as before"):
                    raise AssertionError(outcome)
            except Exception as error:
                raise AssertionError(f"seed {seed}, round {i}: {file}") from error
            outcomes[f"{file}: {outcome}"] += 1
            shutil.rmtree(broken)
    return dict(sorted(outcomes.items()))


class Target:
    """A component that broken files are loaded into.

    sound (Path): The pipeline as it was saved.
    name (str): The component.
    """

    def __init__(self, sound: Path, name: str) -> None:
        self.sound, self.name = sound, name
        self.texts = read_texts()[:NUM_TEXTS]
        self.start_anew()
        self.before, self.saved = self.predict(), self.save()

    def start_anew(self) -> None:
        self.nlp = spacy.load(self.sound)
        self.pipe: Any = self.nlp.get_pipe(self.name)

    def predict(self) -> List[Any]:
        return [doc.to_json() for doc in self.nlp.pipe(self.texts)]

    def save(self) -> bytes:
        data: bytes = self.pipe.to_bytes(exclude=["vocab"])
        return data

    def load(self, path: Path) -> str:
        """RETURNS (str): What comes of it."""
        try:
            self.pipe.from_disk(path, exclude=["vocab"])
        except (ValueError, FileNotFoundError) as error:
            message = str(error)
            if "\n" in message or self.name not in message:
                raise AssertionError(f"this is not one clear error: {message}") from error
            if self.save() != self.saved:
                raise AssertionError("the component is not as it was") from error
            return "clear error"
        found = self.predict()
        self.start_anew()
        return "as before" if found == self.before else "predicts something else"


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def mutate(path: Path, rng: random.Random) -> None:
    """Break a file in one way."""
    ways: List[Callable[[bytearray, random.Random], bytearray]] = [
        *(flip, flip, flip, cut_off, cut_out, insert, blank, plant_bomb, replace)
    ]
    path.write_bytes(rng.choice(ways)(bytearray(path.read_bytes()), rng))


def flip(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice([1, 1, 2, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def cut_off(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def cut_out(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice([1, 4, 100, 4096]) :]


def insert(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    return data[:start] + rng.randbytes(rng.choice([1, 4, 100])) + data[start:]


def blank(data: bytearray, rng: random.Random) -> bytearray:
    start, length = rng.randrange(len(data)), rng.choice([4, 100, 4096])
    data[start : start + length] = bytes(len(data[start : start + length]))
    return data


def plant_bomb(data: bytearray, rng: random.Random) -> bytearray:
    start, bomb = rng.randrange(len(data)), rng.choice(BOMBS)
    return data[:start] + bomb + data[start + len(bomb) :]


def replace(data: bytearray, rng: random.Random) -> bytearray:
    return bytearray(rng.choice(FOREIGN))


if __name__ == "__main__":
    main()
