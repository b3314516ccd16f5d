"""The benchmark of accuracy: benchmarks/accuracy.py and what belongs to it."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Config

from spacy_bilstm_crf.corpus.schemes import get_scheme
from spacy_bilstm_crf.evaluation.metrics import Counts, score_entities, tag_docs

NLP = spacy.blank("zh")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SETTINGS = (
    *("--first-seed", "3", "--set", "components.ner.model.depth=0"),
    *("training.max_steps=2", "training.optimizer.learn_rate.total_steps=2"),
    "training.optimizer.learn_rate.warmup_steps=1",
)
# Place and length of entities of two labels in a text of twelve characters.
LAYOUT = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(["PER", "LOC"])),
    max_size=6,
)


@pytest.fixture(scope="module", autouse=True)
def importable():
    with pytest.MonkeyPatch.context() as patch:
        # The scripts import each other by name, as Python finds them when one is run.
        patch.syspath_prepend(BENCHMARKS)
        yield


def run(work, *args):
    """Run the script. Trainings are in processes of their own all the same."""
    paths = ["--work", work / "work", "--json", work / "accuracy.json"]
    command = ["accuracy.py", "--corpus", "demo", "--seeds", "1", *paths, *args]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(arg) for arg in command])
        importlib.import_module("accuracy").main()


def read_entry(work):
    return json.loads((work / "accuracy.json").read_text("utf8"))["demo/bilstm_crf"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of a run that is done."""
    work = tmp_path_factory.mktemp("accuracy")
    run(work, *SETTINGS)
    return work


def make_docs(layouts):
    docs = []
    for layout in layouts:
        doc = NLP.make_doc("一二三四五六七八九十百千")
        ents, end = [], 0
        for gap, length, label in layout:
            start, end = end + gap, end + gap + length
            ents += [doc.char_span(start, end, label)] if end <= len(doc) else []
        doc.set_ents(ents, default="outside")
        docs.append(doc)
    return docs


def test_a_config_is_trained_and_scored(done):
    entry = read_entry(done)
    figures = entry["seeds"]["3"]
    assert entry["summary"]["f"]["mean"] == figures["f"]
    assert entry["overrides"]["training.max_steps"] == 2
    assert figures["gold"] == entry["data"]["test"]["entities"] == 952
    assert 0 < figures["token_accuracy"] < 1
    assert figures["parameters"] > 100_000


def test_a_seed_that_is_done_is_not_trained_again(done, capsys):
    before = (done / "accuracy.json").read_bytes()
    run(done, *SETTINGS)
    output = capsys.readouterr().out
    assert "seed 3: F " in output
    assert "(done before)" in output
    assert (done / "accuracy.json").read_bytes() == before


def test_a_model_can_be_scored_again(done):
    before = read_entry(done)["seeds"]["3"]
    run(done, *SETTINGS, "--rescore")
    again = read_entry(done)["seeds"]["3"]
    # The time of the training is the same to the last digit: there was no other.
    names = ("seconds", "dev_f", "f", "token_accuracy", "weighted_tag_f1")
    assert {name: again[name] for name in names} == {name: before[name] for name in names}
    assert again["chars_per_second"] != before["chars_per_second"]


def test_other_settings_need_another_name(done, capsys):
    with pytest.raises(SystemExit) as error:
        run(done, *SETTINGS, "training.eval_frequency=3")
    assert error.value.code == 1
    assert "other settings" in " ".join(capsys.readouterr().out.split())


def test_figures_belong_to_settings_and_data():
    results = importlib.import_module("accuracy_results")
    configs = [Config({"training": {"max_steps": steps}}) for steps in (1, 2)]
    fingerprints = {
        results.describe("demo", "a", Path("a.cfg"), {}, config, {"tokens": n})[
            "fingerprint"
        ]
        for config in configs
        for n in (3, 4)
    }
    assert len(fingerprints) == 4


def test_a_training_that_fails_says_where_its_log_is(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        run(tmp_path, "--set", "components.ner.model.depth=-1")
    assert error.value.code == 1
    output = capsys.readouterr().out
    assert "Seed 0 failed: " in output
    assert "log.txt" in output


@pytest.mark.parametrize("setting", ["max_steps=2", "training.max_steps"])
def test_a_setting_needs_a_section_and_a_value(setting, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "--set", setting)
    assert f"{setting}: write SECTION.KEY=VALUE" in capsys.readouterr().err


def test_a_corpus_that_is_missing_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        run(tmp_path, "--corpus", "resume", "--data", tmp_path)
    assert error.value.code == 1
    assert "train.char.bmes" in "".join(capsys.readouterr().out.split())


def test_the_table_replaces_the_one_before(done, tmp_path):
    table = importlib.import_module("accuracy_table")
    page = tmp_path / "results.md"
    page.write_text(f"Before\n{table.START}\nold\n{table.END}\nafter\n", "utf8")
    for _ in range(2):
        run(done, "--table", "--docs", page)
    text = page.read_text("utf8")
    assert text.startswith(f"Before\n{table.START}\n")
    assert text.endswith(f"{table.END}\nafter\n")
    assert "old" not in text
    assert text.count("| bilstm_crf | 1 | **") == 1
    assert "--first-seed 3 --set components.ner.model.depth=0 " in text


def test_the_page_of_results_has_a_place_for_the_table():
    table = importlib.import_module("accuracy_table")
    page = (BENCHMARKS.parent / "docs" / "results.md").read_text("utf8")
    assert page.count(table.START) == page.count(table.END) == 1


def test_the_standard_deviation_is_that_of_a_sample():
    results = importlib.import_module("accuracy_results")
    seeds = [dict.fromkeys(results.FIGURES, value) for value in (0.90, 0.92, 0.94)]
    assert results.summarize(seeds)["f"] == pytest.approx(
        {"mean": 0.92, "std": 0.02, "min": 0.90, "max": 0.94}
    )


@given(st.lists(st.tuples(LAYOUT, LAYOUT), min_size=1, max_size=3))
def test_all_scorers_count_the_same(layouts):
    oracles = importlib.import_module("accuracy_oracles")
    gold, guessed = (make_docs(side) for side in zip(*layouts, strict=True))
    oracles.check(score_entities(gold, guessed), gold, guessed)


def test_shares_other_than_those_of_spacy_are_an_error():
    oracles = importlib.import_module("accuracy_oracles")
    gold, guessed = make_docs([[(0, 2, "PER")]]), make_docs([[(0, 3, "PER")]])
    with pytest.raises(AssertionError, match=r"spaCy's scorer gives 0.0 as ents_p"):
        oracles.check(score_entities(gold, gold), gold, guessed)


def test_counts_other_than_those_of_seqeval_are_an_error():
    oracles = importlib.import_module("accuracy_oracles")
    docs = make_docs([[(0, 2, "PER")]])
    # The shares are the same, so spaCy's scorer has nothing to say.
    scores = score_entities(*[make_docs([[(0, 2, "LOC")]])] * 2)
    with pytest.raises(AssertionError, match=r"seqeval.* of LOC: .*correct=0"):
        oracles.check(scores, docs, docs)


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_conlleval_tells_neighbours_apart(scheme):
    oracles = importlib.import_module("accuracy_oracles")
    gold = make_docs([[(0, 2, "PER"), (0, 2, "PER"), (1, 1, "LOC")]])
    guessed = make_docs([[(0, 2, "PER"), (0, 3, "PER"), (0, 1, "LOC")]])
    tags = (tag_docs(docs, get_scheme(scheme)) for docs in (gold, guessed))
    assert oracles.count_by_conlleval(*tags) == {
        "PER": Counts(correct=1, guessed=2, gold=2),
        "LOC": Counts(correct=1, guessed=1, gold=1),
    }


def test_documents_of_ruijin_are_split_by_their_names():
    corpora = importlib.import_module("accuracy_corpora")
    mapping = json.loads(corpora.RUIJIN_SPLIT.read_text("utf8"))
    assert mapping == {stem: corpora.split_name(stem) for stem in mapping}
    splits = list(mapping.values())
    assert [splits.count(name) for name in corpora.SPLITS] == [295, 38, 30]


def test_all_documents_of_ruijin_are_in_a_split(corpora):
    module = importlib.import_module("accuracy_corpora")
    stems = {path.stem for path in (corpora / "ruijin").glob("*.ann")}
    assert stems == json.loads(module.RUIJIN_SPLIT.read_text("utf8")).keys()


def test_what_is_held_out_is_not_trained_on(corpora, tmp_path):
    module = importlib.import_module("accuracy_corpora")
    sources = module.find_zxuu_heldout(corpora, tmp_path)
    parts = [set(path.read_text("utf8").splitlines()) for (path,) in sources.values()]
    assert [len(part) for part in parts] == [756, 90, 94]
    assert len(set.union(*parts)) == 940


def test_a_corpus_is_converted_once(tmp_path):
    corpora = importlib.import_module("accuracy_corpora")
    folder, counts = corpora.prepare("demo", tmp_path, tmp_path)
    written = (folder / "train.spacy").stat().st_mtime_ns
    assert corpora.prepare("demo", tmp_path, tmp_path) == (folder, counts)
    assert (folder / "train.spacy").stat().st_mtime_ns == written
