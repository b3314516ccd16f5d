"""Write the tables of docs/results.md from the results."""

import json
import shlex
import statistics
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import accuracy_results
from accuracy_corpora import CORPORA, SPLITS

START = "<!-- begin: python benchmarks/accuracy.py --table -->"
END = "<!-- end -->"
# Name of the entry that the others of its corpus are compared with.
BASE = "default"
COLUMNS = (
    *("name", "seeds", "F1", "sd", "worst", "best", "P", "R", "dev F1"),
    *(f"F1 - {BASE}", f"dev F1 - {BASE}"),
    *("overlap F1", "token accuracy", "F1 per tag"),
    *("minutes", "characters/s", "parameters"),
)


def write(results: Path, docs: Path) -> None:
    """Replace what stands between the markers.

    results (Path): The JSON file of all results.
    docs (Path): The page.
    RAISES (ValueError): If it has no markers.
    """
    page = docs.read_text("utf8")
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"{docs} has no place for the tables: write {START} and {END}")
    why = f"**Three figures that differ.** {accuracy_results.WHY_THEY_DIFFER}"
    tables = "\n".join([why, "", *_sections(accuracy_results.read(results))])
    docs.write_text(f"{before}{START}\n\n{tables}\n{END}{after}", "utf8")


def _sections(results: Dict[str, Any]) -> Iterator[str]:
    for corpus, settings in CORPORA.items():
        entries = [entry for entry in results.values() if entry["corpus"] == corpus]
        if not entries:
            continue
        yield f"### {corpus}\n"
        yield f"{settings.note} Tags: {settings.scheme.upper()}.\n"
        yield from _table(
            ("", "sentences", "tokens", "entities", "dropped"), _counts(entries)
        )
        yield ""
        base = results.get(f"{corpus}/{BASE}")
        yield from _table(COLUMNS, [_row(entry, base) for entry in entries])
        yield "\n```"
        yield from map(_command, entries)
        yield "```\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for cells in (columns, ["---"] * len(columns), *rows):
        yield f"| {' | '.join(cells)} |"


def _counts(entries: List[Dict[str, Any]]) -> List[List[str]]:
    names = ("docs", "tokens", "entities", "entities dropped")
    splits = entries[-1]["data"]["splits"]
    return [[split, *(f"{splits[split][name]:,}" for name in names)] for split in SPLITS]


def _row(entry: Dict[str, Any], base: Optional[Dict[str, Any]]) -> List[str]:
    summary = entry["summary"]
    mean = {name: values["mean"] for name, values in summary.items()}
    f = {kind: f"{100 * value:.2f}" for kind, value in summary["f"].items()}
    return [
        entry["name"],
        str(len(entry["seeds"])),
        *(f"**{f['mean']}**", f["std"], f["min"], f["max"]),
        *(f"{100 * mean[name]:.2f}" for name in ("p", "r", "dev_f")),
        *(_difference(name, entry, base) for name in ("f", "dev_f")),
        f"{100 * mean['overlap_f']:.2f}",
        *(f"{mean[name]:.4f}" for name in ("token_accuracy", "weighted_tag_f1")),
        # Of the fastest seed: what else the machine does can only slow a run down.
        f"{summary['seconds']['min'] / 60:.1f}",
        f"{summary['chars_per_second']['max']:,.0f}",
        f"{mean['parameters']:,.0f}",
    ]


def _difference(name: str, entry: Dict[str, Any], base: Optional[Dict[str, Any]]) -> str:
    """RETURNS (str): How far the mean of a figure is above that of another entry, over the
    seeds that both have."""
    if base is None or base is entry:
        return ""
    ours, theirs = entry["seeds"], base["seeds"]
    above = [ours[seed][name] - theirs[seed][name] for seed in ours.keys() & theirs.keys()]
    return f"{100 * statistics.fmean(above):+.2f}" if above else ""


def _command(entry: Dict[str, Any]) -> str:
    """What makes this row. Values as JSON, as spaCy reads them."""
    seeds = sorted(map(int, entry["seeds"]))
    parts = [f"python benchmarks/accuracy.py --corpus {entry['corpus']}"]
    parts.append(f"--config {entry['config']} --name {shlex.quote(entry['name'])}")
    parts.append(f"--seeds {len(seeds)}")
    if seeds[0]:
        parts.append(f"--first-seed {seeds[0]}")
    if entry["machine"]["cuda"]:
        parts.append("--gpu-id 0")
    elif entry["machine"]["threads"] > 1:
        parts.append(f"--threads {entry['machine']['threads']}")
    values = {key: json.dumps(value) for key, value in entry["overrides"].items()}
    settings = " ".join(
        shlex.quote(f"{key}={value}") for key, value in sorted(values.items())
    )
    return " ".join([*parts, *(["--set", settings] if settings else [])])
