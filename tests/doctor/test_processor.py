import pytest

from spacy_bilstm_crf.doctor import processor
from spacy_bilstm_crf.doctor.processor import Threads, check_processor, judge_threads
from spacy_bilstm_crf.model import precision


@pytest.mark.parametrize(
    "threads",
    [
        Threads(used=1, cores=2, busy=3.0, setting="1"),
        Threads(used=2, cores=2, busy=0.4),
        Threads(used=16, cores=16, busy=0.0),
    ],
    ids=["one on a busy machine", "two on a quiet one", "many"],
)
def test_threads_that_are_good(threads):
    finding = judge_threads(threads)
    assert finding.level == "good"
    assert not finding.advice


def test_several_threads_on_a_busy_machine():
    finding = judge_threads(Threads(used=2, cores=2, busy=1.6))
    assert finding.level == "warn"
    assert "OMP_NUM_THREADS not set" in finding.text
    assert "busy (160% in the last minute)" in finding.text
    assert finding.advice.startswith("set OMP_NUM_THREADS=1")


def test_more_threads_than_cores():
    finding = judge_threads(Threads(used=64, cores=4, busy=0.0, setting="64"))
    assert finding.level == "warn"
    assert "torch threads 64, cores 4, OMP_NUM_THREADS 64" in finding.text
    assert finding.advice.startswith("set OMP_NUM_THREADS=4")


@pytest.mark.parametrize(
    ("content", "cores"),
    [("max 100000\n", 8), ("150000 100000\n", 2), ("1000 100000\n", 1), (None, 8)],
)
def test_limit_of_a_container(monkeypatch, tmp_path, content, cores):
    monkeypatch.setattr(processor.os, "cpu_count", lambda: 8)
    monkeypatch.delattr(processor.os, "sched_getaffinity", raising=False)
    path = tmp_path / "cpu.max"
    if content is not None:
        path.write_text(content, "utf8")
    assert processor.count_cores(path) == cores


def test_threads_of_this_process(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    threads = processor.find_threads()
    assert threads.used >= 1
    assert threads.cores >= 1
    assert threads.busy >= 0.0
    assert threads.setting == "7"


@pytest.mark.parametrize(
    ("there", "text"), [(True, "has bfloat16"), (False, "has no bfloat16")]
)
def test_bfloat16(monkeypatch, there, text):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: there)
    finding = list(check_processor())[-1]
    assert finding.level == "info"
    assert text in finding.text
