import io
import json
from contextlib import contextmanager
from itertools import accumulate

import numpy
import pytest
import spacy
import tqdm
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.training import Corpus
from spacy.training.loop import train as spacy_train
from thinc.api import warmup_linear

from spacy_bilstm_crf.training import metrics_logger
from spacy_bilstm_crf.training.checkpoint import find_checkpoint
from spacy_bilstm_crf.training.loop import train
from spacy_bilstm_crf.training.metrics_logger import StepWatch, create_metrics_logger
from spacy_bilstm_crf.training.step_log import EVALUATION, STEP, StepLog

NAME = "spacy-bilstm-crf.MetricsLogger.v1"
# How long it takes, which is another time each time.
TIMES = ("seconds", "step_seconds", "docs_per_second")
ROWS = st.integers(1, 9).map(lambda n: [{"type": STEP, "step": i} for i in range(n)])


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Killed(BaseException):
    """Stands for a process that ends here."""


@pytest.fixture
def use(tmp_path):
    """Makes a change of the config: this logger, with a step log."""

    def make_change(change=None, *, name="steps.jsonl", **settings):
        def apply(config):
            path = str(tmp_path / name)
            config["training"]["logger"] = {"@loggers": NAME, "output_file": path}
            config["training"]["logger"].update({"progress_bar": False, **settings})
            if change is not None:
                change(config)

        return apply

    return make_change


@contextmanager
def in_update(number, do):
    """Do something in the so manieth update of this process."""
    update, count = Language.update, 0

    def update_and_do(*args, **kwargs):
        nonlocal count
        count += 1
        if count == number:
            do()
        return update(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Language, "update", update_and_do)
        yield


def die():
    raise Killed


def read(path, kind=None):
    rows = [json.loads(line) for line in path.read_text("utf8").splitlines()]
    return [row for row in rows if kind in (None, row["type"])]


def without_times(rows):
    for row in rows:
        row.get("scores", {}).pop("speed", None)
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]


def add_component(config):
    config["nlp"]["pipeline"] = ["ner", "other"]
    config["components"]["other"] = {"factory": "ner"}


@pytest.mark.parametrize("driver", [train, spacy_train])
@pytest.mark.parametrize("accumulate_gradient", [1, 2])
def test_there_is_a_line_for_each_step(make, use, tmp_path, driver, accumulate_gradient):
    settings = {"training.accumulate_gradient": accumulate_gradient}
    batches = []
    nlp = make(settings, use(add_component))
    update = nlp.update

    def take_down(examples, **kwargs):
        batches.append(examples)
        return update(examples, **kwargs)

    nlp.update = take_down
    (tmp_path / "out").mkdir()
    driver(nlp, tmp_path / "out", stdout=io.StringIO(), stderr=io.StringIO())
    steps = read(tmp_path / "steps.jsonl", STEP)
    assert [row["step"] for row in steps] == list(range(15))
    ends = list(accumulate(row["docs"] for row in steps))
    examples = [example for batch in batches for example in batch]
    assert ends[-1] == len(examples)
    for end, row in zip(ends, steps, strict=True):
        assert row["tokens"] == sum(map(len, examples[end - row["docs"] : end]))
    rates = warmup_linear(0.01, 2, 14)
    assert [row["learn_rate"] for row in steps] == [next(rates) for _ in steps]
    seconds = [row["seconds"] for row in steps]
    assert seconds == sorted(seconds)
    for row in steps:
        assert row["docs_per_second"] == row["docs"] / row["step_seconds"] > 0
        assert row["losses"].keys() == {"ner", "other"}


def test_evaluations_have_lines_with_scores_and_the_losses_of_the_steps(run, use, tmp_path):
    _, shown = run(None, change=use(add_component))
    seen, losses = [], {}
    for row in read(tmp_path / "steps.jsonl"):
        if row["type"] == STEP:
            step = row
            for name, loss in row["losses"].items():
                losses[name] = losses.get(name, 0.0) + loss
            continue
        # Right behind the step.
        assert (step["step"], step["epoch"]) == (row["step"], row["epoch"])
        assert row["losses"] == pytest.approx(losses)
        assert row["score"] == row["scores"]["ents_f"]
        assert f"{100 * row['score']:.2f}" in shown
        seen.append((row["step"], row["epoch"]))
        losses = {}
    assert seen == [(0, 0), (4, 0), (8, 1), (12, 1)]


def test_what_is_shown_is_what_the_console_logger_shows(run, use):
    _, theirs = run(None)
    _, ours = run(None, change=use())
    assert ours == theirs


def test_the_time_of_a_step_is_that_of_its_updates(run, use, tmp_path, monkeypatch):
    now, updates = 0.0, 0
    update, evaluate = Language.update, Language.evaluate

    def take_ten(*args, **kwargs):
        nonlocal now, updates
        now += 10.0
        updates += 1
        return update(*args, **kwargs)

    def take_a_thousand(*args, **kwargs):
        nonlocal now
        now += 1000.0
        return evaluate(*args, **kwargs)

    monkeypatch.setattr(metrics_logger, "timer", lambda: now)
    monkeypatch.setattr(Language, "update", take_ten)
    monkeypatch.setattr(Language, "evaluate", take_a_thousand)
    run(None, {"training.accumulate_gradient": 2}, change=use())
    before = 0.0
    for row in read(tmp_path / "steps.jsonl"):
        if row["type"] == STEP:
            assert row["step_seconds"] >= 20.0
            assert row["seconds"] == before + row["step_seconds"]
        else:
            assert row["seconds"] == before + 1000.0
        before = row["seconds"]
    assert before == 10.0 * updates + 4000.0


def test_nothing_is_lost_when_the_process_dies(run, use, tmp_path):
    path, lines = tmp_path / "steps.jsonl", []

    def look():
        lines.extend(read(path))

    with in_update(8, look):
        run(None, change=use())
    assert [row["step"] for row in lines if row["type"] == STEP] == list(range(7))


@pytest.mark.parametrize("updates", [[7], [2, 4, 3], [6, 1]])
def test_resuming_leaves_the_log_of_an_uninterrupted_training(run, use, tmp_path, updates):
    run(tmp_path / "whole", change=use(name="whole.jsonl"))
    checkpoint = None
    for number in updates:
        with in_update(number, die), pytest.raises(Killed):
            run(tmp_path / "parts", change=use(), checkpoint=checkpoint)
        checkpoint = find_checkpoint(tmp_path / "parts", resume=True)
    with (tmp_path / "steps.jsonl").open("a") as file_:
        file_.write('{"type": "step", "st')
    run(tmp_path / "parts", change=use(), checkpoint=checkpoint)
    whole, parts = (read(tmp_path / name) for name in ("whole.jsonl", "steps.jsonl"))
    assert without_times(parts) == without_times(whole)
    seconds = [row["seconds"] for row in parts]
    assert seconds == sorted(seconds)


def test_a_finished_training_that_goes_on_keeps_all_its_lines(run, use, tmp_path):
    run(tmp_path / "out", {"training.max_steps": 6}, change=use())
    before = read(tmp_path / "steps.jsonl")
    checkpoint = find_checkpoint(tmp_path / "out", resume=True)
    run(tmp_path / "out", change=use(), checkpoint=checkpoint)
    after = read(tmp_path / "steps.jsonl")
    assert after[: len(before)] == before
    assert [row["step"] for row in after if row["type"] == STEP] == list(range(15))


def test_a_new_training_replaces_the_log_of_an_earlier_one(run, use, tmp_path):
    run(None, change=use())
    run(None, {"training.max_steps": 2}, change=use())
    steps = read(tmp_path / "steps.jsonl", STEP)
    assert [row["step"] for row in steps] == [0, 1, 2]


@given(
    rows=ROWS,
    step=st.integers(0, 10),
    tail=st.one_of(st.binary(max_size=9), st.just(b'{"type": "step", "step": 0}')),
)
def test_cutting_leaves_what_is_before_a_step_and_complete(
    tmp_path_factory, rows, step, tail
):
    path = tmp_path_factory.mktemp("cut") / "steps.jsonl"
    log = StepLog(path)
    for row in rows:
        log.write(row["type"], row)
    log.close()
    with path.open("ab") as file_:
        file_.write(tail)
    log = StepLog(path)
    last = log.cut(step)
    log.write(EVALUATION, {"step": step})
    log.close()
    assert read(path) == [*rows[:step], {"type": EVALUATION, "step": step}]
    assert last == (rows[:step][-1] if step else {})


@pytest.mark.parametrize(
    "content", ["text\n", '{"step": 0}\n', '{"type": "step"}\n', "[1]\n", "{"]
)
def test_another_file_is_not_replaced(make, use, tmp_path, content):
    (tmp_path / "steps.jsonl").write_text(content, "utf8")
    nlp = make(change=use())
    with pytest.raises(ValueError, match=r"steps.jsonl is no step log, and would be repl"):
        train(nlp, stdout=io.StringIO(), stderr=io.StringIO())
    assert (tmp_path / "steps.jsonl").read_text("utf8") == content
    assert "update" not in vars(nlp)


def test_links_and_folders_are_refused(tmp_path):
    (tmp_path / "victim").write_text("", "utf8")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(ValueError, match="is a link or a folder: set output_file to"):
            StepLog(path)


def test_the_folder_is_created_and_scores_may_be_of_any_kind(tmp_path):
    path = tmp_path / "new" / "steps.jsonl"
    log = StepLog(path)
    scores = {"f": numpy.float32(0.5), "名": numpy.eye(1), "path": path}
    log.write(EVALUATION, {"step": 0, "scores": scores})
    log.close()
    assert read(path)[0]["scores"] == {"f": 0.5, "名": [[1.0]], "path": str(path)}


def test_without_a_file_nothing_is_written(run, use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(None, change=use(output_file=None))
    assert not list(tmp_path.glob("*.jsonl"))


@pytest.fixture
def bars(monkeypatch):
    """The bars that were made. They show every step."""
    bars, tqdm_class = [], tqdm.tqdm

    def make_bar(*args, **kwargs):
        bars.append(tqdm_class(*args, **kwargs, mininterval=0.0, miniters=1))
        return bars[-1]

    monkeypatch.setattr(tqdm, "tqdm", make_bar)
    return bars


def test_the_bar_has_the_time_that_is_left_and_sentences_per_second(make, use, bars):
    terminal = Terminal()
    train(make(change=use(progress_bar=True)), stdout=io.StringIO(), stderr=terminal)
    assert len(bars) == 1
    # What it has shown, before it was removed.
    last = terminal.getvalue().split("\r")[-3]
    assert "| 14/14 [" in last
    assert "<00:00" in last
    assert "sentences/s]" in last


def test_without_a_number_of_steps_the_bar_has_no_time_that_is_left(make, use, bars):
    terminal = Terminal()
    settings = {"training.max_steps": 0, "training.max_epochs": 1}
    nlp = make(settings, use(progress_bar=True))
    train(nlp, stdout=io.StringIO(), stderr=terminal)
    assert "sentences/s]" in terminal.getvalue()
    assert "<" not in terminal.getvalue()


def test_the_table_and_the_bar_do_not_share_a_line(make, use, bars):
    terminal = Terminal()
    train(make(change=use(progress_bar=True)), stdout=terminal, stderr=terminal)
    parts = terminal.getvalue().split("\r")
    assert any("\n" in part for part in parts[1:])
    for part in parts:
        assert "\n" not in part or "step" not in part.split("\n")[0], part


def test_the_bar_of_a_training_that_goes_on_begins_there(make, use, tmp_path, bars):
    def go_on(steps, checkpoint=None):
        nlp = make({"training.max_steps": steps}, use(progress_bar=True))
        output = {"stdout": io.StringIO(), "stderr": Terminal()}
        train(nlp, tmp_path / "out", checkpoint=checkpoint, **output)

    go_on(5)
    go_on(9, find_checkpoint(tmp_path / "out", resume=True))
    # From there its speed is counted.
    assert [bar.initial for bar in bars] == [0, 6]
    assert [bar.n for bar in bars] == [5, 9]


def test_there_is_no_bar_unless_it_is_wanted_and_seen(make, use):
    nlp = make(change=use(progress_bar=True))
    file_ = io.StringIO()
    train(nlp, stdout=io.StringIO(), stderr=file_)
    assert not file_.getvalue()
    terminal = Terminal()
    nlp = make(change=use(progress_bar=False))
    train(nlp, stdout=io.StringIO(), stderr=terminal)
    assert not terminal.getvalue()


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_the_pipeline_is_left_as_it_was(make, use, error):
    nlp = make(change=use())
    ner = nlp.get_pipe("ner")
    before = dict(vars(nlp)), dict(vars(ner))

    def stop():
        assert vars(nlp) != before[0]
        if error is not None:
            raise error

    with in_update(3, stop):
        try:
            train(nlp, stdout=io.StringIO(), stderr=io.StringIO())
        except KeyboardInterrupt:
            assert error is not None
    for owner, attributes in zip((nlp, ner), before, strict=True):
        assert vars(owner).keys() == attributes.keys()
        assert "update" not in vars(owner)


def test_a_method_that_was_wrapped_before_is_so_afterwards(make):
    nlp = make()
    nlp.update = update = nlp.update
    steps = StepWatch(nlp, nlp.get_pipe("ner"))
    assert nlp.update is not update
    steps.close()
    assert nlp.update is update


def test_a_step_without_docs_has_no_speed(make):
    nlp = make()
    steps = StepWatch(nlp, nlp.get_pipe("ner"))
    nlp.get_pipe("ner").finish_update(nlp.create_optimizer())
    row = steps.take()
    steps.close()
    assert (row["docs"], row["docs_per_second"], row["losses"]) == (0, 0.0, {})


def test_it_works_in_a_chain(run, use, tmp_path):
    def chain(config):
        ours = config["training"]["logger"]
        console = {"@loggers": "spacy.ConsoleLogger.v2", "console_output": False}
        console["output_file"] = str(tmp_path / "console.jsonl")
        config["training"]["logger"] = {
            "@loggers": "spacy.ChainLogger.v1",
            "logger1": console,
            "logger2": ours,
        }

    run(None, change=use(chain))
    rows = read(tmp_path / "steps.jsonl")
    assert [row["step"] for row in rows if row["type"] == STEP] == list(range(15))
    theirs = (tmp_path / "console.jsonl").read_text("utf8").splitlines()
    scores = [row["score"] for row in rows if row["type"] == EVALUATION]
    assert scores == [json.loads(line)["score"] for line in theirs]


def test_frozen_components_have_no_loss(run, use, tmp_path):
    run(tmp_path / "first")

    def freeze(config):
        config["nlp"]["pipeline"] = ["ner", "other"]
        source = str(tmp_path / "first" / "model-last")
        config["components"]["other"] = {"source": source, "component": "ner"}
        config["training"]["frozen_components"] = ["other"]

    run(None, change=use(freeze))
    steps = read(tmp_path / "steps.jsonl", STEP)
    assert len(steps) == 15
    assert all(row["losses"].keys() == {"ner"} for row in steps)


def test_a_pipeline_without_a_component_to_watch_is_refused(tmp_path):
    nlp = spacy.blank("zh")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("ner")
    logger = create_metrics_logger(output_file=str(tmp_path / "steps.jsonl"))
    with pytest.raises(ValueError, match="no component learns whose steps can be logged"):
        logger(nlp, io.StringIO(), io.StringIO())
    assert not list(tmp_path.iterdir())


def test_losses_that_nobody_asks_for_are_counted_too(make, corpus):
    nlp = make()
    steps = StepWatch(nlp, nlp.get_pipe("ner"))
    losses = nlp.update(list(Corpus(corpus, limit=3)(nlp)), sgd=False)
    row = steps.take()
    steps.close()
    assert row["losses"] == losses
