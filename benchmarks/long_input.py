"""How does the cost of a character grow with the length of a Doc, and memory with the
length of a stream? Measured on a trained pipeline: how fast its LSTM forgets decides.
"""

import argparse
import ctypes
from pathlib import Path
from typing import Iterable, Iterator, List

import spacy
import timing
import torch
from spacy.language import Language

from spacy_bilstm_crf.corpus.readers.columns import ColumnReader
from spacy_bilstm_crf.tokenizer import CharTokenizer

DEMO = Path(__file__).resolve().parent.parent / "assets" / "demo"
LENGTHS = (30, 300, 1_000, 2_000, 3_000, 10_000, 200_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="trained pipeline, path or name")
    parser.add_argument(
        "--texts", type=Path, default=DEMO / "test.bmes", help="column file"
    )
    parser.add_argument("--confidence", action="store_true", help="of each entity as well")
    parser.add_argument("--characters", type=int, default=200_000)
    parser.add_argument("--stream", type=int, default=2_000_000, help="characters")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--json", type=Path, default=Path("benchmarks/results/long_input.json")
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    settings = {"ner": {"spans_key": "sc"}} if args.confidence else {}
    nlp = spacy.load(args.model, config={"components": settings})
    # spaCy's own Chinese tokenizer slows down on long texts by itself.
    nlp.tokenizer = CharTokenizer(nlp.vocab)
    text = "".join(token for s in ColumnReader(args.texts) for token in s.tokens)
    text *= -(-args.characters // len(text))
    text = text[: args.characters]

    memory = measure_memory(nlp, text, args.stream)
    ways = {
        str(length): lambda n=length: consume(nlp.pipe(cut(text, n))) for length in LENGTHS
    }
    runs = timing.interleave(ways, seconds=0, min_rounds=args.rounds)
    rows = {
        name: {
            "microseconds a character": round(1e6 * timing.median(seconds) / len(text), 2),
            "times Docs of 30": timing.spread(timing.ratio(runs, name, "30"), 2),
        }
        for name, seconds in runs.items()
    }
    timing.show(
        ("characters in a Doc", "microseconds a character", "times Docs of 30"),
        [(name, *row.values()) for name, row in rows.items()],
    )
    print(f"\nMiB after every {len(text):,} characters: {memory}")
    timing.write_json(args.json, {"lengths": rows, "MiB": memory})


def measure_memory(nlp: Language, text: str, stream: int) -> List[float]:
    """RETURNS (List[float]): Resident memory, in MiB, each time the text went through."""
    found = []
    for _ in range(max(1, stream // len(text))):
        consume(nlp.pipe(cut(text, 30)))
        found.append(resident_mib())
    return found


def resident_mib() -> float:
    """RETURNS (float): Without what glibc keeps for the next batch at one time and gives
    back at another, some 45 MiB here."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)


def cut(text: str, length: int) -> Iterator[str]:
    return (text[i : i + length] for i in range(0, len(text), length))


def consume(docs: Iterable[object]) -> None:
    for _ in docs:
        pass


if __name__ == "__main__":
    main()
