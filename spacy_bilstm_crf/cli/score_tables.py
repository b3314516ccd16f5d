"""Scores as tables on the screen."""

from typing import Any, Dict, List, Literal, Optional, Sequence

from wasabi.printer import Printer
from wasabi.tables import table

from ..evaluation.bootstrap import Interval
from ..evaluation.doubts import list_doubts, list_left_out
from ..evaluation.matches import WAYS, MatchCounts, Way
from ..evaluation.metrics import Counts
from ..evaluation.scores import Scores
from ..evaluation.strict import StrictScores
from .show import msg, show_text

MAX_WIDTH = 80
SHARES = ("P", "R", "F")
COUNTS = ("correct", "found", "gold")
KINDS = ("correct", "incorrect", "partial", "missed", "spurious")


def show_scores(scores: Scores, model: str) -> None:
    """Print all scores.

    scores (Scores): The scores.
    model (str): The pipeline.
    """
    msg.info(
        f"{model}: {scores.documents:,} documents, {scores.tokens:,} tokens, "
        f"{scores.strict.micro.gold:,} entities"
    )
    for fact in list_left_out(scores):
        msg.info(fact)
    for doubt in list_doubts(scores):
        msg.warn(doubt)
    show_section(
        "Entities",
        "Right if boundaries and label are. In brackets: 95% confidence interval of F.",
        tabulate_strict(scores.strict),
    )
    show_section(
        "Nearly right",
        "No entity has two partners. Pairs that overlap and do not match are incorrect.",
        tabulate_matches(scores.matches),
    )
    for way, meaning in WAYS.items():
        show_text(f"{way}: {meaning}")
    show_section(
        "By length of the entity", "In tokens.", tabulate_counts(scores.by_entity_length)
    )
    if scores.by_seen is not None:
        show_section(
            "By what the training data have",
            "Seen: the same text with the same label is an entity there.",
            tabulate_counts(scores.by_seen),
        )
    show_section(
        "By length of the document",
        "In tokens.",
        tabulate_counts(scores.by_document_length),
    )
    tags = scores.tags
    show_section(
        f"Tags ({tags.scheme.upper()})",
        "Not comparable with entities: most tokens are O or deep inside, and easy.",
        tabulate_counts(tags.with_outside.per_tag),
    )
    for name, some in (
        ("all tokens", tags.with_outside),
        ("without those whose gold is O", tags.without_outside),
    ):
        show_text(
            f"{name}: accuracy {percent(some.accuracy)}, "
            f"F weighted by support {percent(some.weighted_f1)}"
        )


def show_section(title: str, meaning: str, text: str) -> None:
    """Print a table under a title, and what it means above it."""
    # As wide as the terminal, unlike the lines of `msg`.
    Printer().divider(title)
    if meaning:
        show_text(meaning)
    show_text(text)


def tabulate_strict(strict: StrictScores) -> str:
    """RETURNS (str): A table of the scores of whole entities."""
    micro = ("micro", strict.micro, strict.micro_intervals)
    labels = [
        (label, counts, strict.per_label_intervals[label])
        for label, counts in strict.per_label.items()
    ]
    macro = bracket(strict.macro_intervals.f1)
    rows: List[Sequence[str]] = [
        (name, *_shares(counts), bracket(intervals.f1), *_numbers(counts))
        for name, counts, intervals in (micro, *labels)
    ]
    rows.insert(1, ("macro", *_shares(strict.macro), macro, *("" for _ in COUNTS)))
    return tabulate(("", *SHARES, "", *COUNTS), rows)


def tabulate_matches(matches: Dict[Way, MatchCounts]) -> str:
    """RETURNS (str): A table of the four ways to match."""
    rows = [
        (way, *_shares(counts), *(f"{getattr(counts, kind):,}" for kind in KINDS))
        for way, counts in matches.items()
    ]
    return tabulate(("", *SHARES, *KINDS), rows)


def tabulate_counts(counts: Dict[str, Counts]) -> str:
    """RETURNS (str): A table of groups of entities or of tags."""
    rows = [(name, *_shares(n), *_numbers(n)) for name, n in counts.items()]
    return tabulate(("", *SHARES, *COUNTS), rows)


def tabulate(
    header: Sequence[str], rows: Sequence[Sequence[Any]], last: Literal["l", "r"] = "r"
) -> str:
    """Make a table whose first column is text, and the others numbers.

    header (Sequence[str]): Names of the columns.
    rows (Sequence[Sequence[Any]]): The rows. A cell that is a list has several lines.
    last (Literal["l", "r"]): Where the last column begins, "l" if it is text.
    RETURNS (str): The table.
    """
    aligns: List[Literal["l", "r"]] = ["r" for _ in header]
    aligns[0], aligns[-1] = "l", last
    several = any(isinstance(cell, list) for row in rows for cell in row)
    # Columns wider than max_col would be out of line.
    return table(
        rows,
        header=header,
        divider=True,
        aligns=aligns,
        max_col=MAX_WIDTH,
        multiline=several,
    )


def percent(share: float) -> str:
    """RETURNS (str): A share as spaCy shows it."""
    return f"{100 * share:.2f}"


def bracket(interval: Optional[Interval]) -> str:
    """RETURNS (str): An interval, nothing if there is none."""
    return f"({percent(interval.low)}-{percent(interval.high)})" if interval else ""


def _shares(found: Any) -> List[str]:
    return [percent(share) for share in (found.precision, found.recall, found.f1)]


def _numbers(counts: Counts) -> List[str]:
    return [f"{n:,}" for n in (counts.correct, counts.guessed, counts.gold)]
