"""Evaluations that are written by hand, and pages taken apart."""

from html.parser import HTMLParser

import pytest

from spacy_bilstm_crf.corpus.schemes import get_scheme
from spacy_bilstm_crf.evaluation.outcomes import Entity, Outcome
from spacy_bilstm_crf.evaluation.scores import score_outcomes
from spacy_bilstm_crf.report.page import Evaluated


def make_entity(start, end, label):
    return Entity(start, end, label, start, end)


@pytest.fixture(scope="session")
def make_outcome():
    """Make an outcome. A token is a character, an entity is start, end and label, and of
    the predicted ones as many have a confidence as there are in `confidence`."""

    def make(text, gold=(), guessed=(), confidence=(), likely=None, **others):
        guesses = [make_entity(*ent) for ent in guessed]
        if likely is not None:
            likely = {make_entity(*ent): score for ent, score in likely.items()}
        return Outcome(
            text,
            len(text),
            others.pop("missing", ()),
            [make_entity(*ent) for ent in gold],
            guesses,
            confidence=dict(zip(guesses, confidence, strict=False)),
            likely=likely,
            **others,
        )

    return make


@pytest.fixture(scope="session")
def evaluate():
    """Put outcomes and their scores into what a page is made of."""

    def make(outcomes, **others):
        forms = others.get("forms")
        scores = score_outcomes(outcomes, get_scheme("bmes"), forms=forms, samples=5)
        shown = {
            "model": "model-best",
            "data": "test.spacy",
            "lang": "zh",
            "direction": "ltr",
            "version": "1.2.3",
            "forms": None,
            "transitions": {},
            "curves": None,
            **others,
        }
        return Evaluated(outcomes=outcomes, scores=scores, **shown)

    return make


class Parsed(HTMLParser):
    """HTML as its elements and its text.

    tags (List[Tuple[str, Dict[str, Optional[str]]]]): Names and attributes.
    scripts (List[str]): The content of all scripts.
    text (str): What a reader sees, but for the labels in texts and their scores.
    """

    def __init__(self, html):
        super().__init__()
        self.tags, self.scripts, self.text = [], [], ""
        self._within = []
        # What markupsafe makes of a piece of its own is escaped.
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._within.append(tag)
        if tag == "br":
            self.text += "\n"

    def handle_endtag(self, tag):
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data):
        if "script" in self._within:
            self.scripts.append(data)
        elif not {"style", "i"} & {*self._within} and self._within[-2:] != ["mark", "b"]:
            self.text += data

    def list(self, name):
        """All values of an attribute."""
        return [attrs[name] for _, attrs in self.tags if name in attrs]


@pytest.fixture(scope="session")
def parse():
    return Parsed
