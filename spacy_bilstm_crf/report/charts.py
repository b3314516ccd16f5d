"""The charts of the page, as Vega-Lite made by Altair."""

from typing import Any, Dict, List, Optional, Sequence

import altair
import numpy

from ..evaluation.calibration import Reliability
from ..evaluation.strict import StrictScores
from ..model.transitions import Transitions
from .curves import Curves
from .findings import Sort

Chart = Dict[str, Any]

MISSED, SPURIOUS = "(missed)", "(spurious)"
# Heat maps of more tags would be neither readable nor small.
MAX_TAGS = 101
WIDTH, HEIGHT = 560, 240
# Pixels of a cell.
CELL, TAG_CELL = 64, 14
TENS = [0, *(10**i for i in range(9))]
START, END = "(start)", "(end)"


def draw_labels(strict: StrictScores) -> Chart:
    """Draw the F1 of each label, with its confidence interval.

    strict (StrictScores): The scores.
    RETURNS (Chart): Bars.
    """
    rows = []
    for label, counts in strict.per_label.items():
        interval = strict.per_label_intervals[label].f1
        low, high = (counts.f1, counts.f1) if interval is None else interval
        row = {"label": label, "F1": counts.f1, "low": low, "high": high}
        rows.append({**row, "gold": counts.gold})
    order = sorted(strict.per_label, key=lambda label: strict.per_label[label].f1)
    base = altair.Chart(altair.Data(values=rows)).encode(
        y=altair.Y("label:N", title=None, sort=order)
    )
    tooltip = ["label:N", *(f"{name}:Q" for name in ("F1", "low", "high", "gold"))]
    bars = base.mark_bar(color="#8fb3d9").encode(
        x=altair.X("F1:Q", title="F1", scale=altair.Scale(domain=[0, 1])), tooltip=tooltip
    )
    lines = base.mark_rule(color="#333").encode(
        x=altair.X("low:Q", title="F1"), x2="high:Q", tooltip=tooltip
    )
    return _finish((bars + lines).properties(width=WIDTH))


def draw_confusion(strict: StrictScores, sorts: Sequence[Sort]) -> Chart:
    """Draw which label is taken for which. The diagonal is what has the right label.

    strict (StrictScores): The scores, which know how many are right.
    sorts (Sequence[Sort]): The mistakes.
    RETURNS (Chart): A heat map, the true labels in rows.
    """
    cells: Dict[Any, Dict[str, Any]] = {}
    for label, found in strict.per_label.items():
        cells[label, label] = {"count": found.correct, "right": found.correct}
    for sort in sorts:
        place = (sort.labels.gold or SPURIOUS, sort.labels.guess or MISSED)
        cell = cells.setdefault(place, {"count": 0})
        cell.update(count=cell["count"] + sort.count, sort=sort.name)
        cell.update((str(kind), count) for kind, count in sort.kinds.items())
        if sort.labels.gold == sort.labels.guess:
            cell["text"] = f"{cell['right']} + {sort.count}"
    labels = [*strict.per_label]
    rows = [
        {
            "gold": gold,
            "found": found,
            "wrong": n["count"] - n.get("right", 0),
            "text": str(n["count"]),
            **n,
        }
        for (gold, found), n in cells.items()
        if n["count"]
    ]
    names = ("count", "right", "label", "boundaries", "both")
    base = altair.Chart(altair.Data(values=rows)).encode(
        x=altair.X(
            "found:N",
            title="found",
            scale=altair.Scale(domain=[*labels, MISSED]),
            axis=altair.Axis(orient="top", labelAngle=-45),
        ),
        y=altair.Y("gold:N", title="gold", scale=altair.Scale(domain=[*labels, SPURIOUS])),
        tooltip=["gold:N", "found:N", *(f"{name}:Q" for name in names)],
    )
    cell = base.mark_rect().encode(
        color=altair.Color(
            "wrong:Q",
            title="wrong",
            # From none at all, whatever there is.
            scale=altair.Scale(
                domain=[0, max((1, *(row["wrong"] for row in rows)))],
                range=["#fff7ec", "#f28e2b"],
            ),
        )
    )
    text = base.mark_text().encode(text="text:N")
    size = altair.Step(CELL)
    return _finish((cell + text).properties(width=size, height=size))


def draw_reliability(reliability: Reliability) -> Chart:
    """Draw precision against confidence (Guo et al. 2017).

    reliability (Reliability): The figures.
    RETURNS (Chart): Bars of precision, the diagonal, and how many entities there are.
    """
    rows = [
        {
            "low": bin_.low,
            "high": bin_.high,
            "confidence": bin_.confidence,
            "precision": bin_.precision,
            "entities": bin_.count,
        }
        for bin_ in reliability.bins
        if bin_.count
    ]
    scale = altair.Scale(domain=[0, 1])
    tooltip = [f"{name}:Q" for name in ("confidence", "precision", "entities")]
    base = altair.Chart(altair.Data(values=rows)).encode(
        x=altair.X("low:Q", title="confidence", scale=scale),
        x2="high:Q",
        tooltip=tooltip,
    )
    bars = base.mark_bar(color="#8fb3d9", stroke="white").encode(
        y=altair.Y("precision:Q", title="precision", scale=scale), y2=altair.datum(0)
    )
    ends = altair.Data(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}])
    diagonal = (
        altair.Chart(ends)
        .mark_line(strokeDash=[4, 4], color="#333")
        .encode(x="x:Q", y=altair.Y("y:Q", title="precision"))
    )
    sizes = base.mark_bar(color="#bbb", stroke="white").encode(
        y=altair.Y("entities:Q", title="entities"), y2=altair.datum(0)
    )
    above = (bars + diagonal).properties(width=HEIGHT, height=HEIGHT)
    return _finish(above | sizes.properties(width=HEIGHT, height=HEIGHT))


def draw_transitions(found: Transitions) -> Optional[Chart]:
    """Draw the scores of transitions. Illegal ones stay white.

    found (Transitions): The scores.
    RETURNS (Optional[Chart]): A heat map. None if there are too many tags.
    """
    if len(found.tags) > MAX_TAGS:
        return None
    columns = numpy.column_stack((found.transitions, found.end))
    begin = numpy.append(found.start, -numpy.inf)
    scores = numpy.vstack((begin, columns))
    before, after = [START, *found.tags], [*found.tags, END]
    rows = [
        {"from": before[i], "to": after[j], "score": round(float(scores[i, j]), 3)}
        for i, j in zip(*numpy.nonzero(numpy.isfinite(scores)), strict=True)
    ]
    # As far on both sides: 0 is in the middle, also where all have the same sign.
    most = max((abs(row["score"]) for row in rows), default=0.0) or 1.0
    size = altair.Step(TAG_CELL)
    chart = (
        altair.Chart(altair.Data(values=rows))
        .mark_rect()
        .encode(
            x=altair.X(
                "to:N",
                scale=altair.Scale(domain=after),
                axis=altair.Axis(orient="top", labelAngle=-90),
            ),
            y=altair.Y("from:N", scale=altair.Scale(domain=before)),
            color=altair.Color(
                "score:Q", scale=altair.Scale(scheme="blueorange", domain=[-most, most])
            ),
            tooltip=["from:N", "to:N", "score:Q"],
        )
        .properties(width=size, height=size)
    )
    return _finish(chart)


def draw_curves(curves: Curves) -> Chart:
    """Draw how a training went.

    curves (Curves): The curves.
    RETURNS (Chart): Loss, scores and learning rate, one above the other.
    """
    last = max((row["step"] for row in [*curves.losses, *curves.scores]), default=0)
    steps = altair.X("step:Q", scale=altair.Scale(domain=[0, last], nice=False))
    parts: List[Any] = [
        _draw_lines(rows, steps, *texts)
        for rows, *texts in (
            (curves.losses, "loss", "component", "loss per text", "symlog"),
            (curves.scores, "value", "score", "score on the dev data", "linear"),
            (curves.rates, "learn_rate", None, "learning rate", "linear"),
        )
        if rows
    ]
    joined = altair.vconcat(*parts).resolve_scale(color="independent")
    return _finish(joined)


def _draw_lines(
    rows: List[Dict[str, Any]], x: Any, y: str, color: Any, title: str, scale: Any
) -> Any:
    # A logarithmic axis has its marks at powers of ten.
    axis = altair.Axis(values=TENS) if scale == "symlog" else altair.Axis()
    chart = (
        altair.Chart(altair.Data(values=rows))
        .mark_line(point=len(rows) < 30)
        .encode(
            x=x,
            y=altair.Y(f"{y}:Q", title=title, scale=altair.Scale(type=scale), axis=axis),
            tooltip=["step:Q", f"{y}:Q", *([f"{color}:N"] if color else [])],
        )
        .properties(width=WIDTH, height=HEIGHT // 2)
    )
    return chart if color is None else chart.encode(color=f"{color}:N")


def _finish(chart: Any) -> Chart:
    spec: Chart = chart.to_dict()
    return spec
