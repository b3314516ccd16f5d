from spacy_bilstm_crf.component import BiLSTMCRF
from spacy_bilstm_crf.doctor.component import check_component


def test_component_works():
    assert [finding.level for finding in check_component()] == ["good"]


def test_component_that_comes_back_otherwise(monkeypatch):
    tag_marginals = BiLSTMCRF.tag_marginals
    answers = iter((1.0, 2.0))

    def unlike(self, docs):
        factor = next(answers)
        return [factor * scores for scores in tag_marginals(self, docs)]

    monkeypatch.setattr(BiLSTMCRF, "tag_marginals", unlike)
    [finding] = check_component()
    assert finding.level == "fail"
    assert "when it comes back" in finding.text
