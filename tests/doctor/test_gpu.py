import pytest

from spacy_bilstm_crf.doctor import gpu
from spacy_bilstm_crf.doctor.gpu import Gpus, check_gpu, find_gpus, judge_gpus

CUDA = Gpus(built_for="12.8", torch_sees=["H100", "H100"], driver=True)


def test_cuda_and_cupy():
    finding = judge_gpus(CUDA._replace(cupy="13.6.0", cupy_sees=True))
    assert finding.level == "good"
    assert finding.text == "torch (CUDA 12.8) and CuPy 13.6.0 see H100, H100"


@pytest.mark.parametrize(
    ("cuda", "command"),
    [
        ("12.8", 'python -m pip install "spacy-bilstm-crf[cuda12x]"'),
        ("11.8", "python -m pip install cupy-cuda11x"),
    ],
)
def test_cuda_without_cupy(cuda, command):
    finding = judge_gpus(CUDA._replace(built_for=cuda))
    assert finding.level == "warn"
    assert "CuPy is not there" in finding.text
    assert finding.advice == command


def test_cupy_for_another_cuda():
    finding = judge_gpus(CUDA._replace(cupy="13.6.0"))
    assert finding.level == "warn"
    assert "CuPy 13.6.0 does not" in finding.text
    assert "cuda12x" in finding.advice


@pytest.mark.parametrize(
    ("built_for", "text"), [(None, "CPUs only"), ("12.8", "CUDA 12.8")]
)
def test_cupy_without_torch(built_for, text):
    finding = judge_gpus(Gpus(built_for, cupy="13.6.0", cupy_sees=True, driver=True))
    assert finding.level == "warn"
    assert f"torch (built for {text}) does not" in finding.text


def test_driver_without_torch():
    finding = judge_gpus(Gpus(driver=True))
    assert finding.level == "warn"
    assert "torch (built for CPUs only) sees no GPU" in finding.text
    assert "pytorch.org" in finding.advice


def test_gpus_that_are_hidden():
    finding = judge_gpus(Gpus("12.8", driver=True, hidden_by=""))
    assert finding.level == "warn"
    assert "CUDA_VISIBLE_DEVICES is ''" in finding.text


def test_gpu_of_amd():
    finding = judge_gpus(Gpus(torch_sees=["Instinct"]))
    assert finding.level == "info"
    assert "pipelines run on the CPU" in finding.text


def test_gpu_of_a_mac():
    finding = judge_gpus(Gpus(mps=True))
    assert finding.level == "info"
    assert "MPS" in finding.text
    assert "nobody has tested" in finding.advice


def test_no_gpu():
    for gpus in (Gpus(), Gpus("12.8", cupy="13.6.0"), Gpus(hidden_by="")):
        assert judge_gpus(gpus) == ("good", "no GPU, pipelines run on the CPU", "")


def test_gpus_of_this_machine():
    gpus = find_gpus()
    assert isinstance(gpus, Gpus)
    assert judge_gpus(gpus).text


def test_gpu_that_is_asked_for_and_cannot_be_used_is_a_problem(monkeypatch):
    def fail(gpu_id):
        raise ValueError("Cannot use GPU, CuPy is not installed")

    monkeypatch.setattr(gpu, "require_gpu", fail)
    monkeypatch.setattr(gpu, "find_gpus", lambda: CUDA)
    seen, used = check_gpu(1)
    assert seen.level == "warn"
    assert used.level == "fail"
    assert "--gpu-id 1 cannot be used: ValueError: Cannot use GPU" in used.text


def test_gpu_that_is_asked_for_is_taken(monkeypatch):
    taken = []
    monkeypatch.setattr(gpu, "require_gpu", taken.append)
    assert [finding.text for finding in check_gpu(2)][-1] == "what follows runs on GPU 2"
    assert taken == [2]


def test_no_gpu_is_taken_unless_it_is_asked_for(monkeypatch):
    monkeypatch.delattr(gpu, "require_gpu")
    assert len(list(check_gpu(-1))) == 1
