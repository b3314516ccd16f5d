"""The results of all runs in one JSON file: what was run, and the figures of each seed."""

import hashlib
import json
import os
import statistics
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict, Iterable, List

from thinc.api import Config
from wasabi import msg

ROOT = Path(__file__).resolve().parent.parent
# What is summed up over seeds.
FIGURES = (
    *("f", "p", "r", "dev_f", "overlap_f", "token_accuracy", "weighted_tag_f1"),
    *("seconds", "chars_per_second", "parameters"),
)
# Printed after each run, and written into docs/results.md with the tables.
WHY_THEY_DIFFER = (
    "Token accuracy and F1 per tag (weighted by support, O included) count single tokens, "
    "most of which are O or the inside of long entities and easily right, while entity F1 "
    "counts an entity only if all of its tokens are right and none is too many, so that "
    "one wrong tag costs the others one token and entity F1 a whole entity, or two. "
    "Overlap F1 counts an entity as found if a prediction of its label shares a character "
    "with it, as lenient scorers do."
)


def describe(
    corpus: str,
    name: str,
    path: Path,
    overrides: Dict[str, Any],
    config: Config,
    data: Dict[str, Any],
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What is run. The fingerprint is another one if anything in
    the settings, in the corpus or in the files that [paths] names is."""
    files = {
        key: digest(Path(value))
        for key, value in config.interpolate().get("paths", {}).items()
        if isinstance(value, str) and Path(value).exists()
    }
    text = config.to_str(interpolate=False) + json.dumps([data, files])
    path = path.resolve()
    return {
        "corpus": corpus,
        "name": name,
        "config": str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name),
        "overrides": overrides,
        "data": data,
        "files": files,
        "fingerprint": hashlib.sha256(text.encode("utf8")).hexdigest()[:16],
    }


def digest(path: Path) -> str:
    """RETURNS (str): SHA-256 of a file, or of the names and files in a folder."""
    sha = hashlib.sha256()
    paths: Iterable[Path] = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file_path in filter(Path.is_file, paths):
        if file_path != path:
            sha.update(
                f"{file_path.relative_to(path)}\0{os.path.getsize(file_path)}\0".encode()
            )
        with file_path.open("rb") as file_:
            # Vectors may be larger than memory.
            while chunk := file_.read(1 << 20):
                sha.update(chunk)
    return sha.hexdigest()


def key_of(run: Dict[str, Any]) -> str:
    return f"{run['corpus']}/{run['name']}"


def read(path: Path) -> Dict[str, Any]:
    if not path.is_file():
        return {}
    results: Dict[str, Any] = json.loads(path.read_text("utf8"))
    return results


def write(path: Path, results: Dict[str, Any]) -> None:
    # An interrupted run must not leave half a file: it holds days of work.
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = json.dumps(results, indent=1, ensure_ascii=False)
    temporary.write_text(text + "\n", "utf8")
    os.replace(temporary, path)


def load_entry(path: Path, run: Dict[str, Any], *, again: bool) -> Dict[str, Any]:
    """Find what earlier runs of the same settings have got.

    path (Path): The file of all results.
    run (Dict[str, Any]): What is run.
    again (bool): Forget it.
    RETURNS (Dict[str, Any]): The entry.
    """
    results, key = read(path), key_of(run)
    if again and results.pop(key, None):
        write(path, results)
    entry: Dict[str, Any] = results.get(key, {**run, "seeds": {}})
    if entry["fingerprint"] != run["fingerprint"]:
        msg.fail(
            f"{path} has results for {key} with other settings",
            "Use another --name, or --again to replace them.",
            exits=1,
        )
    return entry


def add_seed(
    path: Path, run: Dict[str, Any], seed: int, figures: Dict[str, Any]
) -> Dict[str, Any]:
    """Write down the figures of a seed.

    RETURNS (Dict[str, Any]): The entry with all its seeds and their summary.
    """
    # Read again: another run may have written in the meantime.
    results = read(path)
    entry = {"seeds": {}, **results.get(key_of(run), {}), **run}
    # Of the process that trained, not of this one.
    entry["machine"] = figures.pop("machine")
    entry["seeds"][str(seed)] = {**figures, **_commit()}
    entry["summary"] = summarize(list(entry["seeds"].values()))
    entry["versions"] = {
        name: version(name) for name in ("spacy-bilstm-crf", "spacy", "thinc", "torch")
    }
    results[key_of(run)] = entry
    write(path, results)
    return entry


def summarize(seeds: List[Dict[str, Any]]) -> Dict[str, Dict[str, float]]:
    """RETURNS (Dict[str, Dict[str, float]]): Mean, sample standard deviation (0 for a
    single seed), smallest and largest of each figure."""
    summary = {}
    for name in FIGURES:
        values = [seed[name] for seed in seeds]
        summary[name] = {
            "mean": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else 0.0,
            "min": min(values),
            "max": max(values),
        }
    return summary


def _commit() -> Dict[str, str]:
    # Seeds of one entry may be days and commits apart.
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return {}
    return {"commit": done.stdout.strip()} if done.returncode == 0 else {}


def line(seed: int, figures: Dict[str, Any]) -> str:
    """RETURNS (str): The figures of a seed."""
    percent = {name: f"{100 * figures[name]:.2f}" for name in FIGURES[:5]}
    return (
        f"seed {seed}: F {percent['f']}  P {percent['p']}  R {percent['r']}  "
        f"dev F {percent['dev_f']}  overlap F {percent['overlap_f']}  "
        f"token accuracy {figures['token_accuracy']:.4f}  "
        f"weighted tag F1 {figures['weighted_tag_f1']:.4f}  {figures['seconds']:.0f} s  "
        f"{figures['chars_per_second']:,.0f} chars/s  {figures['parameters']:,} parameters"
    )


def summary_lines(entry: Dict[str, Any]) -> str:
    """RETURNS (str): Mean, spread, worst and best over all seeds, and how to read them."""
    lines = [f"{key_of(entry)}: {len(entry['seeds'])} seeds"]
    for name, title in (
        ("f", "entity F1"),
        ("p", "precision"),
        ("r", "recall"),
        ("dev_f", "dev F1"),
        ("overlap_f", "overlap F1"),
        ("token_accuracy", "token accuracy"),
        ("weighted_tag_f1", "weighted tag F1"),
    ):
        values = {kind: 100 * value for kind, value in entry["summary"][name].items()}
        lines.append(
            "{:<16} mean {mean:.2f}  sd {std:.2f}  min {min:.2f}  max {max:.2f}".format(
                title, **values
            )
        )
    mean = {name: values["mean"] for name, values in entry["summary"].items()}
    lines.append(f"{'time':<16} mean {mean['seconds']:.0f} s")
    lines.append(f"{'parameters':<16} mean {mean['parameters']:,.0f}")
    return "\n".join([*lines, WHY_THEY_DIFFER])
