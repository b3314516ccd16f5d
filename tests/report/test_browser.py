"""The page in a real browser, Debian's chromium or another one that is installed."""

import base64
import os
import re
import shutil
import subprocess

import numpy
import pytest
import spacy
from spacy.training import Corpus
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import group
from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.model.transitions import Transitions
from spacy_bilstm_crf.report.curves import Curves
from spacy_bilstm_crf.report.page import make_page

playwright_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = playwright_api.expect
NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
if BROWSER is None:
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)

NASTY = "</script><script>document.title = 'run'</script> & \"'{x}"
LABEL = "<b>\"'&{x}</script>"
STEPS = [{"step": i, "component": NASTY, "loss": 1 / (i + 1)} for i in range(40)]
CURVES = Curves(
    losses=STEPS,
    rates=[{"step": i, "learn_rate": i / 1000} for i in range(40)],
    scores=[{"step": i, "score": "ents_f", "value": i / 40} for i in range(0, 40, 10)],
    steps=40,
    seconds=3.0,
)
TAGS = ["O", f"B-{LABEL}", f"I-{LABEL}", f"L-{LABEL}", f"U-{LABEL}"]
MODEL = {"hidden_width": 24, "dropout": 0.0, "tok2vec": {"width": 16}}
FIGURES = "[...document.querySelectorAll('figure')]"
SHOWN = "article:visible"
# How many pixels of each colour a picture has.
COUNT_COLORS = """async (url) => {
  const image = await createImageBitmap(await (await fetch(url)).blob());
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const counts = {};
  for (let i = 0; i < data.length; i += 4) {
    const color = `rgb(${data[i]}, ${data[i + 1]}, ${data[i + 2]})`;
    counts[color] = (counts[color] ?? 0) + 1;
  }
  return counts;
}"""


@pytest.fixture(scope="module")
def browser():
    # Its sandbox does not work for root.
    args = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=args)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def log():
    """All that the browser complains of, and what it loads beside the page."""
    return []


@pytest.fixture
def messages(log):
    """The same, of one test: in the end there is nothing."""
    yield log
    found = [*log]
    log.clear()
    assert found == []


@pytest.fixture(scope="module")
def visit(browser, log):
    """Open a page, and wait for its charts."""

    def open_page(path, fragment=""):
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("console", lambda message: log.append(message.text))
        page.on("pageerror", lambda error: log.append(str(error)))
        page.on("request", lambda request: log.append(request.url))
        page.goto(path.as_uri() + fragment)
        expect(page.locator("figure:not(:has(svg))")).to_have_count(0)
        assert log.pop(0).partition("#")[0] == path.as_uri()
        return page

    return open_page


@pytest.fixture(scope="module")
def outcomes(make_outcome):
    """Texts in two languages and in none, mistakes of four sorts."""
    found = []
    for name in ("张伟", "李娜", "王芳", "刘洋", "陈静"):
        text, gold = f"{name}在北京大学工作", [(0, 2, "PER"), (3, 7, "ORG")]
        guesses = [gold[0], (3, 5, "LOC")]
        found.append(make_outcome(text, gold, guesses, [0.99, 0.95], {}))
    for name in ("Anna Li", "Otto Ek", "Emma Wu", "Hugo Bo"):
        text, place = f"{name} lives in New York.", (17, 25, "LOC")
        ents, guesses = [(0, 7, "PER"), place], [(0, 4, "PER"), place]
        found.append(make_outcome(text, ents, guesses, [0.6, 0.8], {}))
    found += 4 * [make_outcome("今天天气很好", [], [(0, 2, "LOC")], [0.3], {})]
    found += 3 * [make_outcome(NASTY, [(0, 9, LABEL)], likely={(0, 9, LABEL): 0.2})]
    right = [(0, 2, "PER"), (4, 8, "ORG")]
    found += 3 * [make_outcome("张伟去了南京大学", right, right, [0.9, 0.85], {})]
    found += 2 * [make_outcome("一句话", likely={})]
    return [None, *found]


@pytest.fixture(scope="module")
def path(outcomes, evaluate, tmp_path_factory):
    """A page with everything that there is."""
    scores = numpy.where(numpy.eye(5, dtype=bool), -numpy.inf, 1.0)
    crf = Transitions(TAGS, scores[0], scores, scores[1])
    shown = evaluate(
        outcomes,
        model=NASTY,
        data=NASTY,
        forms={("LOC", "北京")},
        transitions={NASTY: crf},
        curves=CURVES,
    )
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_bytes(make_page(shown).encode())
    return path


@pytest.fixture(scope="module")
def opened(visit, path):
    return visit(path)


@pytest.fixture
def page(opened, messages):
    """The page as it is when it is opened."""
    reset(opened)
    return opened


def reset(page):
    page.click("text=Show all")
    expect(page.locator("article[hidden]")).to_have_count(0)


def count_shown(page):
    """How many sentences can be seen, which is what the page says."""
    count = page.locator(SHOWN).count()
    total = page.locator("article").count()
    assert page.inner_text("#number-shown") == f"{count} of {total} shown"
    return count


def test_charts_are_drawn(page):
    marks = page.evaluate(
        f"{FIGURES}.map(figure => [figure.id, figure.querySelectorAll("
        "'.mark-rect path, .mark-line path, .mark-rule line').length])"
    )
    assert dict(marks).keys() == {
        *("chart-labels", "chart-confusion", "chart-reliability", "chart-training"),
        "chart-transitions-0",
    }
    assert all(count > 0 for _, count in marks)
    # One for each label, one for each confusion or right label, one for each legal pair.
    drawn = "#{} .mark-rect path[aria-label]"
    assert page.locator(drawn.format("chart-labels")).count() == 4
    assert page.locator(drawn.format("chart-confusion")).count() == 6
    assert page.locator(drawn.format("chart-transitions-0")).count() == 20 + 4 + 4


def test_nothing_of_the_data_runs(page, path):
    assert page.title() == f"{NASTY} on {NASTY}"
    assert page.locator("script").count() == 5 + 2
    assert page.inner_text("h1") == f"How good is {NASTY}?"
    assert page.locator("mark b b").count() == 0
    assert page.locator("mark", has_text=LABEL).first.get_attribute("title") == LABEL


def test_a_script_that_is_not_of_the_page_does_not_run(visit, path, tmp_path, messages):
    run = "document.title = 'run'"
    evil = f'<script>{run}</script><button id=evil onclick="{run}">evil</button>'
    html = path.read_text(encoding="utf8").replace("<main>", f"<main>{evil}")
    changed = tmp_path / "changed.html"
    changed.write_text(html, encoding="utf8")
    page = visit(changed)
    page.click("#evil")
    assert page.title() == f"{NASTY} on {NASTY}"
    with pytest.raises(playwright_api.Error, match="Failed to fetch"):
        page.evaluate("fetch('http://127.0.0.1:9/')")
    # The script, the button and the request.
    assert len(messages) >= 3
    assert all("Content Security Policy" in message for message in messages)
    messages.clear()


def test_the_list_shrinks_by_kind_and_all_come_back(page):
    assert count_shown(page) == 21
    for kind, count in (
        *(("any", 16), ("none", 5), ("both", 5), ("boundaries", 4), ("missed", 3)),
        *(("spurious", 4), ("label", 0), ("", 21)),
    ):
        page.select_option("[name=kind]", kind)
        assert count_shown(page) == count
    page.select_option("[name=kind]", "missed")
    assert page.locator(SHOWN).first.is_visible()
    reset(page)
    assert count_shown(page) == 21


def test_the_list_shrinks_by_label(page):
    for label, count in (("PER", 12), ("ORG", 8), ("LOC", 13), (LABEL, 3)):
        page.select_option("[name=label]", label)
        assert count_shown(page) == count
    page.select_option("[name=kind]", "both")
    assert count_shown(page) == 0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("伟在北京大学工", 1),
        ("LI LIVES in new", 1),
        ("lives IN", 4),
        ("SCRIPT>DOCUMENT", 3),
        ("{x}", 3),
        # Labels and confidence are no part of the text.
        ("在北京org", 0),
        ("0.9", 0),
        ("", 21),
    ],
)
def test_search_finds_text_within_and_across_entities(page, text, count):
    page.fill("[name=text]", text)
    assert count_shown(page) == count
    # It is no form that goes anywhere.
    page.press("[name=text]", "Enter")
    assert count_shown(page) == count


def click_cell(page, gold, found):
    # Beside the number.
    page.locator(
        f"#chart-confusion path[aria-label*='gold: {gold};'][aria-label*='found: {found};']"
    ).click(position={"x": 4, "y": 4})


def test_a_click_on_a_confusion_shows_its_sentences(page):
    page.fill("[name=text]", "nothing")
    click_cell(page, "ORG", "LOC")
    assert count_shown(page) == 5
    assert page.input_value("[name=text]") == ""
    assert page.locator(SHOWN).first.is_visible()
    assert "北京大学" in page.inner_text(f"{SHOWN} >> nth=0")
    page.locator("#chart-confusion text", has_text=re.compile(r"^8 \+ 4$")).click()
    assert count_shown(page) == 4
    # Where nothing is wrong there is nothing to show.
    click_cell(page, "ORG", "ORG")
    assert count_shown(page) == 4


def test_a_button_shows_the_sentences_with_a_mistake(page):
    page.click("#sort-0 >> text=Sentences with this mistake")
    assert count_shown(page) == 5
    page.click("#sort-1 >> text=Sentences with this mistake")
    assert count_shown(page) == 4
    assert page.locator("#sort-3 button").count() == 0


def test_the_order_can_be_chosen(page):
    def read(text):
        places = page.locator("article .place").all_inner_texts()
        return [float(re.search(text, place)[1]) for place in places]

    ranked = read(r"document (\d+)")
    page.select_option("[name=order]", "place")
    assert read(r"document (\d+)") == [float(i) for i in range(1, 22)] != ranked
    page.select_option("[name=order]", "sureness")
    sureness = read(r"([\d.]+) sure")
    assert sureness == sorted(sureness)
    assert sureness[0] < sureness[-1]
    page.select_option("[name=order]", "rank")
    assert read(r"document (\d+)") == ranked


def test_links_of_the_summary_open_the_examples_of_a_mistake(page):
    """A newcomer wants to know which label is worst, and why."""
    assert page.inner_text("#summary h2") == f"The worst label: {LABEL}"
    link = page.locator("#summary a").first
    assert link.inner_text() == f"3 × {LABEL} is missed"
    details = page.locator("#sort-3")
    assert details.get_attribute("open") is None
    link.click()
    details.locator(".sides").first.wait_for(state="visible")
    assert details.locator(".sides").count() == 3
    assert details.locator("mark.wrong").count() == 3
    assert details.locator("mark.wrong").first.inner_text().startswith("</script>")


def test_a_link_from_elsewhere_opens_the_examples_too(visit, messages, path):
    page = visit(path, "#sort-3")
    page.locator("#sort-3 .sides").first.wait_for(state="visible")


def take_colors(browser, element):
    """RETURNS (Dict[str, int]): The colours of a picture of an element."""
    picture = base64.b64encode(element.screenshot()).decode()
    decoder = browser.new_page()
    counts = decoder.evaluate(COUNT_COLORS, f"data:image/png;base64,{picture}")
    decoder.close()
    return counts


def test_the_picture_has_the_colours_of_labels_and_a_red_frame(page, browser):
    background = "element => getComputedStyle(element).backgroundColor"
    page.fill("[name=text]", "张伟在北京")
    wrong = page.locator(SHOWN)
    colors = [mark.evaluate(background) for mark in wrong.locator("mark").all()]
    assert len({*colors}) == 3
    counts = take_colors(browser, wrong)
    for color in colors:
        assert counts.get(color, 0) > 200
    frame = wrong.locator("mark.wrong").first.evaluate(
        "element => getComputedStyle(element).outlineColor"
    )
    red, green, blue = map(int, re.findall(r"\d+", frame))
    assert red > 2 * max(green, blue)
    assert counts.get(frame, 0) > 100
    # What is right has none.
    page.fill("[name=text]", "南京")
    counts = take_colors(browser, page.locator(SHOWN).first)
    assert counts.get(colors[0], 0) > 200
    assert counts.get(frame, 0) == 0


def test_characters_are_not_boxes(page):
    listed = subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=False)
    if not listed.stdout:
        pytest.skip("no font for Chinese: apt-get install fonts-noto-cjk")
    place = page.locator(".side .entities").first

    def take(character):
        place.evaluate("(element, text) => { element.textContent = text }", character)
        return place.screenshot()

    drawn = {take(character) for character in "张伟在北京大学aB "}
    assert len(drawn) == 10
    # Characters that nobody has defined.
    assert take("\u0378") == take("\u0379")


def test_the_page_is_as_wide_as_the_window(
    visit, messages, make_outcome, evaluate, tmp_path
):
    labels = [f"LABEL.{i}" for i in range(30)]
    outcomes = [
        make_outcome("张伟在北京", [(0, 2, label)], [(0, 2, labels[7 * i % 30])], [0.9], {})
        for i, label in enumerate(labels)
    ]
    path = tmp_path / "page.html"
    path.write_text(make_page(evaluate(outcomes)), encoding="utf8")
    page = visit(path)
    page.locator("#tags summary").click()
    for width in (1280, 600, 400):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    chart = page.locator("#chart-confusion")
    assert chart.evaluate("element => element.scrollWidth > element.clientWidth")
    assert chart.locator(".mark-rect path[aria-label]").count() == 30


@pytest.mark.parametrize(
    ("gold", "guessed", "text"),
    [
        ([(0, 2, "PER")], [(0, 2, "PER")], "张伟在"),
        ([(0, 2, "PER")], [], "张伟在"),
        ([], [], ""),
    ],
)
def test_there_may_be_little_to_show(
    visit, messages, make_outcome, evaluate, tmp_path, gold, guessed, text
):
    path = tmp_path / "page.html"
    shown = evaluate([make_outcome(text, gold, guessed)])
    path.write_text(make_page(shown), encoding="utf8")
    assert count_shown(visit(path)) == bool(text)


def report(folder, sources):
    """Train a small pipeline for a moment, and run the whole command."""
    nlp = spacy.blank("zh")
    for name, source in zip(("train", "test"), sources, strict=True):
        convert([source], folder / f"{name}.spacy", nlp)
    fix_random_seed(0)
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    train = list(Corpus(folder / "train.spacy", limit=200)(nlp))
    optimizer = nlp.initialize(lambda: train)
    optimizer.learn_rate = 0.03
    for start in range(0, len(train), 10):
        nlp.update(train[start : start + 10], sgd=optimizer)
    nlp.to_disk(folder / "model")
    files = [folder / "model", folder / "test.spacy", folder / "report.html"]
    options = ["--train", folder / "train.spacy", "--samples", 20]
    done = CliRunner().invoke(group, ["report", *map(str, [*files, *options])])
    assert done.exit_code == 0, done.output
    return files[-1]


def test_the_demo_corpus(visit, messages, samples, tmp_path):
    demo = samples.parent / "demo"
    page = visit(report(tmp_path, [demo / "dev.bmes", demo / "test.bmes"]))
    everything = count_shown(page)
    page.select_option("[name=kind]", "any")
    assert 0 < count_shown(page) < everything


def test_resume_ner(visit, messages, corpora, tmp_path):
    resume = corpora / "resume"
    path = report(tmp_path, [resume / "dev.char.bmes", resume / "test.char.bmes"])
    assert path.stat().st_size < 5_000_000
    page = visit(path)
    assert count_shown(page) == 477
    page.select_option("[name=kind]", "any")
    assert 0 < count_shown(page) < 477
    # Three examples of each sort of mistake, if there are so many.
    for details in page.locator("details.sort").all():
        total = int(details.locator("summary b").inner_text().split()[0])
        assert details.locator(".sides").count() == min(3, total)
