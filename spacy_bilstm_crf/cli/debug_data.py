"""spacy bilstm-crf debug-data: what the data of a config holds."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Literal, Optional, Sequence

import srsly
import typer
from click import NoSuchOption
from spacy.cli._util import (
    Arg,
    Opt,
    import_code,
    parse_config_overrides,
    show_validation_error,
)
from spacy.util import load_config
from wasabi.printer import Printer
from wasabi.tables import table
from wasabi.util import MESSAGES

from ..corpus.debug.checks import Check, Level, run_checks
from ..corpus.debug.counting import MAX_EXAMPLES
from ..corpus.debug.figures import Figures
from ..corpus.debug.splits import MAX_TOKENS, debug_data
from .show import show_text

# What a wrong config, path or option ends in, here or within spaCy.
FAULTS = (ValueError, OSError, ImportError, NoSuchOption)
MAX_SHOWN = 3
CONFIG = "Path to the training config."
CODE = "Path to a Python file with registered functions that the config needs."
MAX_TOKENS_HELP = "Count documents that have more tokens than this."
TEST = "Look at this .spacy file, or folder of them, as well."
OUTPUT = "Write all figures and checks to this JSON file."
VERBOSE = f"Show {MAX_EXAMPLES} examples of everything, not {MAX_SHOWN}."


def debug_data_cli(
    ctx: typer.Context,  # holds the overrides
    config_path: Annotated[
        Path, Arg(help=CONFIG, exists=True, allow_dash=True, show_default=False)
    ],
    code_path: Annotated[
        Optional[Path], Opt("--code-path", "--code", "-c", help=CODE)
    ] = None,
    max_tokens: Annotated[int, Opt("--max-tokens", help=MAX_TOKENS_HELP)] = MAX_TOKENS,
    test: Annotated[Optional[Path], Opt("--test", "-t", help=TEST)] = None,
    output: Annotated[
        Optional[Path], Opt("--output", "-o", help=OUTPUT, dir_okay=False)
    ] = None,
    verbose: Annotated[bool, Opt("--verbose", "-V", help=VERBOSE)] = False,
) -> None:
    """
    Count what the training and development data hold, and point out what will
    not be learned, cannot be scored, or is there twice. As `spacy debug data`,
    for any component that learns entities. Settings of the config can be
    overridden, as for `spacy train`: --paths.train ./train.spacy

    Exits with 1 if the data cannot be trained on, and with 0 otherwise.
    """
    msg = Printer()
    import_code(code_path)
    try:
        overrides = parse_config_overrides(ctx.args)
        with show_validation_error(config_path):
            config = load_config(config_path, overrides=overrides)
            figures = debug_data(config, max_tokens=max_tokens, test=test)
        checks = run_checks(figures)
        if output is not None:
            write_figures(figures, checks, output)
    except FAULTS as error:
        msg.fail(" ".join(str(error).split()), exits=1)
    else:
        show_figures(figures, checks, msg, MAX_EXAMPLES if verbose else MAX_SHOWN)
    if msg.counts[MESSAGES.FAIL]:
        raise typer.Exit(1)


def write_figures(figures: Figures, checks: Dict[str, List[Check]], path: Path) -> None:
    """Write figures and checks as JSON.

    figures (Figures): The figures.
    checks (Dict[str, List[Check]]): The checks, by subject.
    path (Path): The file. Its folder is created if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = {subject: [asdict(c) for c in found] for subject, found in checks.items()}
    srsly.write_json(path, {**asdict(figures), "checks": listed})


def show_figures(
    figures: Figures, checks: Dict[str, List[Check]], msg: Printer, max_shown: int
) -> None:
    """Print the figures, and what was found.

    figures (Figures): The figures.
    checks (Dict[str, List[Check]]): The checks, by subject.
    msg (Printer): Prints, and counts the checks of each level.
    max_shown (int): How many examples to show of each.
    """
    tables = {"Documents": tabulate_documents(figures), "Labels": tabulate_labels(figures)}
    show: Dict[Level, Callable[..., Any]]
    show = {"good": msg.good, "warn": msg.warn, "fail": msg.fail}
    msg.info(f"Language: {figures.lang}")
    for name, recognizer in figures.recognizers.items():
        labels = ", ".join(recognizer.labels or ["taken from the training data"])
        msg.info(f"{name} ({recognizer.factory}), labels: {labels}")
    for subject, found in checks.items():
        msg.divider(subject)
        if subject in tables:
            show_text(tables[subject])
        for check in found:
            show[check.level](check.text)
            for example in check.examples[:max_shown]:
                show_text(f"    {example}")
    msg.divider("Summary")
    levels = (MESSAGES.GOOD, MESSAGES.WARN, MESSAGES.FAIL)
    good, warn, fail = [msg.counts[level] for level in levels]
    if good:
        msg.good(f"{good} {'check' if good == 1 else 'checks'} passed")
    if warn:
        msg.warn(f"{warn} {'warning' if warn == 1 else 'warnings'}")
    if fail:
        msg.fail(f"{fail} {'error' if fail == 1 else 'errors'}")


def tabulate_documents(figures: Figures) -> str:
    """RETURNS (str): A table of the size of each split."""
    splits = figures.splits.values()
    rows = [
        ("documents", *(f"{s.documents:,}" for s in splits)),
        ("documents without entities", *(f"{s.without_entities:,}" for s in splits)),
        ("tokens", *(f"{s.tokens:,}" for s in splits)),
        ("tokens without annotation", *(f"{s.missing_tokens:,}" for s in splits)),
        ("tokens per document: mean", *(f"{s.lengths.mean:.1f}" for s in splits)),
        ("median", *(f"{s.lengths.median:,}" for s in splits)),
        ("95th percentile", *(f"{s.lengths.p95:,}" for s in splits)),
        ("longest", *(f"{s.lengths.longest:,}" for s in splits)),
        ("entities", *(f"{s.entities:,}" for s in splits)),
        ("entities per document", *(f"{s.entities_per_document:.2f}" for s in splits)),
        ("distinct surface forms", *(f"{s.forms:,}" for s in splits)),
        ("entities seen in train", *(_percent(s.seen) for s in splits)),
    ]
    return _table(("", *figures.splits), rows)


def tabulate_labels(figures: Figures) -> str:
    """RETURNS (str): A table of the labels, with their number in each split. Lengths
    and surface forms are those of the first split that has the label.
    """
    splits = figures.splits
    later = [name for name, split in splits.items() if split.seen is not None]
    header = ["label"]
    for name in splits:
        header += [name, "share"]
    header += ["mean length", "longest", "distinct", *(f"{name} seen" for name in later)]
    rows = []
    for label in dict.fromkeys(
        label for split in splits.values() for label in split.labels
    ):
        found = {name: split.labels.get(label) for name, split in splits.items()}
        row = [label]
        for n in found.values():
            row += [f"{n.count:,}", _percent(n.share)] if n else ["0", ""]
        first = next(n for n in found.values() if n)
        lengths = first.lengths
        row += [f"{lengths.mean:.1f}", f"{lengths.longest:,}", f"{first.forms:,}"]
        row += [_percent(n.seen if (n := found[name]) else None) for name in later]
        rows.append(row)
    return _table(header, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    aligns: List[Literal["l", "r"]] = ["r" for _ in header]
    aligns[0] = "l"
    return table(rows, header=header, divider=True, aligns=aligns)


def _percent(share: Optional[float]) -> str:
    return "" if share is None else f"{share:.1%}"
