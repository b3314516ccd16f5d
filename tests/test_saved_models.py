"""Saved components: old ones load, damaged ones are clear errors that change nothing."""

import gc
import json
import pickle
import random
import re
import shutil
from pathlib import Path

import numpy
import pytest
import spacy
import srsly
import torch
from spacy.training import Example
from thinc.api import fix_random_seed, require_cpu, require_gpu
from thinc.util import has_cupy_gpu

from spacy_bilstm_crf import loading
from spacy_bilstm_crf.saved import CHECKSUMS

SAVED = Path(__file__).parent / "fixtures" / "saved_model"
NGRAMS = {
    "@architectures": "spacy-bilstm-crf.NgramEmbed.v1",
    "width": 8,
    "dropout": [0.0, 0.0],
    "singleton_dropout": 0.0,
}
LEXICON = {"@architectures": "spacy-bilstm-crf.LexiconEmbed.v1", "width": 4, "min_freq": 1}
BOTH = {"@layers": "concatenate.v1", "*": {"ngrams": NGRAMS, "lexicon": LEXICON}}
MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 12,
    "depth": 1,
    "dropout": 0.1,
    "tok2vec": BOTH,
}
TRAIN = [
    ("张伟在北京工作", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("李娜住在上海", [(0, 2, "PER"), (4, 6, "LOC")]),
    ("今天天气很好", []),
    ("他去了南京大学读书", [(3, 7, "ORG")]),
]
TEXT = "张伟在北京，李娜在南京大学。"


def make_nlp(**model):
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    config = {"model": {**MODEL, **model}, "spans_key": "sc"}
    nlp.add_pipe("bilstm_crf", name="ner", config=config)
    return nlp


def train(nlp, steps=30, data=TRAIN):
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in data
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    return nlp


def read(nlp, text=TEXT):
    doc = nlp(text)
    scores = doc.spans["sc"].attrs["scores"].tolist()
    return [(e.start, e.end, e.label_) for e in doc.ents], scores


def state_of(ner):
    """All that loading could change."""
    nodes = [
        (n.name, [(d, n.maybe_get_dim(d)) for d in n.dim_names]) for n in ner.model.walk()
    ]
    return ner.to_bytes(exclude=["vocab"]), nodes, ner.model.shims[0].id


@pytest.fixture(scope="module")
def trained():
    return train(make_nlp())


@pytest.fixture
def folder(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    return tmp_path / "model" / "ner"


# What an older spaCy says of a pipeline that a newer one has saved.
@pytest.mark.filterwarnings(r"ignore:\[W09[45]\]")
@pytest.mark.parametrize("with_checksums", [True, False])
def test_a_model_of_an_older_version_finds_the_same(tmp_path, with_checksums):
    shutil.copytree(SAVED / "pipeline", tmp_path / "model")
    if not with_checksums:
        (tmp_path / "model" / "ner" / CHECKSUMS).unlink()
    nlp = spacy.load(tmp_path / "model")
    rows = list(srsly.read_jsonl(SAVED / "expected.jsonl"))
    assert sum(len(row["ents"]) for row in rows) > 40
    for row in rows:
        doc = nlp(row["text"])
        found = [[ent.start_char, ent.end_char, ent.label_] for ent in doc.ents]
        assert found == [ent[:3] for ent in row["ents"]]
        scores = doc.spans["sc"].attrs["scores"]
        numpy.testing.assert_allclose(scores, [e[3] for e in row["ents"]], atol=1e-3)


@pytest.mark.filterwarnings(r"ignore:\[W09[45]\]")
def test_a_model_of_an_older_version_is_saved_as_it_was(tmp_path):
    spacy.load(SAVED / "pipeline").to_disk(tmp_path)
    for name in ("cfg", "model", CHECKSUMS):
        saved = (SAVED / "pipeline" / "ner" / name).read_bytes()
        assert (tmp_path / "ner" / name).read_bytes() == saved


def test_nothing_is_pickled_or_unpickled(folder, trained, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("pickle")

    for module, name in [(pickle, "loads"), (pickle, "load"), (torch, "load")]:
        monkeypatch.setattr(module, name, refuse)
    for module, name in [(pickle, "dumps"), (pickle, "dump"), (torch, "save")]:
        monkeypatch.setattr(module, name, refuse)
    trained.to_disk(folder.parent)
    assert read(spacy.load(folder.parent)) == read(trained)
    assert read(make_nlp().from_bytes(trained.to_bytes())) == read(trained)


@pytest.mark.parametrize("name", ["cfg", "model", CHECKSUMS])
def test_a_changed_byte_is_one_clear_error_and_changes_nothing(folder, trained, name):
    ner = trained.get_pipe("ner")
    before, expected = state_of(ner), read(trained)
    sound = (folder / name).read_bytes()
    rng = random.Random(0)
    places = {0, 1, len(sound) - 1, *rng.choices(range(len(sound)), k=40)}
    for place in sorted(places):
        broken = bytearray(sound)
        broken[place] ^= 1 << rng.randrange(8)
        (folder / name).write_bytes(broken)
        with pytest.raises(ValueError, match=re.escape(str(folder))) as caught:
            ner.from_disk(folder, exclude=["vocab"])
        assert "\n" not in str(caught.value)
    assert state_of(ner) == before
    assert read(trained) == expected


@pytest.mark.parametrize("name", ["cfg", "model", CHECKSUMS])
def test_a_truncated_file_is_one_clear_error_and_changes_nothing(folder, trained, name):
    ner = trained.get_pipe("ner")
    before = state_of(ner)
    sound = (folder / name).read_bytes()
    for length in (0, 1, len(sound) // 2, len(sound) - 1):
        (folder / name).write_bytes(sound[:length])
        with pytest.raises(ValueError, match=f"'ner', .*{name}"):
            ner.from_disk(folder, exclude=["vocab"])
    assert state_of(ner) == before


@pytest.mark.parametrize("name", ["cfg", "model"])
def test_a_missing_file_is_one_clear_error_and_changes_nothing(folder, trained, name):
    before = state_of(trained.get_pipe("ner"))
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"'ner' needs .*{name}: copy the whole"):
        trained.get_pipe("ner").from_disk(folder, exclude=["vocab"])
    assert state_of(trained.get_pipe("ner")) == before


def test_bytes_that_are_damaged_are_one_clear_error_and_change_nothing(trained):
    ner = trained.get_pipe("ner")
    before = state_of(ner)
    sound = ner.to_bytes(exclude=["vocab"])
    rng = random.Random(0)
    broken = [b"", b"\x00", sound[:-1], srsly.msgpack_dumps([1]), pickle.dumps(print)]
    for place in rng.choices(range(len(sound)), k=40):
        broken.append(sound[:place] + bytes([sound[place] ^ 4]) + sound[place + 1 :])
    errors = 0
    for data in broken:
        try:
            ner.from_bytes(data, exclude=["vocab"])
        except ValueError as error:
            errors += "component 'ner'" in str(error) and "\n" not in str(error)
        assert state_of(ner) == before
    # The name of a part that is never looked for may have changed.
    assert errors >= len(broken) - 1


def test_files_without_checksums_that_do_not_fit_are_clear_errors(folder, trained):
    (folder / CHECKSUMS).unlink()
    ner = trained.get_pipe("ner")
    before = state_of(ner)
    cfg = json.loads((folder / "cfg").read_bytes())
    wrong = [
        ({**cfg, "labels": ["PER"]}, "were not saved together: 1 labels make 5 tags"),
        ({**cfg, "labels": ["LOC", "LOC", "PER"]}, "labels are"),
        ({**cfg, "labels": "LOC"}, "labels are"),
        ({**cfg, "labels": [1, 2, 3]}, "labels are"),
        ({**cfg, "temperature": 0}, "temperature is 0"),
        ({**cfg, "temperature": "1"}, "TypeError"),
        ({**cfg, "dictionary": [["北京", "GPE", 0.5, False]]}, "its dictionary is damaged"),
        ({**cfg, "dictionary": [["北京"]]}, "not enough values"),
        ([], "AttributeError"),
    ]
    for content, message in wrong:
        srsly.write_json(folder / "cfg", content)
        with pytest.raises(ValueError, match=message) as caught:
            ner.from_disk(folder, exclude=["vocab"])
        assert f"{folder}/cfg" in str(caught.value)
    assert state_of(ner) == before


def change_model(folder, change):
    message = srsly.msgpack_loads((folder / "model").read_bytes())
    change(message)
    (folder / "model").write_bytes(srsly.msgpack_dumps(message))


def find(message, name):
    (index,) = [i for i, node in enumerate(message["nodes"]) if node["name"] == name]
    return index


def lose_a_vector(message):
    params = message["params"][find(message, "ngram_embed")]
    params["E"] = params["E"][:-1]


def unsort_keys(message):
    attrs = message["attrs"][find(message, "ngram_embed")]
    keys = srsly.msgpack_loads(attrs["keys"])
    attrs["keys"] = srsly.msgpack_dumps([keys[0][::-1].copy(), keys[1]])


def lose_an_order(message):
    attrs = message["attrs"][find(message, "ngram_embed")]
    attrs["keys"] = srsly.msgpack_dumps(srsly.msgpack_loads(attrs["keys"])[:1])


def lose_a_word(message):
    attrs = message["attrs"][find(message, "lexicon_embed")]
    fields = srsly.msgpack_loads(attrs["lexicon"])
    attrs["lexicon"] = srsly.msgpack_dumps({**fields, "words": fields["words"][:-1]})


def add_types(message):
    attrs = message["attrs"][find(message, "lexicon_embed")]
    fields = srsly.msgpack_loads(attrs["lexicon"])
    attrs["lexicon"] = srsly.msgpack_dumps({**fields, "types": fields["types"] + 7})


def make_nan(message):
    params = message["params"][find(message, "lexicon_embed")]
    params["E"] = numpy.full_like(params["E"], numpy.nan)


def lose_a_layer(message):
    for column in message.values():
        column.pop()


def add_a_layer(message):
    message["attrs"].append({})


def change_tags(message):
    message["nodes"][0]["dims"]["nO"] = 17


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lose_a_vector, "the vectors of NgramEmbed are not those of its n-grams"),
        (unsort_keys, "the vectors of NgramEmbed are not those of its n-grams"),
        (lose_an_order, "the vectors of NgramEmbed are not those of its n-grams"),
        (lose_a_word, "the words of LexiconEmbed and what is known of them do not fit"),
        (add_types, "the vectors of LexiconEmbed are not those of its words"),
        (make_nan, "the weights E of lexicon_embed are no numbers"),
        (lose_a_layer, "mismatched structure"),
        (add_a_layer, "does not tell the same number of layers"),
        (change_tags, "the number of tags is another than that of its weights"),
        (dict.clear, "KeyError"),
    ],
)
def test_layers_without_checksums_that_do_not_fit_are_clear_errors(
    folder, trained, change, message
):
    (folder / CHECKSUMS).unlink()
    ner = trained.get_pipe("ner")
    before = state_of(ner)
    change_model(folder, change)
    with pytest.raises(ValueError, match=message) as caught:
        ner.from_disk(folder, exclude=["vocab"])
    assert f"{folder}/model is damaged, or of another" in str(caught.value)
    assert state_of(ner) == before


def test_a_model_of_another_component_is_one_clear_error_and_changes_nothing(
    folder, trained, tmp_path
):
    other = spacy.blank("zh")
    other.add_pipe("ner").add_label("X")
    other.initialize()
    other.to_disk(tmp_path / "other")
    before = state_of(trained.get_pipe("ner"))
    with pytest.raises(ValueError, match="is damaged, or of another component or config"):
        trained.get_pipe("ner").from_disk(tmp_path / "other" / "ner", exclude=["vocab"])
    with pytest.raises(ValueError, match="was trained with hidden_width = 12"):
        make_nlp(hidden_width=8).from_bytes(trained.to_bytes())
    assert state_of(trained.get_pipe("ner")) == before


def test_a_pipeline_that_is_damaged_leaves_the_component_as_it_was(folder):
    nlp = train(make_nlp(), data=TRAIN[:2], steps=1)
    before = state_of(nlp.get_pipe("ner"))
    sound = (folder / "model").read_bytes()
    (folder / "model").write_bytes(sound[:-1])
    with pytest.raises(ValueError, match="model has changed since it was saved"):
        nlp.from_disk(folder.parent)
    assert state_of(nlp.get_pipe("ner")) == before
    (folder / "model").write_bytes(sound)
    nlp.from_disk(folder.parent)
    assert nlp.get_pipe("ner").labels == ("LOC", "ORG", "PER")


def test_a_vocabulary_that_is_damaged_leaves_the_rest_as_it_was(trained, tmp_path):
    trained.get_pipe("ner").to_disk(tmp_path)
    (tmp_path / "vocab" / "strings.json").write_text("no JSON", "utf8")
    ner = train(make_nlp(), data=TRAIN[:2], steps=1).get_pipe("ner")
    before = state_of(ner)
    with pytest.raises(ValueError, match=r"[Ee]xpected"):
        ner.from_disk(tmp_path)
    assert state_of(ner) == before


def test_garbage_is_still_collected_after_a_failure(trained):
    with pytest.raises(ValueError, match="component 'ner'"):
        trained.get_pipe("ner").from_bytes(b"\xc1")
    assert gc.isenabled()


@pytest.mark.parametrize("name", ["json_loads", "msgpack_loads"])
def test_a_lack_of_memory_is_no_damage_and_changes_nothing(trained, monkeypatch, name):
    ner = trained.get_pipe("ner")
    before, parts = state_of(ner), srsly.msgpack_loads(ner.to_bytes(exclude=["vocab"]))

    def fail(*args, **kwargs):
        raise MemoryError("no room")

    monkeypatch.setattr(loading.srsly, name, fail)
    with pytest.raises(MemoryError, match="no room"):
        loading.load("component 'ner', ", parts, ner.cfg, ner.model)
    monkeypatch.undo()
    assert state_of(ner) == before


def test_a_changed_file_loads_without_its_checksum(folder, trained):
    cfg = srsly.read_json(folder / "cfg")
    srsly.write_json(folder / "cfg", {**cfg, "temperature": 2.0})
    with pytest.raises(ValueError, match="changed on purpose, remove the checksums"):
        spacy.load(folder.parent)
    (folder / CHECKSUMS).unlink()
    assert spacy.load(folder.parent).get_pipe("ner").cfg["temperature"] == 2.0


def test_saving_is_byte_stable(folder, trained):
    loaded = spacy.load(folder.parent)
    copied = make_nlp().from_bytes(trained.to_bytes())
    expected = trained.get_pipe("ner").to_bytes(exclude=["vocab"])
    for nlp in (loaded, copied):
        assert nlp.get_pipe("ner").to_bytes(exclude=["vocab"]) == expected
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    loaded.to_disk(folder.parent)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_parts_can_be_left_out(trained, tmp_path):
    ner = trained.get_pipe("ner")
    ner.to_disk(tmp_path / "cfg only", exclude=["vocab", "model"])
    assert {file.name for file in (tmp_path / "cfg only").iterdir()} == {"cfg", CHECKSUMS}
    other = train(make_nlp(), steps=1).get_pipe("ner")
    ner.cfg["temperature"] = 3.0
    other.from_bytes(ner.to_bytes(exclude=["model"]), exclude=["vocab"])
    ner.cfg["temperature"] = 1.0
    assert other.cfg["temperature"] == 3.0
    other.from_bytes(ner.to_bytes(), exclude=["vocab", "cfg"])
    assert other.model.to_bytes() == ner.model.to_bytes()
    assert other.cfg["temperature"] == 3.0


def test_labels_that_come_after_a_config_with_a_number_of_tags(tmp_path):
    nlp = train(make_nlp(nO=13))
    nlp.get_pipe("ner").add_label("GPE")
    expected = read(nlp)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("ner").labels == ("GPE", "LOC", "ORG", "PER")
    assert read(loaded) == expected
    # And the other way: a component that has more labels than what it loads.
    nlp.from_bytes(train(make_nlp(nO=13)).to_bytes())
    assert nlp.get_pipe("ner").labels == ("LOC", "ORG", "PER")


def test_loading_before_initialization_into_a_trained_component(trained):
    nlp = train(make_nlp(), steps=1)
    nlp.from_bytes(make_nlp().to_bytes())
    with pytest.raises(ValueError, match="E109"):
        nlp("张伟")
    nlp.from_bytes(trained.to_bytes())
    assert read(nlp) == read(trained)


def test_training_goes_on_with_the_optimizer_after_a_load(trained):
    nlp = train(make_nlp())
    optimizer = nlp.create_optimizer()
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in TRAIN
    ]
    nlp.update(examples, sgd=optimizer)
    shim = nlp.get_pipe("ner").model.shims[0]
    before = shim.id
    nlp.from_bytes(trained.to_bytes())
    assert nlp.get_pipe("ner").model.shims[0] is shim
    assert shim.id == before
    nlp.update(examples, sgd=optimizer)
    assert read(nlp) != read(trained)


@pytest.mark.skipif(not has_cupy_gpu, reason="no GPU")
def test_a_gpu_loads_what_a_cpu_saved_and_back(trained, tmp_path):
    expected, scores = read(trained)
    trained.to_disk(tmp_path / "cpu")
    try:
        require_gpu()
        nlp = spacy.load(tmp_path / "cpu")
        found = read(nlp)
        nlp.to_disk(tmp_path / "gpu")
    finally:
        require_cpu()
    again = read(spacy.load(tmp_path / "gpu"))
    for ents, other_scores in (found, again):
        assert ents == expected
        numpy.testing.assert_allclose(other_scores, scores, atol=1e-3)
    on_cpu, on_gpu = ((tmp_path / d / "ner" / "model").read_bytes() for d in ("cpu", "gpu"))
    assert on_cpu == on_gpu
