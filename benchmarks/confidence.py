"""What does confidence cost, and how far can it be trusted? Measured on a trained pipeline:
the speed of `nlp.pipe`, and how precise entities of a confidence are, with and without the
temperature that fits the development data."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Sequence, cast

import spacy
import timing
import torch
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus

from spacy_bilstm_crf.component import BiLSTMCRF
from spacy_bilstm_crf.evaluation.calibration import fit_temperature, measure_reliability
from spacy_bilstm_crf.evaluation.judge import judge_entities, prepare

SURE = 0.99
SETTINGS: Dict[str, Dict[str, Any]] = {
    "no confidence": {},
    "threshold": {"threshold": 0.5},
    "spans_key": {"spans_key": "sc"},
    "spans_key, min_probability": {"spans_key": "sc", "min_probability": 0.1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="trained pipeline, path or name")
    parser.add_argument("dev", type=Path, help="data for the temperature, .spacy")
    parser.add_argument("test", type=Path, help="data for the figures, .spacy")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument(
        "--json", type=Path, default=Path("benchmarks/results/confidence.json")
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = {
        "speed": measure_speed(args.model, args.test, args.rounds),
        "calibration": measure_calibration(args.model, args.dev, args.test),
    }
    timing.write_json(args.json, results)


def measure_speed(model: str, data: Path, rounds: int) -> Dict[str, Any]:
    """Time `nlp.pipe` with several settings in turn."""
    vocab = spacy.load(model).vocab
    texts = [doc.text for doc in DocBin().from_disk(data).get_docs(vocab)]
    ways: Dict[str, Callable[[], object]] = {}
    for name, settings in SETTINGS.items():
        nlp = spacy.load(model, config={"components": {"ner": settings}})
        ways[name] = partial(run, nlp, texts)
    runs = timing.interleave(ways, seconds=0, min_rounds=rounds)
    plain = next(iter(ways))
    result = {name: timing.ratio(runs, plain, name) for name in ways}
    rows = [(name, timing.spread(value, 2)) for name, value in result.items()]
    timing.show(("setting", "speed that is left"), rows)
    return result


def measure_calibration(model: str, dev: Path, test: Path) -> Dict[str, Any]:
    """Fit a temperature on some data, and judge other data with and without it."""
    nlp = spacy.load(model)
    component = cast(BiLSTMCRF, nlp.get_pipe("ner"))
    fitted, batches = (prepare(nlp, "ner", Corpus(path)(nlp)) for path in (dev, test))
    found = fit_temperature(component, fitted)
    results, rows = {}, []
    for temperature in (1.0, found.temperature):
        judged = judge_entities(component, batches, temperature)
        sure = judged.confidence >= SURE
        figures = {
            "error": measure_reliability(judged).error,
            "sure": float(sure.mean()),
            "precision of sure": float(judged.correct[sure].mean()),
        }
        results[f"{temperature:.4f}"] = figures
        rows.append((f"{temperature:.2f}", *(f"{x:.3f}" for x in figures.values())))
    columns = ("temperature", "calibration error", f">= {SURE}", "their precision")
    timing.show(columns, rows)
    return results


def run(nlp: Language, texts: Sequence[str]) -> None:
    for _ in nlp.pipe(texts):
        pass


if __name__ == "__main__":
    main()
