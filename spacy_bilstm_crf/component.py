"""The spaCy component: examples -> targets, predictions -> doc.ents."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Union, cast

import numpy
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example, validate_examples, validate_get_examples
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats1d, Floats2d, Ints1d

from .presets import allow_presets, find_presets
from .query import Query
from .tags import FlatSpans, count_tags, find_spans, span_confidence
from .targets import allowed_tags, gold_tags

Predictions = Union[List[Ints1d], List[Floats2d]]

bilstm_crf_default_config = """
[model]
@architectures = "spacy-bilstm-crf.BiLSTMCRF.v1"
hidden_width = 128
depth = 1
dropout = 0.5
decoder = "crf"
mixed_precision = false
locked_dropout = true
adversarial_norm = 0.5
precision = "float32"
nO = null

[model.tok2vec]
@architectures = "spacy-bilstm-crf.NgramEmbed.v1"
width = 64
orders = [1, 2]
min_freq = [1, 2]
dropout = [0.05, 0.3]
singleton_dropout = 0.5
attr = "ORTH"
"""

DEFAULT_BILSTM_CRF_MODEL = Config().from_str(bilstm_crf_default_config)["model"]


@Language.factory(
    "bilstm_crf",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_BILSTM_CRF_MODEL,
        "spans_key": None,
        "threshold": 0.0,
        "overwrite": False,
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
    },
)
def make_bilstm_crf(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    spans_key: Optional[str],
    threshold: float,
    overwrite: bool,
    scorer: Optional[Callable[..., Any]],
) -> "BiLSTMCRF":
    """Construct a BiLSTM-CRF entity recognizer.

    model (Model): A model built by `spacy-bilstm-crf.BiLSTMCRF.v1`.
    spans_key (Optional[str]): Where in `doc.spans` to put the entities with their
        confidence, in `doc.spans[spans_key].attrs["scores"]`.
    threshold (float): Drop entities of less confidence, between 0 and 1.
    overwrite (bool): Replace what earlier components have set, rather than keep their
        entities and blocked tokens and find the best path that has them.
    scorer (Optional[Callable]): The scoring method.
    """
    return BiLSTMCRF(
        nlp.vocab,
        model,
        name,
        spans_key=spans_key,
        threshold=threshold,
        overwrite=overwrite,
        scorer=scorer,
    )


class BiLSTMCRF(TrainablePipe):
    """Recognize named entities with a BiLSTM-CRF and set them as `doc.ents`.

    Each Doc's entities are those of its best legal path of tags, of the paths that have the
    entities of earlier components. The confidence of an entity is its exact probability:
    that of all paths that have this entity, with this label, in this place.
    """

    def __init__(
        self,
        vocab: Any,
        model: Model[Any, Any],
        name: str = "bilstm_crf",
        *,
        spans_key: Optional[str] = None,
        threshold: float = 0.0,
        overwrite: bool = False,
        scorer: Optional[Callable[..., Any]] = None,
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model): A model built by `spacy-bilstm-crf.BiLSTMCRF.v1`.
        name (str): The component instance name, used to add entries to the losses.
        spans_key (Optional[str]): Where in `doc.spans` to put the entities with their
            confidence.
        threshold (float): Drop entities of less confidence, between 0 and 1.
        overwrite (bool): Replace what earlier components have set.
        scorer (Optional[Callable]): The scoring method.
        """
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold of '{name}' is {threshold}: set it from 0 to 1")
        self.vocab = vocab
        self.model = model
        self.name = name
        self.spans_key = spans_key
        self.threshold = threshold
        self.overwrite = overwrite
        self.scorer = scorer
        self.cfg: Dict[str, Any] = {"labels": [], "temperature": 1.0}

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str]): The labels of the entities, sorted."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """RETURNS (List[str]): What `initialize` takes as `labels`."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add a label, before the component is initialized.

        label (str): The label.
        RETURNS (int): 0 if the label was there before, else 1.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(Errors.E187)
        if label in self.cfg["labels"]:
            return 0
        # spaCy's own guard compares the labels with nO, which counts tags.
        if self._is_initialized:
            raise ValueError(
                Errors.E922.format(name=self.name, nO=self.model.get_dim("nO"))
            )
        self.cfg["labels"] = sorted([*self.cfg["labels"], label])
        self.vocab.strings.add(label)
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[List[str]] = None,
    ) -> None:
        """Set the labels and initialize the model on the data.

        get_examples (Callable[[], Iterable[Example]]): Gives examples of the training data:
            all of them, if the embedding gathers a vocabulary.
        nlp (Optional[Language]): The current nlp object.
        labels (Optional[List[str]]): The labels, as `spacy init labels` writes them.
            Default: all that the examples have.
        """
        validate_get_examples(get_examples, "BiLSTMCRF.initialize")
        if isinstance(labels, str):
            raise ValueError(f"labels must be a list of strings, got the string {labels!r}")
        docs = []
        found = dict.fromkeys(labels or ())
        for eg in get_examples():
            docs.append(eg.predicted)
            if labels is None:
                found.update(dict.fromkeys(ent.label_ for ent in eg.reference.ents))
        for label in found:
            self.add_label(label)
        self._require_labels()
        num_tags = count_tags(len(self.labels))
        if self.model.maybe_get_dim("nO") not in (None, num_tags):
            raise ValueError(
                f"nO of the model of '{self.name}' is {self.model.get_dim('nO')}, but "
                f"{len(self.labels)} labels make {num_tags} BILUO tags (1 + 4 per label): "
                "leave nO out of the config"
            )
        self.model.set_dim("nO", num_tags)
        self.model.initialize(X=docs)

    def predict(self, docs: Iterable[Doc]) -> Predictions:
        """Find the best legal path of tags of each Doc, without modifying it.

        docs (Iterable[Doc]): The Docs.
        RETURNS (Predictions): BILUO tag ids, one int64 array of shape (tokens,) per Doc.
            Where confidence is asked for, float32 arrays of shape (tokens, 3): the ids and
            how sure they are, see `model.log_partition.path_probabilities`.
        """
        self._require_initialized()
        docs = list(docs)
        query = Query(docs, None if self.overwrite else allow_presets(docs, self.labels))
        if self.spans_key is not None or self.threshold > 0.0:
            query = query._replace(temperature=self.cfg["temperature"])
        predictions: Predictions = self.model.predict(query)
        return predictions

    def set_annotations(self, docs: Iterable[Doc], scores: Predictions) -> None:
        """Set the entities of the Docs, and their confidence if it is asked for.

        docs (Iterable[Doc]): The Docs.
        scores (Predictions): What `predict` gave for them.
        """
        if not scores:
            return
        predictions: Any = numpy.concatenate(cast(Any, scores))
        sure = predictions.ndim == 2
        spans = find_spans(predictions[:, 0].astype("int64") if sure else predictions)
        if sure:
            confidence = span_confidence(spans, predictions[:, 1], predictions[:, 2])
            keep = confidence >= self.threshold
            confidence = confidence[keep]
            spans = FlatSpans(*(column[keep] for column in spans))
        offsets = numpy.cumsum([0, *map(len, scores)])
        # Where each Doc's entities begin and end among all that were found.
        bounds = numpy.searchsorted(spans.starts, offsets).tolist()
        for i, doc in enumerate(docs):
            here = slice(bounds[i], bounds[i + 1])
            starts = (spans.starts[here] - offsets[i]).tolist()
            ends = (spans.ends[here] - offsets[i]).tolist()
            names = [self.labels[label] for label in spans.labels[here].tolist()]
            ents = [Span(doc, *entity) for entity in zip(starts, ends, names, strict=True)]
            scores_here: List[float] = confidence[here].tolist() if sure else []
            presets = None if self.overwrite else find_presets(doc)
            # Also when nothing was found: else the Doc counts as not annotated.
            if presets is None:
                doc.set_ents(ents, default="outside")
            else:
                ents, scores_here = presets.merge(ents, scores_here)
                doc.set_ents(ents, blocked=presets.blocked, default="outside")
            if self.spans_key is not None:
                attrs = {"scores": numpy.asarray(scores_here, dtype="float32")}
                doc.spans[self.spans_key] = SpanGroup(doc, attrs=attrs, spans=ents)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of examples. Tokens without gold annotation, or whose gold
        does not fit them, are summed out of the loss.

        examples (Iterable[Example]): The examples.
        drop (float): Dropout rate, in addition to the network's own.
        sgd (Optional[Optimizer]): The optimizer.
        losses (Optional[Dict[str, float]]): Record of the losses, updated in place.
        RETURNS (Dict[str, float]): The updated losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "BiLSTMCRF.update")
        self._require_initialized()
        if not any(len(eg.predicted) for eg in examples):
            return losses
        targets = gold_tags(examples, self.labels)
        allowed = allowed_tags(targets, self.model.get_dim("nO"))
        set_dropout_rate(self.model, drop)
        predicted = [eg.predicted for eg in examples]
        scores, backprop = self.model.begin_update((predicted, allowed))
        loss, d_scores = self.get_loss(examples, scores)
        backprop(d_scores)
        if sgd:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(
        self, examples: Iterable[Example], scores: Floats1d
    ) -> Tuple[float, Floats1d]:
        """Sum the losses of the batch, as spaCy's own components do.

        examples (Iterable[Example]): The batch.
        scores (Floats1d): The model's loss for each example.
        RETURNS (Tuple[float, Floats1d]): The loss, and its gradient for each example.
        """
        d_scores: Floats1d = self.model.ops.xp.ones_like(scores)
        return float(self.model.ops.xp.sum(scores)), d_scores

    @property
    def _is_initialized(self) -> bool:
        # nO will not do: a config may set it.
        return bool(self.model.shims[0].is_built)  # type: ignore[attr-defined]

    def _require_initialized(self) -> None:
        if not self._is_initialized:
            raise ValueError(Errors.E109.format(name=self.name))
