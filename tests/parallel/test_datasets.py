import pytest

TEXTS = [*["none"] * 20, *[f"{i} and {i}" for i in range(19)], None]


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="needs the extra `datasets`")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    datasets.disable_progress_bars()
    names = datasets.ClassLabel(names=["a", "b"])
    features = datasets.Features({"text": datasets.Value("string"), "kind": names})
    columns = {"text": TEXTS, "kind": [0, 1] * 20}
    return datasets.Dataset.from_dict(columns, features)


def test_datasets_gives_the_same_rows_with_the_same_types(dataset, find):
    expected = find({"text": TEXTS})
    found = dataset.with_format("arrow").map(find, batched=True, batch_size=10)
    assert found.features["kind"] == dataset.features["kind"]
    found = found.with_format(None)
    assert found["kind"][:] == dataset["kind"][:]
    assert found["entities"][:] == expected["entities"]
    assert found["error"][:] == expected["error"]


def test_plain_batches_give_the_same_rows(dataset, find):
    found = dataset.map(find, batched=True, batch_size=40)
    assert found["entities"][:] == find({"text": TEXTS})["entities"]
