"""The spaCy component: examples -> targets, predictions -> doc.ents."""

from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

import numpy
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import SimpleFrozenList, raise_error
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats1d, Floats2d, Ints1d

from .analyses import Analysis, read_analyses, require_count
from .annotate import annotate
from .dictionary import Dictionary
from .doc_spans import drop_unsure, read_spans, set_spans
from .failures import pipe_each
from .incorrect_spans import incorrect_spans
from .labels import (
    MARGIN,
    grow,
    read_examples,
    require_label,
    require_room,
)
from .listeners import require_own_embedding, require_vectors
from .loading import Loaded, load
from .losses import require_finite
from .presets import allow_presets, find_presets
from .query import GATHER_ENTITIES, Query, list_docs
from .saved import PARTS, add_to_bytes, add_to_folder, read_bytes, read_folder
from .settings import (
    DEFAULT_BILSTM_CRF_MODEL,
    check_confidence_settings,
    check_dictionary_settings,
)
from .tags import count_tags
from .targets import allowed_tags, gold_tags
from .wordlist import DEFAULT_BONUS, Words, merge, read_entries

Predictions = Union[List[Ints1d], List[Floats2d]]


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
    threshold (float): Drop entities of less confidence, between 0 and 1. Those of earlier
        components and of a hard dictionary stay.
    min_probability (Optional[float]): Put all spans of at least this probability into
        `doc.spans[spans_key]`, overlapping ones too, whether or not they are entities.
    overwrite (bool): Replace what earlier components have set, rather than keep their
        entities and blocked tokens and find the best path that has them. A Doc that was
        processed before has this component's own entities: unless they are overwritten
        they stay too, and have a confidence of 1.
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

        All others are settings of the config, see `make_bilstm_crf`.
        """
        check_confidence_settings(name, threshold, min_probability, spans_key)
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
        has keep their weights, and the new one is on no best path until it is learned: the
        entities stay the same. But it is among the alternatives, and in the marginals, see
        `labels.MARGIN`.

        label (str): The label.
        RETURNS (int): 0 if the label was there before, else 1.
        """
        require_label(label)
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
        """Set the labels and initialize the model on the data. A component that was
        initialized before starts anew: its labels, its temperature and its dictionary go
        with its weights. Labels that were added before the first time stay.

        get_examples (Callable[[], Iterable[Example]]): Gives examples of the training data:
            all of them, if the embedding gathers a vocabulary.
        nlp (Optional[Language]): The current nlp object.
        labels (Optional[List[str]]): The labels, as `spacy init labels` writes them.
            Default: all that the examples have.
        dictionary (Optional[Dict[str, Any]]): Arguments of `add_dictionary`.
        """
        validate_get_examples(get_examples, "BiLSTMCRF.initialize")
        check_dictionary_settings(self.name, dictionary)
        docs, found = read_examples(get_examples(), labels)
        again = self._is_initialized
        names = sorted({*found, *(() if again else self.labels)})
        if not names:
            raise ValueError(Errors.E143.format(name=self.name))
        if not again:
            require_room(self.model, self.name, names)
        # Nothing of what was learned before is left to be remembered.
        self._rehearsal_model = None
        self.cfg.update(labels=names, temperature=1.0)
        if again:
            self.clear_dictionary()
        for label in names:
            self.vocab.strings.add(label)
        self.model.set_dim("nO", count_tags(len(names)), force=True)
        for node in self.model.walk():
            if GATHER_ENTITIES in node.attrs:
                node.attrs[GATHER_ENTITIES](node, (eg.reference for eg in get_examples()))
        self.model.initialize(X=annotate(docs, nlp, self.name, self.model))
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
        """Find the best legal path of tags of each Doc, without modifying it. Entities of
        less confidence than the threshold become O.

        docs (Iterable[Doc]): The Docs.
        RETURNS (Predictions): BILUO tag ids, one int64 array of shape (tokens,) per Doc.
            Where confidence is asked for, float32 arrays of shape (tokens, 3): the ids and
            how sure they are, see `model.chain.path_probabilities`; with more columns if
            `min_probability` is set, see `model.chain.span_chain`.
        """
        self._require_initialized()
        query = self.make_query(docs)
        if self.spans_key is not None or self.threshold > 0.0:
            query = query._replace(temperature=self.cfg["temperature"])
        if self.min_probability is not None:
            query = query._replace(want="spans")
        predictions: Predictions = self.model.predict(query)
        if self.threshold > 0.0 and predictions:
            predictions = drop_unsure(predictions, self.threshold, query.allowed)
        return predictions

    def make_query(self, docs: Iterable[Doc]) -> Query:
        """State what is known of Docs before the model sees them: what earlier components
        have set, and what the dictionary says.

        docs (Iterable[Doc]): The Docs.
        RETURNS (Query): The question for their best paths.
        """
        docs = list_docs(docs)
        require_vectors(self.model, self.name, docs)
        query = Query(docs, None if self.overwrite else allow_presets(docs, self.labels))
        return self.dictionary.apply(query, self.labels)

    def set_annotations(self, docs: Iterable[Doc], scores: Predictions) -> None:
        """Set the entities of the Docs, and their confidence if it is asked for.

        docs (Iterable[Doc]): The Docs.
        scores (Predictions): What `predict` gave for them.
        """
        docs = list(docs)
        spans = read_spans(docs, scores, self.labels, self.min_probability)
        for doc, found, shown in zip(docs, *spans, strict=True):
            presets = None if self.overwrite else find_presets(doc)
            set_spans(doc, found, shown, presets, self.spans_key)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Apply the component to a stream of Docs. One that fails is given to the error
        handler alone, if there is one: the others of its batch go on.

        stream (Iterable[Doc]): The Docs.
        batch_size (int): How many are predicted at a time.
        YIELDS (Doc): The Docs in order, without those that failed.
        """
        handle = self.get_error_handler()
        if handle is raise_error:
            docs: Iterator[Doc] = super().pipe(stream, batch_size=batch_size)
            return docs
        return pipe_each(self, stream, batch_size, partial(handle, self.name, self))

    def alternatives(self, docs: Iterable[Doc], top_k: int = 5) -> List[List[Analysis]]:
        """Find the best analyses of each Doc, and how probable they are, without modifying
        it. Entities that it has, of this component or others, do not count.

        docs (Iterable[Doc]): The Docs.
        top_k (int): The number of analyses of each Doc. Short ones may have fewer.
        RETURNS (List[List[Analysis]]): For each Doc its different analyses, best first:
            their `ents`, a list of (start, end, label), in tokens; and the `probability`
            that exactly these are the entities, or its logarithm, `log_probability`.
        """
        answers = self._ask(docs, want="paths", top_k=require_count(top_k))
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
        docs = list_docs(docs)
        require_vectors(self.model, self.name, docs)
        query = Query(docs, temperature=self.cfg["temperature"], **wanted)
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
        require_finite(self.name, loss, examples, scores)
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

    def to_bytes(self, *, exclude: Iterable[str] = SimpleFrozenList()) -> bytes:
        """Save the component, with checksums.

        exclude (Iterable[str]): Names of parts to leave out: "cfg", "model", "vocab".
        RETURNS (bytes): The component.
        """
        return add_to_bytes(super().to_bytes(exclude=exclude))

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = SimpleFrozenList()
    ) -> "BiLSTMCRF":
        """Load the component. If that fails it stays as it was.

        bytes_data (bytes): What `to_bytes` has made.
        exclude (Iterable[str]): Names of parts to leave out.
        RETURNS (BiLSTMCRF): The component.
        RAISES (ValueError): If it is something else, or damaged.
        """
        saved = read_bytes(self.name, bytes_data, exclude)
        loaded = load(*saved, self.cfg, self.model)
        super().from_bytes(bytes_data, exclude=[*exclude, *PARTS])
        self._take(loaded)
        return self

    def to_disk(
        self, path: Union[str, Path], *, exclude: Iterable[str] = SimpleFrozenList()
    ) -> None:
        """Save the component to a folder, with checksums.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): Names of parts to leave out: "cfg", "model", "vocab".
        """
        super().to_disk(path, exclude=exclude)
        add_to_folder(Path(path), exclude)

    def from_disk(
        self, path: Union[str, Path], *, exclude: Iterable[str] = SimpleFrozenList()
    ) -> "BiLSTMCRF":
        """Load the component from a folder. If that fails it stays as it was.

        path (Union[str, Path]): The folder.
        exclude (Iterable[str]): Names of parts to leave out.
        RETURNS (BiLSTMCRF): The component.
        RAISES (ValueError): If a file is something else, or damaged.
        """
        saved = read_folder(self.name, Path(path), exclude)
        loaded = load(*saved, self.cfg, self.model)
        super().from_disk(path, exclude=[*exclude, *PARTS])
        self._take(loaded)
        return self

    def _take(self, loaded: Loaded) -> None:
        loaded.hand_over(self.cfg, self.model)
        # Its copy is of what was there before.
        self._rehearsal_model = None

    @property
    def _is_initialized(self) -> bool:
        # nO will not do: a config may set it.
        return bool(self.model.shims[0].is_built)  # type: ignore[attr-defined]

    def _require_initialized(self) -> None:
        if not self._is_initialized:
            raise ValueError(Errors.E109.format(name=self.name))
