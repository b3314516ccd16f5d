"""A text with its entities in colour, and tables of them."""

import os
import sys
from typing import Dict, List, Optional

from wasabi.printer import Printer
from wasabi.util import color

from ..corpus.debug.counting import quote
from ..reading import Alternative, Entity, Reading
from .score_tables import tabulate
from .show import show_text

BLACK = 16
# Light enough for black letters, and in an order in which neighbours look different.
COLORS = (117, 215, 120, 218, 228, 183, 80, 209, 149, 177, 187, 111, 223, 159, 175, 114)
# What moves the cursor, changes colours or rings, as a picture of itself.
CONTROLS = {i: 0x2400 + i for i in range(32) if chr(i) not in "\t\n"}
CONTROLS.update({0x7F: 0x2421, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD)})


def wants_colors() -> bool:
    """RETURNS (bool): Whether the output goes to a terminal that shows colours, and its
    user wants them (https://no-color.org). wasabi asks the terminal's kind only."""
    return sys.stdout.isatty() and Printer().show_color and not os.environ.get("NO_COLOR")


def pick_color(colors: Dict[str, int], label: str) -> int:
    """RETURNS (int): The colour of a label: the next one if nobody knew of the label."""
    return colors.setdefault(label, COLORS[len(colors) % len(COLORS)])


def show_reading(found: Reading, colors: Optional[Dict[str, int]]) -> None:
    """Print a text and its entities.

    found (Reading): The entities.
    colors (Optional[Dict[str, int]]): Colours of the labels. None: none at all.
    """
    show_text(paint_text(found, colors))
    show_text(tabulate_ents(found, colors) if found.ents else "\nNo entities\n")
    for name, alternatives in found.alternatives.items():
        show_text(f"Alternatives of '{name}', as they differ from these entities")
        show_text(tabulate_alternatives(alternatives, found))
    # Whoever reads from a pipe need not wait for the next text.
    sys.stdout.flush()


def paint_text(found: Reading, colors: Optional[Dict[str, int]]) -> str:
    """RETURNS (str): A text with its entities in colours, or in brackets with their labels
    and confidence."""
    text = found.doc.text.translate(CONTROLS)
    parts, end = [], 0
    for ent in found.ents:
        parts.append(text[end : ent[0]])
        end = ent[1]
        shown = text[ent[0] : end]
        if colors is None:
            score = found.confidence.get(ent)
            known = "" if score is None else f" {score:.2f}"
            parts.append(f"[{shown}|{ent[2]}{known}]")
        else:
            # Line by line: a colour would fill the rest of the line.
            lines = [paint(line, ent[2], colors) for line in shown.split("\n")]
            parts.append("\n".join(lines))
    return "".join([*parts, text[end:]])


def paint(text: str, label: str, colors: Dict[str, int]) -> str:
    """RETURNS (str): Text in the colour of a label."""
    return color(text, fg=BLACK, bg=pick_color(colors, label))


def tabulate_ents(found: Reading, colors: Optional[Dict[str, int]]) -> str:
    """RETURNS (str): A table of entities. Text comes last: nothing stands to the right of
    characters that are wider than others."""
    rows = []
    for start, end, label in found.ents:
        score = found.confidence.get((start, end, label))
        known = "-" if score is None else f"{score:.3f}"
        rows.append((label, f"{start}-{end}", known, quote(found.doc.text[start:end])))
    header = ("label", "characters", "confidence", "entity")
    lines = tabulate(header, rows, last="l").split("\n")
    if colors is not None:
        # Later than the table, which counts what makes a colour as characters.
        for i, (label, *_) in enumerate(rows, len(lines) - len(rows) - 1):
            lines[i] = paint(label, label, colors) + lines[i][len(label) :]
    return "\n".join(lines)


def tabulate_alternatives(alternatives: List[Alternative], found: Reading) -> str:
    """RETURNS (str): A table of what other analyses have too many, and too few."""
    rows = []
    for some in alternatives:
        changes = [("-", ent) for ent in found.ents if ent not in some.ents]
        changes += [("+", ent) for ent in some.ents if ent not in found.ents]
        shown = [f"{sign} {_show(found, ent)}" for sign, ent in changes]
        rows.append((f"{some.probability:.3f}", shown or ["the same"]))
    return tabulate(("probability", "entities"), rows, last="l")


def _show(found: Reading, ent: Entity) -> str:
    return f"{quote(found.doc.text[ent[0] : ent[1]])} {ent[2]}"
