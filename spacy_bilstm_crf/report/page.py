"""The page: everything in one file, nothing from a network."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

import altair
import jinja2
import numpy
import vl_convert
from markupsafe import Markup

from ..evaluation.calibration import Reliability, measure_reliability
from ..evaluation.doubts import list_doubts, list_left_out
from ..evaluation.groups import Form
from ..evaluation.judge import Judged
from ..evaluation.matches import WAYS
from ..evaluation.mistakes import KINDS, Mistake, count_confusions
from ..evaluation.outcomes import Outcome
from ..evaluation.scores import Scores
from ..evaluation.suspects import SURE, Suspect, find_suspects
from ..model.transitions import Transitions
from . import charts
from .curves import Curves
from .findings import Sort, judge_labels, list_sorts
from .markup import Marker
from .passages import Passage, cut_passages, rank_passages

# More are not read.
MAX_SUSPECTS = 50
MAX_SORTS = 5
LIBRARY = "window.vegaEmbed = vegaEmbed;"


@dataclass(frozen=True)
class Evaluated:
    """What there is to show.

    model (str): The pipeline.
    data (str): The data.
    lang (str): The language, as in `nlp.lang`.
    direction (str): How it is written, "ltr" or "rtl".
    version (str): Version of this package.
    outcomes (Sequence[Optional[Outcome]]): Gold and predictions, with confidence.
    scores (Scores): Their scores.
    forms (Optional[Set[Form]]): The entities of the training data, if these are known.
    transitions (Mapping[str, Transitions]): Those of the CRF of each component.
    curves (Optional[Curves]): How the training went.
    """

    model: str
    data: str
    lang: str
    direction: str
    version: str
    outcomes: Sequence[Optional[Outcome]]
    scores: Scores
    forms: Optional[Set[Form]]
    transitions: Mapping[str, Transitions]
    curves: Optional[Curves]


@dataclass(frozen=True)
class Item:
    """A passage on the page.

    passage (Passage): The passage.
    gold (Markup): Its text with the true entities.
    guessed (Markup): Its text with the predicted ones.
    sorts (List[str]): Names of the sorts of its mistakes.
    place (int): Its place in the data.
    """

    passage: Passage
    gold: Markup
    guessed: Markup
    sorts: List[str]
    place: int

    @property
    def kinds(self) -> List[str]:
        """RETURNS (List[str]): The kinds of its mistakes."""
        return sorted({mistake.kind for mistake in self.passage.mistakes})

    @property
    def labels(self) -> List[str]:
        """RETURNS (List[str]): The labels of all its entities."""
        ents = (*self.passage.gold, *self.passage.guessed)
        return sorted({ent.label for ent in ents})


def make_page(shown: Evaluated, most_passages: int = 500) -> str:
    """Make the page.

    shown (Evaluated): What there is to show.
    most_passages (int): List so many sentences at most.
    RETURNS (str): HTML, for a file in UTF-8.
    """
    outcomes, scores = shown.outcomes, shown.scores
    strict = scores.strict
    marker = Marker(list(strict.per_label), shown.direction)
    sorts = list_sorts(count_confusions(outcomes))
    labels = judge_labels(strict, sorts)
    passages = list(cut_passages(outcomes))
    suspects = find_suspects(outcomes, shown.forms)
    reliability = _measure(outcomes)
    drawn: Dict[str, Optional[charts.Chart]] = {
        "chart-labels": charts.draw_labels(strict),
        "chart-confusion": charts.draw_confusion(strict, sorts),
    }
    if reliability is not None:
        drawn["chart-reliability"] = charts.draw_reliability(reliability)
    # A training may have ended before its first step.
    curves = shown.curves if shown.curves is not None and shown.curves.steps else None
    if curves is not None:
        drawn["chart-training"] = charts.draw_curves(curves)
    transitions = {}
    for i, (name, found) in enumerate(shown.transitions.items()):
        transitions[name] = f"chart-transitions-{i}"
        drawn[transitions[name]] = charts.draw_transitions(found)
    wrong = [found for found in labels if found.sorts]
    library, script = _read_scripts()
    return _load_template().render(
        shown=shown,
        scores=scores,
        micro=strict.micro,
        left_out=list_left_out(scores),
        doubts=list_doubts(scores),
        labels=labels,
        worst=wrong[0] if wrong else None,
        worst_frequent=next((found for found in wrong if not found.is_rare), None),
        most=max(wrong, key=lambda found: found.mistakes, default=None),
        most_sorts=MAX_SORTS,
        sorts=sorts,
        total_mistakes=sum(sort.count for sort in sorts),
        examples={
            sort.name: [_show(marker, shown, *example) for example in sort.examples]
            for sort in sorts
        },
        suspects=[
            (suspect, *_show(marker, shown, suspect.number, suspect.mistake)[1:])
            for suspect in suspects[:MAX_SUSPECTS]
        ],
        total_suspects=len(suspects),
        sure=SURE,
        # Also where nothing is found.
        is_known=any(outcome and outcome.likely is not None for outcome in outcomes),
        describe=_describe,
        items=_make_items(marker, passages, sorts, most_passages),
        total_passages=len(passages),
        was_cut=any(passage.start for passage in passages),
        reliability=reliability,
        curves=curves,
        transitions=transitions,
        charts={name: chart for name, chart in drawn.items() if chart is not None},
        marker=marker,
        kinds=KINDS,
        ways=WAYS,
        # Of this package and Vega's, not of the data.
        library=Markup(library),  # nosec B704
        script=Markup(script),  # nosec B704
        licences=_read("page.licences.txt"),
        style=Markup(_read("page.css")),  # nosec B704
        hashes=" ".join(_hash(text) for text in (library, script)),
    )


def _make_items(
    marker: Marker, passages: List[Passage], sorts: Sequence[Sort], most: int
) -> List[Item]:
    names = {sort.labels: sort.name for sort in sorts}
    places = {id(passage): i for i, passage in enumerate(passages)}
    items = []
    for passage in rank_passages(passages, most):
        wrong = {ent for mistake in passage.mistakes for ent in mistake.ents}
        gold, guessed = (
            marker.mark(passage.text, ents, wrong, scores, passage.start)
            for ents, scores in ((passage.gold, {}), (passage.guessed, passage.confidence))
        )
        here = [names[mistake.labels] for mistake in passage.mistakes]
        items.append(Item(passage, gold, guessed, here, places[id(passage)]))
    return items


def _show(
    marker: Marker, shown: Evaluated, number: int, mistake: Mistake
) -> Tuple[int, Markup, Markup]:
    """RETURNS (Tuple[int, Markup, Markup]): Number of the document, and what gold and
    prediction have around a mistake."""
    outcome = shown.outcomes[number]
    if outcome is None:
        raise ValueError(f"document {number} has no annotation, and so no mistakes")
    gold, guessed = (
        marker.mark_around(outcome, ents, confidence, mistake.ents)
        for ents, confidence in ((outcome.gold, {}), (outcome.guessed, outcome.confidence))
    )
    return number, gold, guessed


def _describe(suspect: Suspect) -> str:
    """RETURNS (str): A suspect in words."""
    texts = [KINDS[suspect.mistake.kind]]
    for seen, name in ((suspect.gold_seen, "gold"), (suspect.guess_seen, "found")):
        if seen is not None:
            texts.append(f"{name}: {'in' if seen else 'not in'} the training data")
    return ", ".join(texts)


def _measure(outcomes: Sequence[Optional[Outcome]]) -> Optional[Reliability]:
    """RETURNS (Optional[Reliability]): Whether confidence can be trusted. None if there is
    none."""
    pairs = []
    for outcome in outcomes:
        if outcome is not None:
            right = frozenset(outcome.gold)
            pairs += [(score, ent in right) for ent, score in outcome.confidence.items()]
    if not pairs:
        return None
    confidence, correct = map(numpy.asarray, zip(*pairs, strict=True))
    return measure_reliability(Judged(confidence, correct))


@cache
def _load_template() -> jinja2.Template:
    # Texts, labels and names of files are anything.
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_read("page.html.jinja"))


@cache
def _read_scripts() -> Tuple[str, str]:
    """RETURNS (Tuple[str, str]): The library that draws the charts, and the page's own."""
    # Of the version that Altair writes for, which ends with its patch number.
    version = altair.SCHEMA_VERSION.rpartition(".")[0]
    bundle: str = vl_convert.javascript_bundle(LIBRARY, vl_version=version)
    return bundle, _read("page.js")


def _hash(script: str) -> str:
    """RETURNS (str): What lets a browser run this script, and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf8")
