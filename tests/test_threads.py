"""Several threads use one pipeline."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
import spacy

PIPELINE = Path(__file__).parent / "fixtures" / "saved_model" / "pipeline"
PARTS = ["安澜", "，男", "汉族", "现任", "星河公司", "总经理", "。", " ", "😀", "x7"]
NUM_TEXTS = 5_000


@pytest.fixture(scope="module")
def nlp():
    return spacy.load(PIPELINE)


def read(doc):
    ents = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    return ents, doc.spans["sc"].attrs["scores"]


# With threads of torch within each of the eight, this takes minutes on a busy machine.
def test_eight_threads_find_what_one_finds_while_the_pipeline_is_saved(nlp, one_thread):
    rng = random.Random(0)
    texts = ["".join(rng.choices(PARTS, k=rng.randint(0, 6))) for _ in range(NUM_TEXTS)]
    expected = [read(nlp(text)) for text in texts]
    assert sum(len(ents) for ents, _ in expected) > 4_000
    over = threading.Event()
    saved = set()

    def save():
        while not over.wait(0.01):
            nlp.to_bytes()
            saved.add(nlp.get_pipe("ner").to_bytes(exclude=["vocab"]))

    with ThreadPoolExecutor(9) as pool:
        saving = pool.submit(save)
        found = list(pool.map(lambda text: read(nlp(text)), texts))
        over.set()
        saving.result()
    for (ents, scores), (others, other_scores) in zip(found, expected, strict=True):
        assert ents == others
        numpy.testing.assert_allclose(scores, other_scores, atol=1e-4)
    assert len(saved) == 1
