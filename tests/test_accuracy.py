"""The benchmark of accuracy: benchmarks/accuracy.py and what belongs to it."""

import importlib
import json
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin
from thinc.api import Config, Linear, PyTorchWrapper, chain

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
    assert figures["gold"] == entry["data"]["splits"]["test"]["entities"] == 952
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


def describe(config):
    results = importlib.import_module("accuracy_results")
    return results.describe("demo", "a", Path("a.cfg"), {}, Config(config), {})


@pytest.mark.parametrize("name", ["words.tsv", "vectors/key2row"])
def test_figures_belong_to_the_files_that_a_config_names(name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    key = path.relative_to(tmp_path).parts[0]
    config = {"paths": {"a": str(tmp_path / key), "b": "no/such/file", "c": None}}
    runs = []
    for text in ("old", "new", "new"):
        path.write_text(text, "utf8")
        runs.append(describe(config))
    assert [list(run["files"]) for run in runs] == [["a"]] * 3
    old, new, same = (run["fingerprint"] for run in runs)
    assert old != new == same


def test_files_of_a_folder_have_names(tmp_path):
    results = importlib.import_module("accuracy_results")
    (tmp_path / "a").write_text("x", "utf8")
    before = results.digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert results.digest(tmp_path) != before


@pytest.mark.parametrize(
    "setting", ["training.max_steps=2", "training.optimizer.learn_rate.total_steps=2"]
)
def test_steps_and_learning_rate_are_set_together(setting, tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        run(tmp_path, "--set", setting)
    assert error.value.code == 1
    output = " ".join(capsys.readouterr().out.split())
    assert "training.max_steps is " in output
    assert "--set both alike" in output


@pytest.mark.parametrize(
    "training", [{}, {"max_steps": 2, "optimizer": {"learn_rate": 0.001}}]
)
def test_a_learning_rate_that_does_not_fall_has_no_steps(training):
    script = importlib.import_module("accuracy")
    script.check_steps(Config({"training": training}), {"training.max_steps": 2})


def test_steps_of_a_config_are_its_own_business():
    script = importlib.import_module("accuracy")
    optimizer = {"learn_rate": {"total_steps": 3}}
    config = Config({"training": {"max_steps": 2, "optimizer": optimizer}})
    script.check_steps(config, {"training.patience": 5})


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    """Run a job in this process. Returns the overrides of each training it starts."""
    module = importlib.import_module("accuracy_seed")
    started = []

    def train(config, folder, *, use_gpu, overrides):
        started.append(overrides)
        (folder / "model-last").mkdir(parents=True)

    def run_job(**changes):
        job = {"config": "a.cfg", "overrides": {}, "gpu_id": -1, "scheme": "bio"}
        job |= {"corpus": "corpus", "folder": str(tmp_path), "fingerprint": "old"}
        job |= {"seed": 7, "threads": torch.get_num_threads()}
        module.run({**job, **changes})
        return started

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module.accuracy_score, "score", lambda *args: {})
    return run_job


def test_each_seed_is_trained_with_itself(trainings):
    (overrides,) = trainings(seed=7)
    assert overrides["system.seed"] == 7


def test_the_best_step_is_chosen_by_the_dev_data(trainings):
    (overrides,) = trainings()
    assert overrides["paths.train"] == str(Path("corpus", "train.spacy"))
    assert overrides["paths.dev"] == str(Path("corpus", "dev.spacy"))


def test_a_training_is_done_again_only_with_other_settings(trainings):
    assert len(trainings()) == len(trainings()) == 1
    assert len(trainings(fingerprint="new")) == len(trainings(fingerprint="new")) == 2


def test_what_is_scored_is_checked_with_other_scorers(done, monkeypatch):
    module = importlib.import_module("accuracy_score")
    monkeypatch.setattr(module, "_measure_speed", lambda *args: 1.0)
    monkeypatch.setattr(
        module, "score_entities", lambda gold, guessed: score_entities(gold, gold)
    )
    work = done / "work"
    model = work / "demo" / "bilstm_crf" / "seed-3" / "model-best"
    with pytest.raises(AssertionError, match="spaCy's scorer gives"):
        module.score(model, work / "corpora" / "demo", "bmes")


def test_parameters_of_thinc_and_torch_are_counted_once():
    module = importlib.import_module("accuracy_score")
    model = chain(Linear(3, 2), PyTorchWrapper(torch.nn.Linear(3, 4))).initialize()
    pipes = [SimpleNamespace(model=model), SimpleNamespace(model=model), object()]
    nlp = SimpleNamespace(pipeline=[("name", pipe) for pipe in pipes])
    assert module.count_parameters(nlp) == (2 * 3 + 3) + (3 * 4 + 4)


def test_the_summary_has_all_means_and_says_why_they_differ(done, capsys):
    results = importlib.import_module("accuracy_results")
    entry = read_entry(done)
    for name, mean in (("f", 0.5), ("seconds", 61.7), ("parameters", 1234567)):
        entry["summary"][name]["mean"] = mean
    lines = results.summary_lines(entry).splitlines()
    assert lines[0] == "demo/bilstm_crf: 1 seeds"
    assert lines[1].startswith("entity F1        mean 50.00  sd 0.00  ")
    assert lines[-3:] == [
        "time             mean 62 s",
        "parameters       mean 1,234,567",
        results.WHY_THEY_DIFFER,
    ]


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


@pytest.mark.parametrize(
    ("base", "differences"), [("default", "| +1.23 | -1.00 |"), ("other", "|  |  |")]
)
def test_the_table_compares_with_the_default(base, differences, done, tmp_path):
    table = importlib.import_module("accuracy_table")
    results = importlib.import_module("accuracy_results")
    entries = {}
    for name, f, dev_f in ((base, 0.9, 0.8), ("more", 0.91234, 0.79)):
        figures = {**read_entry(done)["seeds"]["3"], "f": f, "dev_f": dev_f}
        seeds = {"3": figures}
        if name == base:
            # The other entry does not have this one, so it must not count.
            seeds["4"] = {**figures, "f": 0.1}
        summary = results.summarize(list(seeds.values()))
        entry = {**read_entry(done), "name": name, "seeds": seeds, "summary": summary}
        entries[f"demo/{name}"] = entry
    page, path = tmp_path / "results.md", tmp_path / "accuracy.json"
    path.write_text(json.dumps(entries), "utf8")
    page.write_text(f"{table.START}\n{table.END}\n", "utf8")
    table.write(path, page)
    rows = {
        line.split("|")[1].strip(): line
        for line in page.read_text("utf8").splitlines()
        if "|" in line
    }
    assert "| dev F1 | F1 - default | dev F1 - default |" in rows["name"]
    assert f" | 79.00 {differences} " in rows["more"]
    assert " | 80.00 |  |  | " in rows[base]


@pytest.mark.parametrize("name", ["2 steps", "jieba's words"])
def test_the_command_of_any_name_can_be_run(name, done):
    table = importlib.import_module("accuracy_table")
    command = shlex.split(table._command({**read_entry(done), "name": name}))
    assert command[command.index("--name") + 1] == name


def test_the_page_of_results_has_a_place_for_the_table():
    table = importlib.import_module("accuracy_table")
    page = (BENCHMARKS.parent / "docs" / "results.md").read_text("utf8")
    assert page.count(table.START) == page.count(table.END) == 1
    assert importlib.import_module("accuracy_results").WHY_THEY_DIFFER in page


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


def test_a_corpus_that_has_changed_is_converted_again(tmp_path):
    corpora = importlib.import_module("accuracy_corpora")
    (tmp_path / "resume").mkdir()
    paths = [tmp_path / "resume" / f"{name}.char.bmes" for name in corpora.SPLITS]
    data, texts = [], []
    # The counts of the second one are the same.
    for text in ("李 S-PER\n", "王 S-PER\n", "王 S-PER\n在 O\n"):
        for path in paths:
            path.write_text(text, "utf8")
        folder, content = corpora.prepare("resume", tmp_path, tmp_path)
        docs = DocBin().from_disk(folder / "test.spacy").get_docs(NLP.vocab)
        texts.append([doc.text for doc in docs])
        data.append(content)
    assert texts == [["李"], ["王"], ["王在"]]
    assert data[0]["splits"] == data[1]["splits"] != data[2]["splits"]
    assert len({content["digest"] for content in data}) == 3
