"""A step log as curves of few points."""

import math
from dataclasses import dataclass
from datetime import timedelta
from numbers import Real
from pathlib import Path
from typing import Any, Dict, List

from ..training.step_log import EVALUATION, STEP, Row, read_row

# As many as a chart has room for.
POINTS = 200
# What is needed of each row.
FIELDS: Dict[str, Dict[str, type]] = {
    STEP: {"seconds": Real, "docs": int, "learn_rate": Real, "losses": dict},
    EVALUATION: {"seconds": Real, "score": Real, "scores": dict},
}
# Scores of the tokenizer, which does not learn, and tokens per second.
OTHERS = ("token_", "speed")


@dataclass(frozen=True)
class Curves:
    """How a training went.

    losses (List[Dict[str, Any]]): Points: "step", "component" and "loss", the mean per Doc
        since the point before.
    rates (List[Dict[str, Any]]): Points: "step" and "learn_rate".
    scores (List[Dict[str, Any]]): Points: "step", "score" (its name) and "value".
    steps (int): Number of steps.
    seconds (float): How long they took.
    """

    losses: List[Dict[str, Any]]
    rates: List[Dict[str, Any]]
    scores: List[Dict[str, Any]]
    steps: int
    seconds: float

    @property
    def duration(self) -> str:
        """RETURNS (str): How long they took, as hours, minutes and seconds."""
        return str(timedelta(seconds=round(self.seconds)))


def read_curves(path: Path) -> Curves:
    """Read the step log of `spacy-bilstm-crf.MetricsLogger.v1`.

    path (Path): The file.
    RETURNS (Curves): The curves.
    RAISES (ValueError): If it is no step log.
    RAISES (OSError): If it cannot be read.
    """
    steps: List[Row] = []
    evaluations: List[Row] = []
    with path.open("rb") as file:
        for line in file:
            row = read_row(line)
            if row is not None and _is_complete(row):
                (evaluations if row["type"] == EVALUATION else steps).append(row)
            # Whatever has ended the training may have cut its last line.
            elif line.endswith(b"\n") or not steps:
                raise ValueError(
                    f"{path} is no step log: it is what output_file of "
                    "spacy-bilstm-crf.MetricsLogger.v1 names"
                )
    size = max(1, -(-len(steps) // POINTS))
    parts = [steps[i : i + size] for i in range(0, len(steps), size)]
    rows = [*steps, *evaluations]
    return Curves(
        # JSON has room for what is no number, but no browser reads it.
        losses=[
            point
            for part in parts
            for point in _average(part)
            if math.isfinite(point["loss"])
        ],
        rates=[
            {"step": part[-1]["step"], "learn_rate": part[-1]["learn_rate"]}
            for part in parts
            if math.isfinite(part[-1]["learn_rate"])
        ],
        scores=[
            {"step": row["step"], "score": name, "value": value}
            for row in evaluations
            for name, value in {**row["scores"], "score": row["score"]}.items()
            if isinstance(value, float)
            and math.isfinite(value)
            and not name.startswith(OTHERS)
        ],
        steps=len(steps),
        seconds=max((row["seconds"] for row in rows), default=0.0),
    )


def _is_complete(row: Row) -> bool:
    fields = FIELDS[row["type"]]
    return all(isinstance(row.get(name), kind) for name, kind in fields.items())


def _average(part: List[Row]) -> List[Dict[str, Any]]:
    docs = max(1, sum(row["docs"] for row in part))
    names = {name for row in part for name in row["losses"]}
    return [
        {
            "step": part[-1]["step"],
            "component": name,
            "loss": sum(row["losses"].get(name, 0.0) for row in part) / docs,
        }
        for name in sorted(names)
    ]
