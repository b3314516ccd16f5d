"""A tiny pipeline of the demo corpus, for scripts that need any pipeline at all."""

from itertools import islice
from pathlib import Path
from typing import List

import spacy
from spacy.language import Language
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_bilstm_crf.corpus.docs import make_doc
from spacy_bilstm_crf.corpus.readers.columns import ColumnReader

DEMO = Path(__file__).resolve().parent.parent / "assets" / "demo"
MODEL = {"hidden_width": 24, "tok2vec": {"width": 16}}
TOKENIZER = {"@tokenizers": "spacy-bilstm-crf.CharTokenizer.v1"}


def train_tiny(num_texts: int = 300, epochs: int = 5) -> Language:
    """Train a pipeline in some seconds. It shows confidence in `doc.spans["sc"]`.

    num_texts (int): Number of sentences of the demo corpus.
    epochs (int): How often each is learned from.
    RETURNS (Language): The pipeline, with the component "ner".
    """
    fix_random_seed(0)
    nlp = spacy.blank("zh", config={"nlp": {"tokenizer": TOKENIZER}})
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL, "spans_key": "sc"})
    sentences = islice(ColumnReader(DEMO / "train.bmes"), num_texts)
    docs = [make_doc(sentence, nlp)[0] for sentence in sentences]
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(epochs):
        for start in range(0, len(examples), 20):
            nlp.update(examples[start : start + 20], sgd=optimizer)
    return nlp


def read_texts() -> List[str]:
    """RETURNS (List[str]): The texts of the demo corpus that it has not seen."""
    return ["".join(sentence.tokens) for sentence in ColumnReader(DEMO / "test.bmes")]
