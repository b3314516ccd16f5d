import pickle
import re
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm_crf import batch
from spacy_bilstm_crf.batch import EntityBatch

PIPELINE = Path(__file__).parent / "fixtures" / "saved_model" / "pipeline"
TEXTS = ["安澜，男，汉族，中国国籍。", "", "王", "现任星河公司总经理。"]
FAILS = """
from spacy.language import Language

@Language.component("fails_at_x")
def fail(doc):
    if "x" in doc.text:
        raise RuntimeError("an\\nx")
    return doc
"""


@pytest.fixture(scope="module")
def find():
    return EntityBatch(PIPELINE)


@pytest.fixture
def save(tmp_path):
    """Save a pipeline of the component with another one before it. RETURNS (Path): Its
    folder."""

    def save_pipeline(factory, patterns=()):
        nlp = spacy.load(PIPELINE)
        component = nlp.add_pipe(factory, before="ner")
        if patterns:
            component.add_patterns(patterns)
        nlp.to_disk(tmp_path / "model")
        return tmp_path / "model"

    return save_pipeline


def list_rows(nlp, text):
    """What the pipeline itself says, which keeps the confidence in `doc.spans`."""
    doc = nlp(text)
    pairs = zip(doc.spans["sc"], doc.spans["sc"].attrs["scores"].tolist(), strict=True)
    return [(s.start_char, s.end_char, s.label_, score) for s, score in pairs]


def without_scores(rows):
    return [(row["start"], row["end"], row["label"]) for row in rows]


PARTS = ["安澜", "，男", "汉族", "现任", "星河公司", "总经理", "。", " ", "😀", "x7"]


@settings(max_examples=20)
@given(st.lists(st.lists(st.sampled_from(PARTS), max_size=5).map("".join), max_size=7))
def test_entities_and_scores_are_those_of_the_pipeline(find, texts):
    find.batch_size = 3
    entities, errors = find.find(texts)
    assert errors == [None] * len(texts)
    for text, rows in zip(texts, entities, strict=True):
        expected = list_rows(find.nlp, text)
        assert without_scores(rows) == [row[:3] for row in expected]
        scores = [row["score"] for row in rows]
        assert scores == pytest.approx([row[3] for row in expected], abs=1e-5)


def test_scores_can_be_left_out(find):
    without = EntityBatch(PIPELINE, scores=False)
    entities = without({"text": TEXTS})["entities"]
    assert entities[0]
    for rows, others in zip(entities, find({"text": TEXTS})["entities"], strict=True):
        assert rows == [{**row, "score": None} for row in others]


def test_entities_of_other_components_have_no_score(save):
    path = save("entity_ruler", [{"label": "NAME", "pattern": "星 河"}])
    [rows] = EntityBatch(path)({"text": ["安澜在星河"]})["entities"]
    assert {"start": 3, "end": 5, "label": "NAME", "score": None} in rows
    assert any(row["score"] for row in rows)


def test_all_columns_stay_and_new_ones_are_named_as_asked():
    find = EntityBatch(PIPELINE, "t", entities_column="e", error_column="why")
    found = find({"id": range(4), "t": TEXTS, "text": [0, 1, 2, 3]})
    assert list(found) == ["id", "t", "text", "e", "why"]
    assert list(found["id"]) == found["text"] == [0, 1, 2, 3]
    assert found["t"] == TEXTS
    assert found["why"] == [None] * 4


def test_a_table_and_a_frame_give_the_rows_of_a_dict(find):
    pyarrow = pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    columns = {"text": [*TEXTS, None], "id": list(range(5))}
    expected = find(columns)
    assert expected["error"] == [None] * 4 + ["not a text: None"]
    assert find(pyarrow.table(columns)).to_pydict() == expected
    # Where something is missing, some versions have None and some have NaN.
    columns["text"][4] = float("nan")
    [frame] = find.map_frames([pandas.DataFrame(columns)])
    assert frame["entities"].tolist() == expected["entities"]
    assert frame["error"].tolist() == expected["error"]
    assert frame["id"].tolist() == columns["id"]


def test_a_table_without_entities_has_the_types_of_others(find):
    pyarrow = pytest.importorskip("pyarrow")
    batches = (TEXTS, ["x"], [None, "x"], [])
    some, *others = [pyarrow.table({"text": pyarrow.array(b, "string")}) for b in batches]
    schema = find(some).schema
    assert [find(other).schema for other in others] == [schema] * 3
    entity = schema.field("entities").type.value_type
    assert [field.name for field in entity] == ["start", "end", "label", "score"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "not a text: None"),
        (3, "not a text: 3"),
        (b"ab", "not a text: b'ab'"),
        ("\ud83d", "ValueError: character 0 of the text is a lone surrogate"),
        ("a" * 1_000_001, r"ValueError: \[E088\]"),
    ],
)
def test_what_is_no_text_has_a_reason_and_the_others_go_on(find, text, reason):
    found = find({"text": [TEXTS[0], text, TEXTS[3]]})
    assert found["entities"][1] is None
    assert re.match(reason, found["error"][1])
    # The last digits may depend on the others of a batch, and nothing else.
    [first], [last] = (find({"text": [TEXTS[i]]})["entities"] for i in (0, 3))
    assert list(map(without_scores, found["entities"][::2])) == [
        without_scores(rows) for rows in (first, last)
    ]
    assert found["error"][::2] == [None, None]


def test_a_text_that_fails_in_the_pipeline_is_lost_alone(tmp_path):
    code_path = tmp_path / "code.py"
    code_path.write_text(FAILS, "utf8")
    nlp = spacy.load(PIPELINE)
    nlp.to_disk(tmp_path / "model")
    config = spacy.util.load_config(tmp_path / "model" / "config.cfg")
    config["nlp"]["pipeline"] = ["fail", *config["nlp"]["pipeline"]]
    config["components"]["fail"] = {"factory": "fails_at_x"}
    config.to_disk(tmp_path / "model" / "config.cfg")
    find = EntityBatch(tmp_path / "model", code_path=code_path)
    found = find({"text": ["a", "x", TEXTS[0], "b", "xx"]})
    assert found["error"] == [None, "RuntimeError: an x", None, None, "RuntimeError: an x"]
    assert found["entities"][2]


def test_it_can_be_pickled_before_and_after_use():
    find = EntityBatch(PIPELINE)
    fresh = pickle.dumps(find)
    expected = find({"text": TEXTS})
    # The pipeline has more than 100,000 bytes.
    assert len(fresh) < 1000
    assert pickle.dumps(find) == fresh
    assert pickle.loads(fresh)({"text": TEXTS}) == expected


def test_a_process_loads_a_pipeline_once_and_anew_when_it_was_saved_again(
    save, monkeypatch
):
    path = save("entity_ruler", [{"label": "NEW", "pattern": "q"}])
    loaded = []
    load = spacy.load
    monkeypatch.setattr(spacy, "load", lambda name: loaded.append(name) or load(name))
    find = EntityBatch(path)
    for _ in range(2):
        again = pickle.loads(pickle.dumps(find))
        assert again({"text": ["q"]})["entities"][0][0]["label"] == "NEW"
        again({"text": TEXTS})
    assert loaded == [str(path.resolve())]
    nlp = load(path)
    nlp.get_pipe("entity_ruler").clear()
    nlp.to_disk(path)
    later = EntityBatch(path)
    assert "NEW" not in str(later({"text": ["q"]}))
    # Engines such as datasets tell by this whether they have a result already.
    assert pickle.dumps(later) != pickle.dumps(find)


def test_a_stream_of_new_characters_takes_no_memory(find):
    find({"text": TEXTS})
    before = len(find.nlp.vocab.strings)
    find({"text": [chr(0x20000 + i) for i in range(500)]})
    assert len(find.nlp.vocab.strings) == before


def test_a_pipeline_that_was_never_initialized_is_an_error(tmp_path):
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf")
    nlp.to_disk(tmp_path)
    with pytest.raises(ValueError, match=r"E109"):
        EntityBatch(tmp_path)({"text": TEXTS})


def test_a_broken_config_is_an_error_that_other_processes_can_read(tmp_path):
    nlp = spacy.load(PIPELINE)
    nlp.to_disk(tmp_path)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    config["components"]["ner"]["model"]["hidden_width"] = "wide"
    config.to_disk(tmp_path / "config.cfg")
    with pytest.raises(ValueError, match=r"cannot be loaded: .*hidden_width") as caught:
        EntityBatch(tmp_path)({"text": TEXTS})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(PIPELINE.parent)
    find = EntityBatch(PIPELINE.name)
    monkeypatch.chdir(tmp_path)
    batch._load.cache_clear()
    assert find({"text": TEXTS})["entities"][0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"txt": []}, "no column 'text' among 'txt': say where the texts are"),
        ({"text": [], "entities": []}, "a column 'entities' already.*entities_column"),
        ({"text": [], "error": []}, "a column 'error' already.*error_column"),
    ],
)
def test_columns_that_are_missing_or_in_the_way_are_errors(find, columns, message):
    with pytest.raises(ValueError, match=message):
        find(columns)


def test_what_has_no_columns_is_an_error(find):
    with pytest.raises(ValueError, match="a batch of type list: expected columns"):
        find(TEXTS)


def test_two_columns_of_one_name_are_an_error():
    with pytest.raises(ValueError, match="'text', 'entities' and 'text'"):
        EntityBatch(PIPELINE, error_column="text")
