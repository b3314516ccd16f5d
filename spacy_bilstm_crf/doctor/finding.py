"""What a check has found."""

from typing import Literal, NamedTuple

# "info" is neither good nor bad: something that one may or may not want.
Level = Literal["good", "info", "warn", "fail"]


class Finding(NamedTuple):
    """One thing that was looked at.

    level (Level): "fail" if something that is needed does not work.
    text (str): What was found.
    advice (str): What to do about it, if anything.
    """

    level: Level
    text: str
    advice: str = ""


def describe(error: BaseException) -> str:
    """RETURNS (str): An error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
