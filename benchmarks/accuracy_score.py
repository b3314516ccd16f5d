"""Score a trained pipeline, and make sure that others would count the same."""

from pathlib import Path
from typing import Any, Dict, List

import accuracy_oracles
import spacy
import srsly
import timing
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from spacy_bilstm_crf.corpus.schemes import get_scheme
from spacy_bilstm_crf.evaluation.metrics import (
    count_overlaps,
    score_entities,
    score_tags,
    tag_docs,
)


def score(model: Path, corpus: Path, scheme: str) -> Dict[str, Any]:
    """Score a pipeline on the test data.

    model (Path): The pipeline.
    corpus (Path): Folder of test.spacy.
    scheme (str): The tags that token accuracy and F1 per tag are about.
    RETURNS (Dict[str, Any]): All figures.
    RAISES (AssertionError): If scorers do not agree.
    """
    nlp = spacy.load(model)
    gold = list(DocBin().from_disk(corpus / "test.spacy").get_docs(nlp.vocab))
    texts = [doc.text for doc in gold]
    guessed = list(nlp.pipe(texts))
    entities = score_entities(gold, guessed)
    accuracy_oracles.check(entities, gold, guessed)
    tags = score_tags(*(tag_docs(docs, get_scheme(scheme)) for docs in (gold, guessed)))
    total = entities.total
    return {
        "f": total.f1,
        "p": total.precision,
        "r": total.recall,
        **vars(total),
        "per_label": {
            label: {"f": c.f1, "p": c.precision, "r": c.recall, "gold": c.gold}
            for label, c in entities.per_label.items()
        },
        "overlap_f": count_overlaps(gold, guessed).f1,
        "dev_f": srsly.read_json(model / "meta.json")["performance"]["ents_f"] or 0.0,
        "token_accuracy": tags.accuracy,
        "weighted_tag_f1": tags.weighted_f1,
        "chars_per_second": _measure_speed(nlp, texts),
        "parameters": count_parameters(nlp),
    }


def _measure_speed(nlp: Language, texts: List[str]) -> float:
    """Characters that `nlp.pipe` takes in a second, in the fastest of several rounds: what
    else the machine does can only slow a round down."""

    def predict() -> List[Doc]:
        return list(nlp.pipe(texts))

    runs = timing.interleave({"predict": predict}, seconds=1.0, min_rounds=3)
    return sum(map(len, texts)) / min(runs["predict"])


def count_parameters(nlp: Language) -> int:
    """Count the numbers that training sets.

    nlp (Language): The pipeline.
    RETURNS (int): Those of all components, torch's included.
    """
    layers = {
        layer.id: layer
        for _, pipe in nlp.pipeline
        if hasattr(pipe, "model")
        for layer in pipe.model.walk()
    }
    total = 0
    for layer in layers.values():
        names = [name for name in layer.param_names if layer.has_param(name)]
        total += sum(int(layer.get_param(name).size) for name in names)
        for shim in layer.shims:
            total += sum(weights.numel() for weights in shim._model.parameters())
    return total
