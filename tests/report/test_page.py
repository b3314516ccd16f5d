import base64
import hashlib
import json
import re

import numpy
import pytest

from spacy_bilstm_crf.model.transitions import Transitions
from spacy_bilstm_crf.report.curves import Curves
from spacy_bilstm_crf.report.page import MAX_SUSPECTS, make_page

PER, LOC, ORG = (0, 2, "PER"), (3, 5, "LOC"), (3, 7, "ORG")
TEXT = "张伟在北京大学工作"
CURVES = Curves([{"step": 0, "component": "ner", "loss": 1.0}], [], [], 1200, 75.4)
TRANSITIONS = Transitions(["O"], numpy.zeros(1), numpy.zeros((1, 1)), numpy.zeros(1))


@pytest.fixture(scope="module")
def good(make_outcome):
    return make_outcome(TEXT, [PER, ORG], [PER, ORG], [0.99, 0.8], {})


@pytest.fixture(scope="module")
def outcomes(make_outcome, good):
    """What a pipeline with a BiLSTM-CRF gets right, and wrong."""
    confused = make_outcome(TEXT, [PER, ORG], [PER, LOC], [0.99, 0.95], {})
    missed = make_outcome(TEXT, [PER, ORG], [PER], [0.99], {ORG: 0.4})
    return [*(12 * [good]), None, *(4 * [confused]), missed]


@pytest.fixture
def make(evaluate, parse):
    def make_html(outcomes, most=500, **others):
        html = make_page(evaluate(outcomes, **others), most)
        return html, parse(html)

    return make_html


def tidy(parsed):
    return " ".join(parsed.text.split())


def count(parsed, tag):
    return sum(name == tag for name, _ in parsed.tags)


def test_everything_is_on_the_page(make, outcomes):
    _, found = make(
        outcomes,
        transitions={"ner": TRANSITIONS},
        curves=CURVES,
        forms={("PER", "张伟")},
    )
    text = tidy(found)
    assert "How good is model-best?" in text
    assert "17 documents of test.spacy, 153 tokens, 34 entities. spacy-bilstm-crf" in text
    assert "Documents without gold annotation: 1: left out" in text
    assert "Few documents (17)" in text
    assert "By what the training data have" in text
    assert "1,200 steps in 0:01:15." in text
    assert "Transitions What the CRF adds" in text
    names = {attrs["data-chart"] for _, attrs in found.tags if "data-chart" in attrs}
    assert names == {
        *("chart-labels", "chart-confusion", "chart-reliability", "chart-training"),
        "chart-transitions-0",
    }
    assert names < {*found.list("id")}


def test_links_lead_somewhere(make, outcomes):
    _, found = make(outcomes, transitions={"ner": TRANSITIONS}, curves=CURVES)
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    assert {"#sort-0", "#sort-1", "#transitions", "#training", "#suspects"} <= {*links}
    assert {link[1:] for link in links} <= {*found.list("id")}
    assert len(found.list("id")) == len({*found.list("id")})


def test_the_worst_label_is_named_and_why(make, outcomes):
    html, found = make(outcomes)
    text = tidy(found)
    assert (
        "The worst label: LOC of 4 found 0 are right: F 0.0 (0.0–0.0). There are few of "
        "it: this may be chance. Of those that are not so rare, ORG is the worst: F 82.8"
    ) in text
    assert "Why: 4 mistakes, 4 × ORG taken for LOC." in text
    assert "Most mistakes: ORG, 5 of all 5, at F 82.8." in text
    assert '<a href="#sort-0">4 × ORG taken for LOC</a>' in html


def test_licences_of_what_is_embedded_are_there(make, good):
    text = tidy(make([good])[1])
    for name in ("vega-embed", "vega-lite", "vega-util", "d3-array", "lodash.debounce"):
        assert name in text
    assert "Redistributions in binary form must reproduce" in text


def test_there_may_be_no_mistakes(make, good):
    text = tidy(make(40 * [good])[1])
    assert "No mistakes at all" in text
    assert "The worst label" not in text
    assert "Mistakes Rows are what is there" in text
    assert "shows its sentences. None." in text
    assert "None: where gold and prediction differ" in text


@pytest.mark.parametrize("shown", [0, 1, 500])
def test_as_many_sentences_as_asked_for(make, outcomes, shown):
    _, found = make(outcomes, shown)
    assert count(found, "article") == min(shown, 17)
    assert (f"{shown} of 17 are here." in tidy(found)) == (shown < 17)


def test_each_sort_of_mistake_has_three_examples(make, outcomes):
    html, found = make(outcomes)
    parts = re.findall(r"<details class=sort .*?</details>", html, re.DOTALL)
    assert [part.count("class=place") for part in parts] == [3, 1]
    assert "document 13" in parts[0]
    assert "document 17" in parts[1]
    # Where there are more of them.
    assert found.list("data-sort") == ["sort-0"]


def test_sentences_know_what_they_are_filtered_by(make, outcomes):
    _, found = make(outcomes)
    articles = [attrs for tag, attrs in found.tags if tag == "article"]
    assert [attrs["data-rank"] for attrs in articles] == [str(i) for i in range(17)]
    # One that has a mistake, and is least sure; then those with one, then those without.
    first, second, last = articles[0], articles[1], articles[-1]
    assert (first["data-kinds"], first["data-sorts"]) == ("missed", "sort-1")
    assert (second["data-kinds"], second["data-sorts"]) == ("both", "sort-0")
    assert (last["data-kinds"], last["data-sorts"]) == ("", "")
    assert [first["data-place"], second["data-place"], last["data-place"]] == [
        *("16", "12", "11")
    ]
    assert [float(some["data-sureness"]) for some in (first, second, last)] == (
        pytest.approx([0.6, 0.95, 0.8])
    )
    assert json.loads(second["data-labels"]) == ["LOC", "ORG", "PER"]


def test_suspects_are_those_that_the_pipeline_is_sure_of(make, outcomes):
    html, found = make(outcomes)
    assert "at least 90% sure of something else than the gold says" in tidy(found)
    assert "Is the gold wrong? 4 in all." in tidy(found)
    assert html.count("<div class=suspect>") == 4
    assert "document 13, 0.950 sure: wrong boundaries and wrong label" in tidy(found)
    assert "in the training data" not in html


def test_suspects_may_be_known_from_training(make, outcomes):
    text = tidy(make(outcomes, forms={("LOC", "北京")})[1])
    assert (
        "0.950 sure: wrong boundaries and wrong label, gold: not in the training data, "
        "found: in the training data"
    ) in text


def test_a_long_list_of_suspects_is_cut(make, outcomes):
    html, found = make((MAX_SUSPECTS + 3) * [outcomes[13]])
    assert html.count("<div class=suspect>") == MAX_SUSPECTS
    assert f"{MAX_SUSPECTS + 3} in all, the surest {MAX_SUSPECTS} are shown." in tidy(found)


def test_without_confidence_the_page_says_why(make, make_outcome):
    html, found = make([make_outcome(TEXT, [PER, ORG], [PER, LOC])])
    assert "no component of this pipeline tells how sure it is" in tidy(found)
    assert "calibration error" not in html
    assert {"confidence", "chart-reliability"}.isdisjoint(found.list("id"))
    assert "#confidence" not in found.list("href")
    # Last, where the least sure ones come first.
    assert found.list("data-sureness") == ["2"]


def test_a_pipeline_that_finds_nothing_may_know_how_sure_it_is(make, make_outcome):
    html, found = make(30 * [make_outcome(TEXT, [PER], likely={PER: 0.45})])
    assert "no component of this pipeline tells" not in html
    assert "the pipeline is less than 90% sure." in tidy(found)
    assert "The pipeline finds no entities" in html
    assert "0.55 sure" in tidy(found)
    assert "chart-reliability" not in found.list("id")


@pytest.mark.parametrize(
    ("gold", "guessed", "doubts"),
    [
        ([PER], [], ["The pipeline finds no entities"]),
        ([], [PER], ["The data have no entities"]),
        ([], [], ["The data have no entities", "The pipeline finds no entities"]),
    ],
)
def test_nothing_to_find_and_nothing_found(make, make_outcome, gold, guessed, doubts):
    text = tidy(make(30 * [make_outcome(TEXT, gold, guessed)])[1])
    for doubt in doubts:
        assert doubt in text
    assert ("The worst label: PER" in text) == bool(gold or guessed)
    assert "No mistakes at all" not in text


def test_empty_texts_are_no_sentences(make, make_outcome, good):
    _, found = make([make_outcome(""), good, make_outcome("")])
    assert count(found, "article") == 1
    assert "3 documents of test.spacy" in tidy(found)


def test_without_a_crf_or_a_log_there_is_no_section_of_it(make, outcomes):
    html, found = make(outcomes)
    assert {"transitions", "training"}.isdisjoint(found.list("id"))
    assert "#transitions" not in html
    assert "#training" not in html


def test_a_log_without_steps_is_none(make, good):
    _, found = make([good], curves=Curves([], [], [], 0, 0.0))
    assert {"training", "chart-training"}.isdisjoint(found.list("id"))


def test_too_many_tags_are_told(make, good):
    many = 102
    found = Transitions(
        [f"T{i}" for i in range(many)],
        *(numpy.zeros(shape) for shape in (many, (many, many), many)),
    )
    text = tidy(make([good], transitions={"ner": found, "second": TRANSITIONS})[1])
    assert "ner Too many tags to be drawn. second" in text


def test_long_documents_are_cut(make, make_outcome):
    _, found = make([make_outcome(900 * "一", [(700, 702, "PER")])])
    assert "Long documents are cut into passages." in tidy(found)
    assert "document 0, from character 400, 1 mistake" in tidy(found)
    assert "are cut into" not in tidy(make([make_outcome(TEXT)])[1])


def test_text_has_its_language_and_direction(make, make_outcome):
    html, found = make([make_outcome("שלום", [(0, 4, "LOC")])], lang="he", direction="rtl")
    assert found.list("lang").count("he") == count(found, "mark") * 2 == 4
    assert html.count("direction: rtl") == 4
    assert found.list("lang")[0] == "en"


NASTY = '</script></style>"\'&<b onclick="x">{{ 7 * 7 }}{x}'


def test_nothing_of_the_data_becomes_html(make, make_outcome):
    ents, guesses = [(0, 9, NASTY)], [(0, 9, "PER")]
    plain = make_outcome("a" * len(NASTY), [(0, 9, "ORG")], guesses, [0.95], {})
    nasty = make_outcome(NASTY, ents, guesses, [0.95], {})
    curves = Curves([{"step": 0, "component": NASTY, "loss": 1.0}], [], [], 1, 1.0)
    others = {"transitions": {NASTY: TRANSITIONS}, "curves": curves}
    _, found = make([nasty], model=NASTY, data=NASTY, lang=NASTY, **others)
    _, expected = make([plain], **others)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in expected.tags]
    assert f"How good is {NASTY}?" in found.text
    assert f"The worst label: {NASTY}" in found.text
    assert found.text.count(NASTY) > 10
    for script in found.scripts[:-2]:
        json.loads(script)


def test_a_browser_runs_the_scripts_of_the_page_and_no_others(make, outcomes):
    html, found = make(outcomes)
    [policy] = [attrs["content"] for tag, attrs in found.tags if attrs.get("http-equiv")]
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in found.scripts[-2:]
    ]
    assert policy == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'; script-src " + " ".join(hashes)
    )
    # Scripts that are no data.
    assert sum(tag == "script" and not attrs for tag, attrs in found.tags) == 2
    assert not {"link", "img", "iframe", "base", "object"} & {tag for tag, _ in found.tags}
    assert not found.list("src")
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_500_long_sentences_are_less_than_5_megabytes(make, make_outcome):
    text = "张伟在北京大学工作，" * 12
    places = [(12 * i, 12 * i + 5) for i in range(10)]
    labels = [f"LABEL{i}" for i in range(30)]
    outcomes = []
    for i in range(500):
        names = [labels[(i + j) % 30] for j in range(11)]
        gold = [(*place, name) for place, name in zip(places, names[:-1], strict=True)]
        # All of them wrong.
        found = [(*place, name) for place, name in zip(places, names[1:], strict=True)]
        outcomes.append(make_outcome(text, gold, found, 10 * [0.95], {}))
    html, found = make(outcomes)
    assert count(found, "article") == 500
    assert count(found, "mark") > 2 * 10 * 500
    assert len(html.encode()) < 5_000_000
