import io
import os
import random
from contextlib import contextmanager

import numpy
import pytest
import spacy
import srsly
from safetensors.numpy import load_file
from spacy.language import Language
from spacy.training.loop import train as spacy_train
from thinc.api import Model, fix_random_seed

from spacy_bilstm_crf.component import BiLSTMCRF
from spacy_bilstm_crf.losses import LossError
from spacy_bilstm_crf.model.shim import BiLSTMCRFShim
from spacy_bilstm_crf.training.checkpoint import CheckpointError, find_checkpoint
from spacy_bilstm_crf.training.loop import train

ARRAYS = ("weights", "mom1", "mom2", "averages")
TOK2VEC = {
    "factory": "tok2vec",
    "model": {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": 8,
            "rows": [50, 50],
            "attrs": ["NORM", "SHAPE"],
            "include_static_vectors": False,
        },
        "encode": {
            "@architectures": "spacy.MaxoutWindowEncoder.v2",
            "width": 8,
            "depth": 1,
            "window_size": 1,
            "maxout_pieces": 2,
        },
    },
}


class Killed(BaseException):
    """Stands for a process that ends here. That a real one does not clean up is tested
    elsewhere."""


@contextmanager
def killed_in_update(number):
    """Die in the so manieth update of this process."""
    update, count = Language.update, 0

    def update_or_die(*args, **kwargs):
        nonlocal count
        count += 1
        if count == number:
            raise Killed
        return update(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Language, "update", update_or_die)
        with pytest.raises(Killed):
            yield


def use_shared_tok2vec(config):
    """Another component's weights, thinc's dropout, and two components that learn."""
    config["nlp"]["pipeline"] = ["tok2vec", "ner", "other"]
    config["components"]["tok2vec"] = TOK2VEC
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "*"}
    config["components"]["ner"]["model"]["tok2vec"] = listener
    config["components"]["other"] = {"factory": "ner"}
    config["training"]["dropout"] = 0.2


def use_lexicon(config):
    config["components"]["ner"]["model"]["tok2vec"] = {
        "@architectures": "spacy-bilstm-crf.LexiconEmbed.v1",
        "width": 4,
        "dropout": 0.3,
    }


def use_no_averages(config):
    config["training"]["optimizer"] = {
        "@optimizers": "SGD.v1",
        "learn_rate": 0.001,
        "use_averages": False,
    }


def use_growing_batches(config):
    config["training"]["batcher"] = {
        "@batchers": "spacy.batch_by_words.v1",
        "discard_oversize": False,
        "tolerance": 0.2,
        "size": {
            "@schedules": "compounding.v1",
            "start": 100,
            "stop": 400,
            "compound": 1.2,
        },
    }


def read_arrays(output):
    return {
        f"{kind}/{name}": array
        for kind in ARRAYS
        for name, array in load_file(output / "checkpoint" / f"{kind}.safetensors").items()
    }


def assert_same_training(one, other):
    """Compare the weights, all that the optimizer knows, and the saved pipelines."""
    arrays = read_arrays(one)
    others = read_arrays(other)
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        numpy.testing.assert_array_equal(array, others[name], err_msg=name)
    for name in ("model-best", "model-last"):
        loaded = spacy.load(one / name), spacy.load(other / name)
        for pipe_name in loaded[0].pipe_names:
            models = [getattr(nlp.get_pipe(pipe_name), "model", None) for nlp in loaded]
            if isinstance(models[0], Model):
                assert models[0].to_bytes() == models[1].to_bytes(), f"{name} {pipe_name}"
        assert loaded[0].meta["performance"] == loaded[1].meta["performance"]
    states = [srsly.read_json(path / "checkpoint" / "state.json") for path in (one, other)]
    for state in states:
        state["progress"].pop("seconds")
    assert states[0] == states[1]


def test_training_is_what_spacy_does(run, make, tmp_path):
    _, shown = run(tmp_path / "ours")
    spacys = io.StringIO()
    (tmp_path / "spacys").mkdir()
    spacy_train(make(), tmp_path / "spacys", stdout=spacys, stderr=io.StringIO())
    assert shown == spacys.getvalue().replace("spacys", "ours")
    for name in ("model-best", "model-last"):
        ours, theirs = (spacy.load(tmp_path / who / name) for who in ("ours", "spacys"))
        assert ours.get_pipe("ner").to_bytes() == theirs.get_pipe("ner").to_bytes()
        assert ours.meta == theirs.meta
    assert sorted(os.listdir(tmp_path / "ours")) == [
        "checkpoint",
        "model-best",
        "model-last",
    ]


def test_the_same_seed_gives_the_same_weights(run, tmp_path):
    for name, seed in (("one", 5), ("other", 5), ("third", 6)):
        run(tmp_path / name, {"system.seed": seed})
    assert_same_training(tmp_path / "one", tmp_path / "other")
    one, third = (read_arrays(tmp_path / name) for name in ("one", "third"))
    assert any(not numpy.array_equal(one[name], third[name]) for name in one)


@pytest.mark.parametrize(
    ("settings", "change", "updates"),
    [
        ({}, None, [3, 6, 5]),
        ({"training.seed": None}, None, [7]),
        ({"training.accumulate_gradient": 2}, None, [18]),
        ({"training.optimizer.@optimizers": "RAdam.v1"}, None, [7]),
        ({"training.max_epochs": -1}, None, [7]),
        ({"training.max_epochs": 2, "training.max_steps": 0}, None, [7]),
        ({"training.patience": 6, "training.max_steps": 0}, None, [7]),
        ({}, use_shared_tok2vec, [7]),
        ({}, use_lexicon, [7]),
        ({}, use_no_averages, [7]),
        ({}, use_growing_batches, [7]),
    ],
)
def test_resuming_gives_what_an_uninterrupted_training_does(
    run, tmp_path, settings, change, updates
):
    # Where the config has no seed.
    fix_random_seed(0)
    run(tmp_path / "whole", settings, change=change)
    fix_random_seed(0)
    checkpoint = None
    for seed, number in enumerate(updates, 1):
        with killed_in_update(number):
            run(tmp_path / "parts", settings, change=change, checkpoint=checkpoint)
        checkpoint = find_checkpoint(tmp_path / "parts", resume=True)
        fix_random_seed(seed)
    assert 0 < checkpoint.progress.step < 14
    run(tmp_path / "parts", settings, change=change, checkpoint=checkpoint)
    assert_same_training(tmp_path / "whole", tmp_path / "parts")


def test_shuffles_are_the_same_whatever_else_draws_random_numbers(
    run, tmp_path, monkeypatch
):
    update = Language.update

    def draw(*args, **kwargs):
        random.random()
        return update(*args, **kwargs)

    monkeypatch.setattr(Language, "update", draw)
    run(tmp_path / "whole")
    with killed_in_update(14):
        run(tmp_path / "parts")
    checkpoint = find_checkpoint(tmp_path / "parts", resume=True)
    # The batches of the second epoch are those of a shuffle after some draws.
    assert len(checkpoint.progress.epoch_starts) > 1
    run(tmp_path / "parts", checkpoint=checkpoint)
    assert_same_training(tmp_path / "whole", tmp_path / "parts")


def test_weights_without_a_gradient_are_updated_as_without_an_interruption(
    run, tmp_path, monkeypatch
):
    # Such as those of a batch without tokens: the optimizer still has its momentum.
    update, count, empty = Language.update, 0, 0

    def skip_one(*args, **kwargs):
        nonlocal count
        count += 1
        return None if count == empty else update(*args, **kwargs)

    monkeypatch.setattr(Language, "update", skip_one)
    empty = 6
    run(tmp_path / "whole")
    count = 0
    with killed_in_update(6):
        run(tmp_path / "parts")
    checkpoint = find_checkpoint(tmp_path / "parts", resume=True)
    count, empty = 0, 1
    run(tmp_path / "parts", checkpoint=checkpoint)
    assert_same_training(tmp_path / "whole", tmp_path / "parts")


def test_what_is_shown_goes_on_where_it_stopped(run, tmp_path):
    _, whole = run(tmp_path / "whole")
    with killed_in_update(7):
        run(tmp_path / "parts")
    checkpoint = find_checkpoint(tmp_path / "parts", resume=True)
    _, shown = run(tmp_path / "parts", checkpoint=checkpoint)
    rows = [line for line in whole.splitlines() if line.startswith("  ")]
    assert [row.split()[1] for row in rows] == ["0", "4", "8", "12"]
    assert [line for line in shown.splitlines() if line.startswith("  ")] == rows[2:]


def test_a_finished_training_has_nothing_left_to_do(run, tmp_path):
    run(tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    checkpoint = find_checkpoint(tmp_path / "out", resume=True)
    _, shown = run(tmp_path / "out", checkpoint=checkpoint)
    assert "Nothing left to do after step 14" in shown
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_a_finished_training_goes_on_with_more_steps(run, tmp_path):
    longer = {"training.max_steps": 17}
    run(tmp_path / "whole", longer)
    run(tmp_path / "parts")
    checkpoint = find_checkpoint(tmp_path / "parts", resume=True)
    run(tmp_path / "parts", longer, checkpoint=checkpoint)
    # The first part has saved its config.
    assert_same_training(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("name", ["", "new/out"])
def test_a_config_may_name_the_output_folder(run, tmp_path, name):
    output = tmp_path / "new" / "out"
    settings = {"paths.root": str(tmp_path / name)}
    with killed_in_update(7):
        run(output, settings)
    run(output, settings, checkpoint=find_checkpoint(output, resume=True))
    assert find_checkpoint(output, resume=True).progress.finished


def test_another_config_is_refused_and_nothing_is_touched(run, tmp_path):
    with killed_in_update(7):
        run(tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    checkpoint = find_checkpoint(tmp_path / "out", resume=True)
    with pytest.raises(CheckpointError, match=r"training.dropout was 0.0 and is 0.1"):
        run(tmp_path / "out", {"training.dropout": 0.1}, checkpoint=checkpoint)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_a_new_training_drops_the_checkpoint_of_an_earlier_one(run, tmp_path):
    run(tmp_path / "out")
    with killed_in_update(1):
        run(tmp_path / "out", {"training.dropout": 0.1})
    assert find_checkpoint(tmp_path / "out", resume=True) is None
    # Its pipelines stay until there are others.
    assert sorted(os.listdir(tmp_path / "out")) == ["model-best", "model-last"]


def test_control_c_saves_the_pipeline_and_keeps_the_checkpoint(make, tmp_path, monkeypatch):
    nlp, update, shown = make(), Language.update, io.StringIO()

    def update_or_stop(*args, **kwargs):
        update(*args, **kwargs)
        if nlp.meta.get("performance") and len(shown.getvalue().splitlines()) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(Language, "update", update_or_stop)
    with pytest.raises(KeyboardInterrupt):
        train(nlp, tmp_path, stdout=shown, stderr=io.StringIO())
    assert "Stopped in step 5 by KeyboardInterrupt()" in shown.getvalue()
    spacy.load(tmp_path / "model-last")
    assert find_checkpoint(tmp_path, resume=True).progress.step == 4


def test_a_loss_that_is_no_number_stops_the_training_and_keeps_the_last_model(
    run, tmp_path, monkeypatch
):
    get_loss, count = BiLSTMCRF.get_loss, 0

    def lose(self, examples, scores):
        nonlocal count
        count += 1
        if count == 7:
            scores[1] = numpy.nan
        return get_loss(self, examples, scores)

    monkeypatch.setattr(BiLSTMCRF, "get_loss", lose)
    with pytest.raises(LossError, match=r"^step 6: the loss of 'ner' is nan on a batch"):
        run(tmp_path)
    assert find_checkpoint(tmp_path, resume=True).progress.step == 4
    monkeypatch.undo()
    run(tmp_path / "good", {"training.max_steps": 4})
    for name in ("model-last", "model-best"):
        saved = spacy.load(tmp_path / name).get_pipe("ner").to_bytes()
        assert saved == spacy.load(tmp_path / "good" / name).get_pipe("ner").to_bytes()


def test_a_loss_of_another_component_that_is_no_number_stops_the_training(
    run, tmp_path, monkeypatch
):
    update, count = Language.update, 0

    def lose(*args, losses, **kwargs):
        nonlocal count
        count += 1
        update(*args, losses=losses, **kwargs)
        if count == 7:
            losses["other"] *= numpy.nan

    monkeypatch.setattr(Language, "update", lose)
    with pytest.raises(LossError, match=r"^step 6: the loss of 'other' is nan: lower"):
        run(tmp_path, change=use_shared_tok2vec)
    assert find_checkpoint(tmp_path, resume=True).progress.step == 4


def test_weights_that_are_no_numbers_do_not_replace_good_ones(run, tmp_path, monkeypatch):
    finish_update, count = BiLSTMCRFShim.finish_update, 0

    def spoil(self, optimizer):
        nonlocal count
        count += 1
        finish_update(self, optimizer)
        if count == 9:
            self.network.scorer.bias.data[2] = numpy.inf

    monkeypatch.setattr(BiLSTMCRFShim, "finish_update", spoil)
    with pytest.raises(LossError, match=r"^step 8: the weights ner/0/bilstm_crf/0/scorer"):
        run(tmp_path)
    assert find_checkpoint(tmp_path, resume=True).progress.step == 4
    spacy.load(tmp_path / "model-last")("张伟在北京")


def test_an_error_in_the_first_step_leaves_earlier_pipelines(run, tmp_path):
    run(tmp_path, {"training.max_steps": 2})
    before = (tmp_path / "model-last" / "ner" / "model").read_bytes()
    with killed_in_update(1):
        run(tmp_path)
    assert (tmp_path / "model-last" / "ner" / "model").read_bytes() == before


def test_lack_of_memory_in_any_component_says_what_to_do(run, tmp_path, monkeypatch):
    def update(*args, **kwargs):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB\nGPU 0 has ...")

    monkeypatch.setattr(Language, "update", update)
    with pytest.raises(MemoryError, match=r"^step 0: CUDA out of .*: make batches smaller"):
        run(tmp_path)


def test_without_an_output_folder_nothing_is_written(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, shown = run(None)
    assert not os.listdir(tmp_path)
    assert "Saved" not in shown


def test_frozen_components_are_not_in_the_checkpoint(run, tmp_path):
    run(tmp_path / "first")

    def freeze(config):
        config["nlp"]["pipeline"] = ["ner", "other"]
        source = str(tmp_path / "first" / "model-last")
        config["components"]["other"] = {"source": source, "component": "ner"}
        config["training"]["frozen_components"] = ["other"]

    run(tmp_path / "second", change=freeze)
    names = read_arrays(tmp_path / "second")
    assert any(name.startswith("weights/ner/") for name in names)
    assert not any("/other/" in name for name in names)
