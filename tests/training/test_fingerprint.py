import json

import pytest
from thinc.api import Config

from spacy_bilstm_crf.training.fingerprint import list_differences, take_fingerprint

CONFIG = """
[paths]
train = "train.spacy"

[nlp]
lang = "zh"
pipeline = ["ner"]

[components]

[components.ner]
factory = "bilstm_crf"

[components.ner.model]
dropout = 0.5
words = "lists/words.tsv"

[corpora]

[corpora.train]
path = ${paths.train}
limit = 0

[training]
max_steps = 10
seed = 0

[training.logger]
progress_bar = false

[initialize]
vectors = null

[initialize.components]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "words.tsv").write_text("北京\tLOC\n", "utf8")
    (tmp_path / "train.spacy").write_text("data", "utf8")
    return tmp_path


def take(output=None, **changes):
    config = Config().from_str(
        CONFIG, overrides={k.replace("__", "."): v for k, v in changes.items()}
    )
    # As it is on disk.
    return json.loads(json.dumps(take_fingerprint(config, output)))


def test_the_same_training_has_no_differences(folder):
    assert list_differences(take(), take()) == []


def test_settings_that_differ_are_named(folder):
    changed = take(components__ner__model__dropout=0.4, training__seed=None, nlp__lang="en")
    assert list_differences(take(), changed) == [
        "components.ner.model.dropout was 0.5 and is 0.4",
        'nlp.lang was "zh" and is "en"',
        "training.seed was 0 and is null",
    ]


def test_settings_that_come_or_go_are_named():
    assert list_differences({"a": "1"}, {"b": "2"}) == [
        "a was 1 and is not set",
        "b was not set and is 2",
    ]


def test_values_are_shown_in_brief():
    (line,) = list_differences({"a": "x" * 1000}, {"a": "1"})
    assert len(line) < 80


def test_how_long_it_goes_on_and_what_is_shown_is_free(folder):
    changed = take(training__max_steps=20, training__logger={"@loggers": "other"})
    assert list_differences(take(), changed) == []


def test_data_may_be_moved_but_not_changed(folder):
    before = take()
    (folder / "elsewhere").mkdir()
    (folder / "train.spacy").rename(folder / "elsewhere" / "train.spacy")
    assert list_differences(before, take(paths__train="elsewhere/train.spacy")) == []
    (folder / "elsewhere" / "train.spacy").write_text("Data", "utf8")
    assert list_differences(before, take(paths__train="elsewhere/train.spacy")) == [
        "the content of corpora.train.path has changed",
        "the content of paths.train has changed",
    ]


def test_files_of_a_component_count(folder):
    before = take()
    (folder / "lists" / "words.tsv").write_text("上海\tLOC\n", "utf8")
    assert list_differences(before, take()) == [
        "the content of components.ner.model.words has changed"
    ]


def test_data_that_are_gone_are_named(folder):
    before = take()
    (folder / "lists" / "words.tsv").unlink()
    assert list_differences(before, take()) == [
        'components.ner.model.words was a file or folder and is "lists/words.tsv"'
    ]


def test_folders_count_with_all_that_is_in_them(folder):
    data = folder / "data"
    (data / "inner").mkdir(parents=True)
    found = []

    def put(name, content):
        (data / name).write_text(content, "utf8")
        found.append(take(paths__train="data")["paths.train"])

    put("inner/one", "ab")
    put("inner/one", "ac")
    put("two", "")
    (data / "two").unlink()
    put("inner/two", "")
    assert len(set(found)) == 4
    (data / "inner" / "two").unlink()
    (data / "inner" / "one").write_text("ab", "utf8")
    assert take(paths__train="data")["paths.train"] == found[0]


@pytest.mark.parametrize("named", [".", "out", "runs/../out", "link"])
def test_the_output_folder_and_those_above_it_do_not_count(folder, named):
    output = folder / "out" / "first"
    output.mkdir(parents=True)
    (folder / "link").symlink_to(folder / "out")
    (folder / "runs").mkdir()
    before = take(output, paths__root=named)
    (output / "model").write_text("trained", "utf8")
    assert list_differences(before, take(output, paths__root=named)) == []
    (folder / "train.spacy").write_text("other", "utf8")
    assert len(list_differences(before, take(output, paths__root=named))) == 2


def test_a_folder_beside_the_output_folder_counts(folder):
    output, data = folder / "data-out", folder / "data"
    output.mkdir()
    data.mkdir()
    before = take(output, paths__root="data")
    (data / "words").write_text("new", "utf8")
    assert list_differences(before, take(output, paths__root="data")) == [
        "the content of paths.root has changed"
    ]


def test_a_folder_does_not_make_a_path_of_a_name(folder):
    before = take()
    for name in ("zh", "bilstm_crf"):
        (folder / name).mkdir()
    assert take() == before
