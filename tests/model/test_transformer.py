import sys
from importlib.util import find_spec, module_from_spec

import numpy
import pytest
import spacy
from spacy_transformers.layers import split_trf_batch, trfs2arrays
from spacy_transformers.span_getters import get_doc_spans
from thinc.api import chain, reduce_mean

from spacy_bilstm_crf.model import transformer
from spacy_bilstm_crf.model.transformer import (
    build_tok2vec_transformer,
    build_transformer,
    require_transformers,
)

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"precision": "float8"},
            "precision is 'float8', expected one of float32, float16, bfloat16",
        ),
        ({"overlap": "max"}, "overlap is 'max', expected one of context, mean"),
    ],
)
def test_settings_that_are_not_known(settings, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        build_transformer("", get_doc_spans, **settings)
    with pytest.raises(ValueError, match=f"^{message}$"):
        build_tok2vec_transformer("", get_doc_spans, reduce_mean(), **settings)


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(transformer, "find_spec", lambda name: None)
    message = r'pip install "spacy-bilstm-crf\[transformers\]"$'
    with pytest.raises(ImportError, match=message):
        build_transformer("", get_doc_spans)
    with pytest.raises(ImportError, match=message):
        build_tok2vec_transformer("", get_doc_spans, reduce_mean())
    with pytest.raises(ImportError, match=message):
        require_transformers({"components": {"trf": {"factory": "transformer"}}})
    require_transformers({"components": {"ner": {"factory": "ner"}}})
    require_transformers({})


def test_importing_the_architectures_is_light(monkeypatch):
    heavy = ["spacy_transformers", "transformers", "tokenizers"]
    heavy += [name for name in sys.modules if name.startswith(f"{transformer.__name__}_")]
    assert len(heavy) > 3
    for name in heavy:
        # Whoever imports it has an ImportError.
        monkeypatch.setitem(sys.modules, name, None)
    spec = find_spec(transformer.__name__)
    spec.loader.exec_module(module_from_spec(spec))


def test_a_transformer_in_the_place_of_a_listener(bert):
    nlp = spacy.blank("zh")
    docs = [nlp.make_doc(text) for text in ("我们2017", "", "张伟")]
    model = build_transformer(str(bert), get_doc_spans)
    pooled = chain(chain(model, split_trf_batch()), trfs2arrays(reduce_mean(), 1.0))
    pooled.initialize()
    expected = pooled.predict(docs)
    gradients = []
    for factor in (1.0, 0.25):
        alone = build_tok2vec_transformer(
            str(bert),
            get_doc_spans,
            reduce_mean(),
            transformer_config=NO_DROPOUT,
            grad_factor=factor,
        )
        alone.initialize()
        for ones, others in zip(alone.predict(docs), expected, strict=True):
            numpy.testing.assert_allclose(ones, others, atol=1e-6)
        shim = next(shim for node in alone.walk() for shim in node.shims)
        vectors, backprop = alone.begin_update(docs)
        generator = numpy.random.default_rng(0)
        backprop([generator.normal(size=rows.shape).astype("f") for rows in vectors])
        gradients.append(shim._model.embeddings.LayerNorm.weight.grad.numpy())
    assert abs(gradients[0]).max() > 0.1
    numpy.testing.assert_allclose(gradients[0] * 0.25, gradients[1], rtol=1e-4, atol=1e-6)
