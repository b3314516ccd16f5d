from spacy_bilstm_crf.doctor import examine as module
from spacy_bilstm_crf.doctor.examine import examine, run
from spacy_bilstm_crf.doctor.finding import Finding

GOOD = Finding("good", "fine")


def test_check_that_breaks_tells_what_it_found_before():
    def check():
        yield GOOD
        raise KeyError("odd")

    found = list(run(check))
    assert found[0] == GOOD
    assert found[1].level == "fail"
    assert "did not come to its end, KeyError: 'odd'" in found[1].text


def test_checks_go_on_after_one_that_breaks(monkeypatch):
    def broken(*args):
        raise RuntimeError("odd")

    names = [name for name in vars(module) if name.startswith("check_")]
    assert len(names) == 8
    for name in names:
        monkeypatch.setattr(module, name, broken)
    findings = examine("some", gpu_id=0)
    assert list(findings) == [
        *("Packages", "Extras", "Processor", "GPU", "Component", "Pipeline some"),
    ]
    assert len(findings["Packages"]) == 3
    assert {f.level for found in findings.values() for f in found} == {"fail"}


def test_no_pipeline_is_looked_at_unless_one_is_given(monkeypatch):
    for name in [name for name in vars(module) if name.startswith("check_")]:
        monkeypatch.setattr(module, name, lambda *args: iter([GOOD]))
    assert len(examine()) == 5
