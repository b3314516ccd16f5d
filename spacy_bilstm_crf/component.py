"""The spaCy component: examples -> targets, predictions -> doc.ents."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Union, cast

import numpy
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc, SpanGroup
from spacy.training import Example, validate_examples, validate_get_examples
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from thinc.types import Floats1d, Floats2d, Ints1d

from .analyses import Analysis, read_analyses
from .dictionary import Dictionary
from .doc_spans import make_spans
from .incorrect_spans import incorrect_spans
from .labels import MARGIN, grow, require_own_embedding
from .presets import allow_presets, find_presets
from .query import Query
from .span_search import find_likely_spans
from .tags import FlatSpans, count_tags, find_spans, span_confidence
from .targets import allowed_tags, gold_tags
from .wordlist import DEFAULT_BONUS, Words, merge, read_entries

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
        "min_probability": None,
        "overwrite": False,
        "incorrect_spans_key": None,
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
    min_probability: Optional[float],
    overwrite: bool,
    incorrect_spans_key: Optional[str],
    scorer: Optional[Callable[..., Any]],
) -> "BiLSTMCRF":
    """Construct a BiLSTM-CRF entity recognizer.

    model (Model): A model built by `spacy-bilstm-crf.BiLSTMCRF.v1`.
    spans_key (Optional[str]): Where in `doc.spans` to put the entities with their
        confidence, in `doc.spans[spans_key].attrs["scores"]`.
    threshold (float): Drop entities of less confidence, between 0 and 1.
    min_probability (Optional[float]): Put all spans of at least this probability into
        `doc.spans[spans_key]`, overlapping ones too, whether or not they are entities.
    overwrite (bool): Replace what earlier components have set, rather than keep their
        entities and blocked tokens and find the best path that has them.
    incorrect_spans_key (Optional[str]): Where in `doc.spans` the training data have spans
        that are no entities of their label, or of any label if they have none.
    scorer (Optional[Callable]): The scoring method.
    """
    return BiLSTMCRF(
        nlp.vocab,
        model,
        name,
        spans_key=spans_key,
        threshold=threshold,
        min_probability=min_probability,
        overwrite=overwrite,
        incorrect_spans_key=incorrect_spans_key,
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
        min_probability: Optional[float] = None,
        overwrite: bool = False,
        incorrect_spans_key: Optional[str] = None,
        scorer: Optional[Callable[..., Any]] = None,
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model): A model built by `spacy-bilstm-crf.BiLSTMCRF.v1`.
        name (str): The component instance name, used to add entries to the losses.
        spans_key (Optional[str]): Where in `doc.spans` to put the entities with their
            confidence.
        threshold (float): Drop entities of less confidence, between 0 and 1.
        min_probability (Optional[float]): Put all spans of at least this probability into
            `doc.spans[spans_key]`.
        overwrite (bool): Replace what earlier components have set.
        incorrect_spans_key (Optional[str]): Where in `doc.spans` the training data have
            spans that are no entities.
        scorer (Optional[Callable]): The scoring method.
        """
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold of '{name}' is {threshold}: set it from 0 to 1")
        if min_probability is not None and not 0.0 < min_probability <= 1.0:
            raise ValueError(
                f"min_probability of '{name}' is {min_probability}: set it above 0, up to 1"
            )
        if min_probability is not None and spans_key is None:
            raise ValueError(
                f"min_probability of '{name}' needs a place for spans: set its spans_key"
            )
        self.vocab = vocab
        self.model = model
        self.name = name
        self.spans_key = spans_key
        self.threshold = threshold
        self.min_probability = min_probability
        self.overwrite = overwrite
        self.incorrect_spans_key = incorrect_spans_key
        self.scorer = scorer
        self.cfg: Dict[str, Any] = {"labels": [], "temperature": 1.0, "dictionary": []}
        self._dictionary = Dictionary([])
        # `Language.resume_training` puts a copy of the model here.
        self._rehearsal_model: Optional[Model[Any, Any]] = None

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str]): The labels of the entities, sorted."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """RETURNS (List[str]): What `initialize` takes as `labels`."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add a label, before or after training. In a trained component the labels that it
        has keep their weights; it never finds the new one until it learns to.

        label (str): The label.
        RETURNS (int): 0 if the label was there before, else 1.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(Errors.E187)
        if label in self.cfg["labels"]:
            return 0
        labels = sorted([*self.cfg["labels"], label])
        if self._is_initialized:
            grow(self.model, self.labels, labels, margin=MARGIN)
            if self._rehearsal_model is not None:
                grow(self._rehearsal_model, self.labels, labels, margin=numpy.inf)
        self.cfg["labels"] = labels
        self.vocab.strings.add(label)
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[List[str]] = None,
        dictionary: Optional[Dict[str, Any]] = None,
    ) -> None:
        """Set the labels and initialize the model on the data.

        get_examples (Callable[[], Iterable[Example]]): Gives examples of the training data:
            all of them, if the embedding gathers a vocabulary.
        nlp (Optional[Language]): The current nlp object.
        labels (Optional[List[str]]): The labels, as `spacy init labels` writes them.
            Default: all that the examples have.
        dictionary (Optional[Dict[str, Any]]): Arguments of `add_dictionary`.
        """
        validate_get_examples(get_examples, "BiLSTMCRF.initialize")
        # Nothing of what was learned before is left to be remembered.
        self._rehearsal_model = None
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
        if dictionary is not None:
            self.add_dictionary(**dictionary)

    @property
    def dictionary(self) -> Dictionary:
        """RETURNS (Dictionary): The words that are known to be entities, or likely."""
        # Loading a pipeline replaces the words behind our back.
        if self._dictionary.rows is not self.cfg["dictionary"]:
            self._dictionary = Dictionary(self.cfg["dictionary"])
        return self._dictionary

    def add_dictionary(
        self,
        words: Words,
        *,
        mode: str = "soft",
        bonus: float = DEFAULT_BONUS,
        ignore_case: bool = False,
    ) -> None:
        """Add words that are entities, or likely to be. They count in prediction only, and
        are saved with the pipeline.

        words (Words): Path of a file with a word, a tab and a label on each line, or
            patterns as the EntityRuler takes them, see `wordlist.read_entries`.
        mode (str): "soft": the words get a bonus. "hard": they are always found.
        bonus (float): Added to the score of the entity at each of its tokens. Long words
            gain more: there are few ways to meet one by chance.
        ignore_case (bool): Whether upper and lower case count as the same.
        """
        self._require_labels()
        entries = read_entries(
            words, self.labels, mode=mode, bonus=bonus, ignore_case=ignore_case
        )
        self.cfg["dictionary"] = merge(self.cfg["dictionary"], entries)

    def clear_dictionary(self) -> None:
        """Remove all words of the dictionary."""
        self.cfg["dictionary"] = []

    def predict(self, docs: Iterable[Doc]) -> Predictions:
        """Find the best legal path of tags of each Doc, without modifying it.

        docs (Iterable[Doc]): The Docs.
        RETURNS (Predictions): BILUO tag ids, one int64 array of shape (tokens,) per Doc.
            Where confidence is asked for, float32 arrays of shape (tokens, 3): the ids and
            how sure they are, see `model.chain.path_probabilities`; with more columns if
            `min_probability` is set, see `model.chain.span_chain`.
        """
        self._require_initialized()
        docs = list(docs)
        query = Query(docs, None if self.overwrite else allow_presets(docs, self.labels))
        query = self.dictionary.apply(query, self.labels)
        if self.spans_key is not None or self.threshold > 0.0:
            query = query._replace(temperature=self.cfg["temperature"])
        if self.min_probability is not None:
            query = query._replace(want="spans")
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
        confidence = numpy.zeros(0, dtype="float32")
        if sure:
            confidence = span_confidence(spans, predictions[:, 1], predictions[:, 2])
            keep = confidence >= self.threshold
            confidence = confidence[keep]
            spans = FlatSpans(*(column[keep] for column in spans))
        docs = list(docs)
        best = shown = make_spans(docs, spans, confidence, self.labels)
        if self.min_probability is not None:
            likely = find_likely_spans(predictions[:, 3:], self.min_probability)
            shown = make_spans(docs, *likely, self.labels)
        for doc, (ents, ent_scores), group in zip(docs, best, shown, strict=True):
            presets = None if self.overwrite else find_presets(doc)
            # Also when nothing was found: else the Doc counts as not annotated.
            if presets is None:
                doc.set_ents(ents, default="outside")
            else:
                group = presets.merge(*group)
                ents, _ = presets.merge(ents, ent_scores)
                doc.set_ents(ents, blocked=presets.blocked, default="outside")
            if self.spans_key is not None:
                attrs = {"scores": numpy.asarray(group[1], dtype="float32")}
                doc.spans[self.spans_key] = SpanGroup(doc, attrs=attrs, spans=group[0])

    def alternatives(self, docs: Iterable[Doc], top_k: int = 5) -> List[List[Analysis]]:
        """Find the best analyses of each Doc, and how probable they are, without modifying
        it. Entities that it has, of this component or others, do not count.

        docs (Iterable[Doc]): The Docs.
        top_k (int): The number of analyses of each Doc. Short ones may have fewer.
        RETURNS (List[List[Analysis]]): For each Doc its different analyses, best first:
            the probability that exactly these are the entities, and a list of
            (start, end, label), in tokens.
        """
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}, expected at least 1")
        answers = self._ask(docs, want="paths", top_k=top_k)
        return [read_analyses(answer, self.labels) for answer in answers]

    def tag_marginals(self, docs: Iterable[Doc]) -> List[Floats2d]:
        """Compute the probability of each tag at each token, without modifying the Docs.
        Entities that they have, of this component or others, do not count.

        docs (Iterable[Doc]): The Docs.
        RETURNS (List[Floats2d]): One float32 array of shape (tokens, K) per Doc. The
            columns are `tags.tag_names(labels)`: O, B-X, I-X, L-X, U-X, B-Y ...
        """
        return self._ask(docs, want="tags")

    def _ask(self, docs: Iterable[Doc], **wanted: Any) -> List[Any]:
        self._require_initialized()
        query = Query(list(docs), temperature=self.cfg["temperature"], **wanted)
        answers: List[Any] = self.model.predict(self.dictionary.apply(query, self.labels))
        return answers

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of examples. Tokens without gold annotation, or whose gold
        does not fit them, are summed out of the loss. The loss of a span that is known to
        be incorrect is -log(1 - P), where P is its probability.

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
        incorrect = incorrect_spans(examples, self.incorrect_spans_key, self.labels)
        query = Query([eg.predicted for eg in examples], allowed, incorrect=incorrect)
        losses[self.name] += self._learn(examples, query, drop, sgd)
        return losses

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn not to forget: pull the distribution over tags towards the one that the
        model had at `nlp.resume_training`, among the labels of that time. Does nothing if
        training was not resumed.

        examples (Iterable[Example]): Examples, whose annotation does not matter.
        drop (float): Dropout rate, in addition to the network's own.
        sgd (Optional[Optimizer]): The optimizer.
        losses (Optional[Dict[str, float]]): Record of the losses, updated in place.
        RETURNS (Dict[str, float]): The updated losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "BiLSTMCRF.rehearse")
        docs = [eg.predicted for eg in examples]
        if self._rehearsal_model is None or not any(map(len, docs)):
            return losses
        require_own_embedding(self.model, self.name)
        query = Query(docs, teacher=self._rehearsal_model)
        losses[self.name] += self._learn(examples, query, drop, sgd)
        return losses

    def _learn(
        self, examples: List[Example], query: Query, drop: float, sgd: Optional[Optimizer]
    ) -> float:
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update(query)
        loss, d_scores = self.get_loss(examples, scores)
        backprop(d_scores)
        if sgd:
            self.finish_update(sgd)
        return loss

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
