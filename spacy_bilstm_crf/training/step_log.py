"""The step log: a JSON object per line, for each step and each evaluation of a training."""

import json
from pathlib import Path
from typing import Any, Dict, Optional

STEP = "step"
EVALUATION = "evaluation"
# Enough for any first line of ours: another file may be one line of any size.
LONGEST = 2**16

Row = Dict[str, Any]


class StepLog:
    """Appends to a file, and lets go of no line.

    path (Path): The file. Its folder is created if need be.
    RAISES (ValueError): If it has other content, or is a link.
    """

    def __init__(self, path: Path) -> None:
        if path.is_symlink() or path.is_dir():
            raise ValueError(f"{path} is a link or a folder: set output_file to a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        self._file.seek(0)
        first = self._file.readline(LONGEST)
        if first and read_row(first) is None:
            self._file.close()
            raise ValueError(
                f"{path} is no step log, and would be replaced by one: set output_file to "
                "another file"
            )

    def cut(self, step: int) -> Row:
        """Remove what an earlier training has written of a step and those after it, and a
        line that it could not complete: all of it for step 0.

        step (int): The step, counted from 0.
        RETURNS (Row): The last line that stays. Empty if there is none.
        """
        last: Row = {}
        size = 0
        self._file.seek(0)
        for line in self._file:
            row = read_row(line)
            if row is None or row["step"] >= step:
                break
            last = row
            size += len(line)
        self._file.truncate(size)
        return last

    def write(self, kind: str, row: Row) -> None:
        """Append a line. It is there whatever happens to the process afterwards.

        kind (str): `STEP` or `EVALUATION`.
        row (Row): The rest of it.
        """
        text = json.dumps({"type": kind, **row}, ensure_ascii=False, default=_to_plain)
        self._file.write(f"{text}\n".encode())
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_row(line: bytes) -> Optional[Row]:
    """Read a line of a step log.

    line (bytes): The line, with its end.
    RETURNS (Optional[Row]): What it says, or None if it is not complete, or of another kind
        of file.
    """
    try:
        row = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    if not isinstance(row, dict) or row.get("type") not in (STEP, EVALUATION):
        return None
    return row if isinstance(row.get("step"), int) else None


def _to_plain(value: Any) -> Any:
    """Scores may be numbers or arrays of numpy, or whatever a scorer gives."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
