"""A real Ray. It takes seconds to start, as do its workers, so there are few of them."""

import os
import sys
import warnings
from concurrent.futures import Future

import pytest

from spacy_bilstm_crf.batch import EntityBatch
from spacy_bilstm_crf.parallel.apply import apply_parallel
from spacy_bilstm_crf.parallel.job import Job
from spacy_bilstm_crf.parallel.ray_engine import RayEngine
from spacy_bilstm_crf.parallel.shards import Output


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason="needs the extra `ray`")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        with warnings.catch_warnings():
            # Of files that it leaves open.
            warnings.simplefilter("ignore")
            ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
            yield ray
            ray.shutdown()


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
def test_a_worker_that_is_killed_loses_nothing(ray, find, write_rows, tmp_path, read_rows):
    marker = tmp_path / "killed"
    texts = [f"{i} and {i}" for i in range(40)]
    texts[25] = f"worker {marker}"
    settings = {"engine": "ray", "shard_rows": 10}
    done = apply_parallel(find, write_rows(texts), tmp_path / "out", **settings)
    assert done == (40, 4, 0, 0, None)
    assert marker.exists()
    rows = read_rows()
    assert [(row["id"], row["text"]) for row in rows] == list(enumerate(texts))
    assert [row["entities"] for row in rows] == find({"text": texts})["entities"]
    assert len(os.listdir(tmp_path / "out" / "rows")) == 4


# Of its own settings.
@pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\..*")
def test_ray_data_gives_the_same_rows_with_the_same_types(ray, find):
    pyarrow = pytest.importorskip("pyarrow")
    texts = [*["none"] * 20, *[f"{i} and {i}" for i in range(20)]]
    table = pyarrow.table({"id": list(range(40)), "text": texts})
    expected = find(table)
    ray.data.DataContext.get_current().enable_progress_bars = False
    parts = [table.slice(start, 10) for start in range(0, 40, 10)]
    found = ray.data.from_arrow(parts).map_batches(
        EntityBatch,
        fn_constructor_args=[find.model],
        fn_constructor_kwargs={"code_path": find.code_path},
        batch_format="pyarrow",
        batch_size=10,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    tables = [ray.get(ref) for ref in found.to_arrow_refs()]
    # Also that of a part without any entities.
    assert len(tables) == 4
    assert all(part.schema == expected.schema for part in tables)
    rows = pyarrow.concat_tables(tables).sort_by("id").to_pylist()
    assert rows == expected.to_pylist()


def test_an_error_of_a_worker_is_the_error_itself(ray, find, tmp_path):
    future = Future()
    cause = OSError("disk full")
    future.set_exception(ray.exceptions.RayTaskError("predict", "Traceback ...", cause))
    engine = RayEngine(Job(find, Output(tmp_path, ".jsonl")), 1)
    with pytest.raises(OSError, match=r"^disk full$"):
        engine.result(future)


def test_too_many_workers_are_an_error(ray, find, tmp_path):
    job = Job(find, Output(tmp_path, ".jsonl"))
    with pytest.raises(ValueError, match=r"--workers 9.*Ray has 2: take fewer"):
        RayEngine(job, 9).__enter__()
    # It was not ours to end.
    assert ray.is_initialized()


@pytest.mark.parametrize("name", ["RayActorError", "OutOfMemoryError"])
def test_a_worker_that_dies_is_known_as_such(ray, find, tmp_path, name):
    future = Future()
    error = getattr(ray.exceptions, name)
    future.set_exception(error() if name == "RayActorError" else error("too much"))
    engine = RayEngine(Job(find, Output(tmp_path, ".jsonl")), 1)
    with pytest.raises(engine.died):
        engine.result(future)


def test_an_error_of_ray_is_one_line(ray, find, tmp_path):
    future = Future()
    future.set_exception(ray.exceptions.RaySystemError("it is\nbroken"))
    engine = RayEngine(Job(find, Output(tmp_path, ".jsonl")), 1)
    with pytest.raises(RuntimeError, match=r"^Ray: .*it is broken"):
        engine.result(future)


class FakeRay:
    """A package `ray` that starts nothing."""

    class exceptions:
        RayError = RayActorError = OutOfMemoryError = Exception
        RayTaskError = NodeDiedError = WorkerCrashedError = Exception

    def __init__(self, cpus):
        self.cpus = cpus
        self.calls = []

    def is_initialized(self):
        return False

    def init(self, *args, **settings):
        self.calls.append((*args, settings.get("num_cpus")))

    def cluster_resources(self):
        return {"CPU": self.cpus}

    def shutdown(self):
        self.calls.append("shutdown")


@pytest.mark.parametrize(
    ("address", "call"), [(None, ("local", 2)), ("10.0.0.1:6379", ("10.0.0.1:6379", None))]
)
def test_a_ray_of_its_own_is_ended(find, tmp_path, monkeypatch, address, call):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address:
        monkeypatch.setenv("RAY_ADDRESS", address)
    fake = FakeRay(2)
    monkeypatch.setitem(sys.modules, "ray", fake)
    job = Job(find, Output(tmp_path, ".jsonl"))
    with RayEngine(job, 2):
        assert fake.calls == [call]
    assert fake.calls == [call, "shutdown"]
    fake.cpus = 1
    with pytest.raises(ValueError, match="Ray has 1: take fewer"):
        RayEngine(job, 2).__enter__()
    assert fake.calls == [call, "shutdown"] * 2


def test_without_ray_an_error_says_how_to_install_it(find, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install .spacy-bilstm-crf\[ray\]"):
        RayEngine(Job(find, Output(tmp_path, ".jsonl")), 1)
