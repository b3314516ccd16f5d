"""Entities in texts, as HTML by displaCy."""

import colorsys
from typing import AbstractSet, Any, Dict, List, Mapping, Sequence

from markupsafe import Markup, escape
from spacy.displacy.render import EntityRenderer

from ..evaluation.outcomes import Entity, Outcome

# As displaCy's own, but for what may be wrong and how sure the pipeline is.
TEMPLATE = (
    '<mark class="entity{css}" style="background: {bg}" title="{title}">'
    "{text}<b>{label}</b>{score}</mark>"
)
# So many characters stand before and after an example.
CONTEXT = 30
GOLDEN = 0.381966


class Marker:
    """Marks entities in texts.

    labels (Sequence[str]): All labels. Each gets a colour of its own.
    direction (str): How the language is written, "ltr" or "rtl".
    """

    def __init__(self, labels: Sequence[str], direction: str) -> None:
        self.colors = {label: _make_color(i) for i, label in enumerate(labels)}
        self._settings = {"direction": direction}
        self._renderer = EntityRenderer({"template": TEMPLATE})

    def mark(
        self,
        text: str,
        ents: Sequence[Entity],
        wrong: AbstractSet[Entity],
        confidence: Mapping[Entity, float],
        start: int = 0,
    ) -> Markup:
        """Mark entities in a text, or in a piece of one.

        text (str): The text or the piece.
        ents (Sequence[Entity]): The entities. Of some that overlap the first is shown.
        wrong (AbstractSet[Entity]): Those that are wrong, or not found.
        confidence (Mapping[Entity, float]): How sure the pipeline is of some of them.
        start (int): Where the piece begins in its text.
        RETURNS (Markup): HTML.
        """
        spans: List[Dict[str, Any]] = []
        free = start
        for ent in sorted(ents):
            if ent.start_char < free:
                continue
            free = ent.end_char
            params = self._describe(ent, ent in wrong, confidence)
            place = {"start": ent.start_char - start, "end": ent.end_char - start}
            spans.append({**place, "label": ent.label, "params": params})
        parsed = {"text": text, "ents": spans, "settings": self._settings}
        # displaCy has escaped the text, and `_describe` all else.
        return Markup(self._renderer.render([parsed]))  # nosec B704

    def mark_around(
        self,
        outcome: Outcome,
        ents: Sequence[Entity],
        confidence: Mapping[Entity, float],
        places: Sequence[Entity],
    ) -> Markup:
        """Mark entities in what stands around some places of a text.

        outcome (Outcome): The text.
        ents (Sequence[Entity]): Entities of its gold or its prediction.
        confidence (Mapping[Entity, float]): How sure the pipeline is of some of them.
        places (Sequence[Entity]): What it is about: they are shown as wrong.
        RETURNS (Markup): HTML.
        """
        start = max(0, min(ent.start_char for ent in places) - CONTEXT)
        end = min(len(outcome.text), max(ent.end_char for ent in places) + CONTEXT)
        here = [ent for ent in ents if start <= ent.start_char and ent.end_char <= end]
        piece = outcome.text[start:end]
        marked = self.mark(piece, here, {*places}, confidence, start)
        before = "… " if start else ""
        after = " …" if end < len(outcome.text) else ""
        direction = self._settings["direction"]
        html = Markup('<div class=example dir="{}">{}{}{}</div>')
        return html.format(direction, before, marked, after)

    def _describe(
        self, ent: Entity, is_wrong: bool, confidence: Mapping[Entity, float]
    ) -> Dict[str, str]:
        score = confidence.get(ent)
        title = ent.label if score is None else f"{ent.label}, confidence {score:.3f}"
        # They are put into the template as they are.
        return {
            "label": escape(ent.label),
            "title": escape(title),
            "css": " wrong" if is_wrong else "",
            "bg": self.colors[ent.label],
            "score": "" if score is None else f"<i>{score:.2f}</i>",
        }


def _make_color(number: int) -> str:
    """RETURNS (str): A light colour. Those of successive numbers differ."""
    hue = number * GOLDEN % 1.0
    rgb = colorsys.hls_to_rgb(hue, 0.83, 0.75)
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)
