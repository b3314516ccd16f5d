"""Scores as JSON."""

from dataclasses import fields, is_dataclass
from typing import Any

# What scores work out from their counts.
SHARES = ("precision", "recall", "f1")


def as_json(value: Any) -> Any:
    """Turn scores into what JSON can hold. Names of fields stay; counts have their
    precision, recall and F1 with them.

    value (Any): A dataclass, a named tuple, or a list or dict of some.
    RETURNS (Any): Dicts, lists, strings, numbers and None.
    """
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
        names += [name for name in SHARES if hasattr(value, name)]
        return {name: as_json(getattr(value, name)) for name in names}
    if hasattr(value, "_asdict"):
        return as_json(value._asdict())
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value
