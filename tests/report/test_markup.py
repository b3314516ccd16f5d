import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.evaluation.outcomes import Entity
from spacy_bilstm_crf.report.markup import CONTEXT, Marker

TEXT = "张伟在北京大学工作"
PER, ORG = Entity(0, 2, "PER", 0, 2), Entity(3, 7, "ORG", 3, 7)
NASTY = [
    "</mark>",
    "<b>",
    "\"'&",
    "{x}",
    "{label}",
    "{0",
    "&lt;",
    "<script>alert(1)</script>",
]
# HTML has other names for some characters that cannot be seen.
ANY = st.text(st.characters(exclude_categories=["Cs", "Cc"])) | st.sampled_from(NASTY)


@pytest.fixture(scope="module")
def marker():
    return Marker(["ORG", "PER"], "ltr")


def test_entities_stand_in_the_text(marker, parse):
    marked = marker.mark(TEXT, [PER, ORG], frozenset(), {})
    assert ">张伟<b>PER</b></mark>在<mark" in marked
    assert ">北京大学<b>ORG</b></mark>工作</div>" in marked
    assert parse(marked).text.strip() == TEXT
    assert parse(marked).list("title") == ["PER", "ORG"]


def test_what_is_wrong_has_a_frame(marker, parse):
    marked = marker.mark(TEXT, [PER, ORG], {ORG}, {})
    assert parse(marked).list("class") == ["entities", "entity", "entity wrong"]


def test_confidence_stands_beside_the_label(marker, parse):
    marked = marker.mark(TEXT, [PER, ORG], frozenset(), {ORG: 0.8767})
    assert "<b>PER</b></mark>" in marked
    assert "<b>ORG</b><i>0.88</i></mark>" in marked
    assert parse(marked).list("title") == ["PER", "ORG, confidence 0.877"]


def test_a_piece_begins_anywhere(marker):
    marked = marker.mark(TEXT[2:], [ORG], frozenset(), {}, start=2)
    assert ">在<mark" in marked
    assert ">北京大学<b>ORG" in marked


def test_of_entities_that_overlap_the_first_is_shown(marker, parse):
    other = Entity(1, 4, "ORG", 1, 4)
    marked = marker.mark(TEXT, [other, ORG, PER], frozenset(), {})
    assert parse(marked).text.strip() == TEXT
    assert [">张伟<b>PER" in marked, ">北京大学<b>ORG" in marked] == [True, True]
    assert marked.count("<mark") == 2


@given(ANY, ANY, ANY)
def test_any_text_and_any_label_are_shown_as_they_are(parse, before, form, label):
    form = form or "x"
    ent = Entity(0, 1, label, len(before), len(before) + len(form))
    text = before + form + before
    marked = parse(Marker([label], "ltr").mark(text, [ent], {ent}, {ent: 0.5}))
    assert [tag for tag, _ in marked.tags] == ["div", "mark", "b", "i"]
    assert marked.text == f"\n{text}\n"
    assert marked.list("title") == [f"{label}, confidence 0.500"]


def test_lines_stay_lines(marker, parse):
    text = "张伟\n在\n\n北京"
    marked = marker.mark(text, [PER], frozenset(), {})
    assert parse(marked).text.strip() == text


def test_text_from_right_to_left(marker):
    assert "direction: rtl" in Marker(["LOC"], "rtl").mark("שלום", [], frozenset(), {})
    assert "direction: ltr" in marker.mark("שלום", [], frozenset(), {})


def test_each_label_has_a_light_colour_of_its_own(parse):
    labels = [f"L{i}" for i in range(30)]
    colors = Marker(labels, "ltr").colors
    assert list(colors) == labels
    assert len({*colors.values()}) == 30
    # Black text can be read on them.
    for color in colors.values():
        red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue > 160


def test_the_colour_is_that_of_the_label(marker):
    marked = marker.mark(TEXT, [PER], frozenset(), {})
    assert f'style="background: {marker.colors["PER"]}"' in marked


def test_an_example_has_some_text_around_it(marker, make_outcome, parse):
    text = "".join(chr(0x4E00 + i) for i in range(100))
    outcome = make_outcome(text, [(45, 47, "PER"), (50, 52, "ORG")], [])
    marked = marker.mark_around(outcome, outcome.gold, {}, [outcome.gold[0]])
    shown = parse(marked)
    piece = text[45 - CONTEXT : 47 + CONTEXT]
    assert shown.text.split() == ["…", piece, "…"]
    # What it is about, and not the other one.
    assert shown.list("class")[1:] == ["entities", "entity wrong", "entity"]
    assert CONTEXT > 5


def test_a_short_text_is_shown_as_a_whole(marker, make_outcome, parse):
    outcome = make_outcome(TEXT, [(3, 7, "ORG")], [(0, 2, "PER")], [0.75])
    marked = marker.mark_around(outcome, outcome.guessed, outcome.confidence, outcome.gold)
    assert parse(marked).text.strip() == TEXT
    assert "<b>PER</b><i>0.75</i>" in marked


def test_an_entity_across_the_border_of_an_example_is_not_shown(marker, make_outcome):
    ents = [(0, 12, "ORG"), (40, 42, "PER"), (70, 75, "ORG")]
    outcome = make_outcome(100 * "一", ents, [])
    marked = marker.mark_around(outcome, outcome.gold, {}, [outcome.gold[1]])
    assert marked.count("<mark") == 1


def test_an_example_reaches_over_both_of_its_entities(marker, make_outcome, parse):
    outcome = make_outcome(TEXT, [(0, 5, "ORG")], [(4, 9, "ORG")])
    places = [*outcome.gold, *outcome.guessed]
    marked = marker.mark_around(outcome, outcome.guessed, {}, places)
    assert parse(marked).text.strip() == TEXT
    assert "entity wrong" in marked
