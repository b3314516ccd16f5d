"""The comparison of two pipelines as tables on the screen."""

from typing import Any, Dict, List, Tuple

from ..corpus.debug.counting import quote
from ..evaluation.compare import Agreement, Comparison, Difference, Disagreement
from ..evaluation.outcomes import Entity
from .score_tables import percent, show_section, tabulate
from .show import msg

MAX_SHOWN = 10
NAMES = {"precision": "P", "recall": "R", "f1": "F", "macro_f1": "F macro"}


def show_comparison(found: Comparison, model: str, other: str) -> None:
    """Print what differs between two pipelines.

    found (Comparison): What differs.
    model (str): The first one.
    other (str): The second one.
    """
    msg.info(f"A is {model}")
    msg.info(f"B is {other}")
    named = {NAMES[name]: value for name, value in found.differences.items()}
    show_section(
        "A against B",
        "In brackets: 95% confidence interval of A - B. p: paired bootstrap, two-sided.",
        tabulate_differences({**named, **found.per_label}),
    )
    show_section(
        "Who is right",
        "Documents are right if all of their entities are, and none is too many.",
        tabulate_agreement({"entities": found.entities, "documents": found.documents}),
    )
    shown = [
        some
        for right in ("a", "b")
        for some in [d for d in found.disagreements if d.right == right][:MAX_SHOWN]
    ]
    if shown:
        show_section(
            "Only one is right",
            f"The first {MAX_SHOWN} of each, numbered from 0. --output has all of them.",
            tabulate_disagreements(shown),
        )


def tabulate_differences(found: Dict[str, Difference]) -> str:
    """RETURNS (str): A table of scores of both."""
    rows = []
    for name, value in found.items():
        interval, p = value.interval, value.p_value
        rows.append(
            (
                name,
                percent(value.a),
                percent(value.b),
                signed(value.difference),
                f"({signed(interval.low)} to {signed(interval.high)})" if interval else "",
                "" if p is None else f"{p:.3f}",
            )
        )
    return tabulate(("", "A", "B", "A - B", "", "p"), rows)


def tabulate_agreement(found: Dict[str, Agreement]) -> str:
    """RETURNS (str): A table of what both, one or none of them gets right."""
    rows = [
        (name, *(f"{n:,}" for n in (some.both, some.only_a, some.only_b, some.neither)))
        for name, some in found.items()
    ]
    return tabulate(("", "both", "only A", "only B", "neither"), rows)


def tabulate_disagreements(found: List[Disagreement]) -> str:
    """RETURNS (str): A table of documents that one of them gets right. Text comes last:
    nothing stands to the right of characters that are wider than others.
    """
    rows: List[Tuple[Any, ...]] = []
    for some in found:
        wrong = [f"missed {_show(some, ent)}" for ent in some.missed]
        wrong += [f"spurious {_show(some, ent)}" for ent in some.spurious]
        rows.append((some.right.upper(), f"{some.number:,}", [quote(some.text), *wrong]))
    return tabulate(
        ("right", "document", "text, and what the other one gets wrong"), rows, last="l"
    )


def signed(share: float) -> str:
    """RETURNS (str): A difference of shares."""
    return f"{100 * share:+.2f}"


def _show(some: Disagreement, ent: Entity) -> str:
    return f"{quote(some.text[ent.start_char : ent.end_char])} {ent.label}"
