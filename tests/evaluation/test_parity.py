"""Real predictions are counted as others count them: spaCy, seqeval, nervaluate, and the
algorithm of conlleval.pl. They are those of small pipelines without a CRF, after little
training on a slice of each corpus, so that there is much to get wrong."""

import runpy
from itertools import islice
from pathlib import Path
from typing import List, NamedTuple

import pytest
import spacy
from seqeval.metrics import classification_report
from seqeval.metrics.sequence_labeling import get_entities
from spacy.scorer import get_ner_prf
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from thinc.api import fix_random_seed

from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.corpus.schemes import get_scheme, spans_to_tags, tags_to_spans
from spacy_bilstm_crf.evaluation.matches import count_matches
from spacy_bilstm_crf.evaluation.metrics import Counts, count_named
from spacy_bilstm_crf.evaluation.outcomes import Outcome, predict_outcomes
from spacy_bilstm_crf.evaluation.strict import score_strictly
from spacy_bilstm_crf.tags import tag_names

ROOT = Path(__file__).parents[2]
ORACLES = runpy.run_path(str(ROOT / "benchmarks" / "accuracy_oracles.py"))
TRAINED_ON, TESTED_ON, ROUNDS = 250, 120, 4
MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 24,
    "depth": 1,
    "decoder": "softmax",
    "tok2vec": {"@architectures": "spacy-bilstm-crf.NgramEmbed.v1", "width": 16},
}
BIOES, BIO = get_scheme("bioes"), get_scheme("bio")


class Predicted(NamedTuple):
    nlp: spacy.Language
    examples: List[Example]
    outcomes: List[Outcome]


def read_slice(path, number):
    sentences = path.read_text(encoding="utf8").split("\n\n")
    return "\n\n".join(islice(sentences, number)) + "\n"


@pytest.fixture(scope="module", params=["resume", "chinese_ner", "english"])
def predicted(request, samples, tmp_path_factory):
    if request.param == "english":
        sources, rounds = [samples / "english.bio"] * 2, 20
    else:
        folder = request.getfixturevalue("corpora") / request.param
        names = {
            "resume": ("train.char.bmes", "test.char.bmes"),
            "chinese_ner": ("dev.txt", "test.txt"),
        }
        sources, rounds = [folder / name for name in names[request.param]], ROUNDS
    folder = tmp_path_factory.mktemp(request.param)
    nlp = spacy.blank("en" if request.param == "english" else "zh")
    parts = []
    for name, source, number in zip(
        ("train", "test"), sources, (TRAINED_ON, TESTED_ON), strict=True
    ):
        text = folder / f"{name}{source.suffix}"
        text.write_text(read_slice(source, number), encoding="utf8")
        convert([text], folder / f"{name}.spacy", nlp)
        parts.append(list(Corpus(folder / f"{name}.spacy")(nlp)))
    train, test = parts
    fix_random_seed(0)
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    optimizer = nlp.initialize(lambda: train)
    optimizer.learn_rate = 0.01
    for _ in range(rounds):
        for start in range(0, len(train), 10):
            nlp.update(train[start : start + 10], sgd=optimizer)
    return Predicted(nlp, test, list(predict_outcomes(nlp, test)))
