import zlib

import pytest
import spacy
from spacy.tokens import DocBin, Span

from spacy_bilstm_crf.corpus import docbin as module
from spacy_bilstm_crf.corpus.docbin import new_docbin, write_docbin
from spacy_bilstm_crf.corpus.sentence import CorpusError

ZH = spacy.blank("zh")


def make(text):
    doc = ZH.make_doc(text)
    doc.set_ents([Span(doc, 0, 1, "X")] if text else [], default="outside")
    doc.spans["sc"] = [Span(doc, 0, 2, "Y")] if len(doc) > 1 else []
    return doc


@pytest.mark.parametrize("texts", [[], [""], ["中国 a", "", "人"], ["中" * 900] * 20])
@pytest.mark.parametrize("attrs", [["ENT_IOB", "ENT_TYPE"], ["TAG"]])
def test_file_is_what_spacy_writes(tmp_path, texts, attrs):
    docs = DocBin(attrs=attrs, docs=map(make, texts))
    write_docbin(docs, tmp_path / "x.spacy")
    found = zlib.decompress((tmp_path / "x.spacy").read_bytes())
    assert found == zlib.decompress(docs.to_bytes())


def test_entities_and_spans_are_kept_and_nothing_else_is_claimed(tmp_path):
    docs = new_docbin()
    docs.add(make("中国"))
    write_docbin(docs, tmp_path / "x.spacy")
    [doc] = DocBin().from_disk(tmp_path / "x.spacy").get_docs(ZH.vocab)
    assert [ent.label_ for ent in doc.ents] == ["X"]
    assert [span.label_ for span in doc.spans["sc"]] == ["Y"]
    assert doc.has_annotation("ENT_IOB")
    assert not doc.has_annotation("DEP")


def test_more_than_a_file_can_hold_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 40)
    docs = DocBin(attrs=["TAG"], docs=[make("中国人")])
    with pytest.raises(CorpusError, match="--max-docs"):
        write_docbin(docs, tmp_path / "x.spacy")
