"""Gold and predicted entities of each text, on the tokens of the gold."""

from itertools import islice
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import SimpleFrozenDict, SimpleFrozenList
from tqdm import tqdm

from ..reading import Reading, read_docs

# Docs that run through a pipeline together.
BATCH_SIZE = 1000
ATTRS: List[Any] = ["ORTH", "ENT_IOB"]


class Entity(NamedTuple):
    """An entity on the tokens of the gold.

    start (int): Index of the first token.
    end (int): Index after the last token.
    label (str): Label of the entity.
    start_char (int): Offset of the first character.
    end_char (int): Offset after the last character.
    """

    start: int
    end: int
    label: str
    start_char: int
    end_char: int


class Outcome(NamedTuple):
    """What the gold and a pipeline say of a text. The text is kept, its Docs are not.

    text (str): The text.
    tokens (int): Number of tokens of the gold.
    missing (Tuple[int, ...]): The tokens without gold annotation.
    gold (List[Entity]): The true entities.
    guessed (List[Entity]): The predicted entities, but for the ignored ones.
    ignored (int): Predicted entities on tokens without gold annotation: they are neither
        right nor wrong.
    misaligned (List[Entity]): True entities that begin or end within a token of the
        pipeline: it cannot find them.
    confidence (Dict[Entity, float]): How sure a BiLSTM-CRF is of predicted entities that
        are its own. Empty if it was not asked.
    likely (Optional[Dict[Entity, float]]): Every span that is more than hardly probable,
        predicted or not. None if nobody was asked, or knows.
    """

    text: str
    tokens: int
    missing: Tuple[int, ...]
    gold: List[Entity]
    guessed: List[Entity]
    ignored: int = 0
    misaligned: List[Entity] = SimpleFrozenList()
    confidence: Dict[Entity, float] = SimpleFrozenDict()
    likely: Optional[Dict[Entity, float]] = None

    def get_form(self, ent: Entity) -> str:
        """RETURNS (str): The text of an entity."""
        return self.text[ent.start_char : ent.end_char]


def predict_outcomes(
    nlp: Language,
    examples: Iterable[Example],
    *,
    minimum: Optional[float] = None,
    total: Optional[int] = None,
    progress: bool = False,
) -> Iterator[Optional[Outcome]]:
    """Run a pipeline and put its entities beside those of the gold.

    nlp (Language): The pipeline.
    examples (Iterable[Example]): Examples with gold entities, their predicted Docs fresh
        from the tokenizer.
    minimum (Optional[float]): Ask how sure it is, also of spans that it does not predict
        but finds at least so probable. Default: do not ask.
    total (Optional[int]): Number of examples, if known.
    progress (bool): Show a progress bar on stderr, if that is a terminal.
    YIELDS (Optional[Outcome]): One for each example, None if nobody has said where its
        entities are.
    """
    # None: hidden unless on a terminal.
    hide = None if progress else True
    shown = iter(tqdm(examples, "Docs", total=total, leave=False, disable=hide))
    while part := list(islice(shown, BATCH_SIZE)):
        fresh = [eg.predicted for eg in part]
        if minimum is None:
            for doc, eg in zip(nlp.pipe(fresh), part, strict=True):
                yield make_outcome(Example(doc, eg.reference))
        else:
            for reading, eg in zip(
                read_docs(nlp, fresh, minimum=minimum), part, strict=True
            ):
                yield make_outcome(Example(reading.doc, eg.reference), reading)


def make_outcome(eg: Example, reading: Optional[Reading] = None) -> Optional[Outcome]:
    """Put predicted entities beside those of the gold. Where tokens differ, a predicted
    entity is that of all tokens of the gold that it shares characters with, as in
    `spacy evaluate`.

    eg (Example): The prediction and the gold.
    reading (Optional[Reading]): How sure the pipeline is.
    RETURNS (Optional[Outcome]): The entities, None if nobody has said where they are.
    """
    gold, predicted = eg.reference, eg.predicted
    columns = gold.to_array(ATTRS).reshape(-1, len(ATTRS))
    if not columns[:, 1].any():
        return None
    missing = frozenset(numpy.flatnonzero(columns[:, 1] == 0).tolist())
    same_tokens = numpy.array_equal(columns[:, 0], predicted.to_array("ORTH"))
    guessed, ignored = [], 0
    misaligned: List[Entity] = []
    confidence: Dict[Entity, float] = {}
    for ent in predicted.ents:
        start, end = ent.start, ent.end
        # Slow, and the same thing where the tokens are the same.
        if not same_tokens:
            aligned = eg.alignment.x2y[start:end]
            # Whitespace that only the pipeline has: nothing of the gold.
            if not len(aligned):
                continue
            start, end = int(aligned[0]), int(aligned[-1]) + 1
        if missing.isdisjoint(range(start, end)):
            guess = _make_entity(gold, start, end, ent.label_)
            guessed.append(guess)
            place = (ent.start_char, ent.end_char, ent.label_)
            if reading is not None and place in reading.confidence:
                confidence[guess] = reading.confidence[place]
        else:
            ignored += 1
    ents = [_make_entity(gold, ent.start, ent.end, ent.label_) for ent in gold.ents]
    if not same_tokens:
        misaligned = [
            ent
            for span, ent in zip(gold.ents, ents, strict=True)
            if not eg.get_aligned_spans_y2x([span])
        ]
    return Outcome(
        text=gold.text,
        tokens=len(gold),
        missing=tuple(sorted(missing)),
        gold=ents,
        guessed=guessed,
        ignored=ignored,
        misaligned=misaligned,
        confidence=confidence,
        likely=None if reading is None else _find_likely(gold, reading),
    )


def _find_likely(gold: Doc, reading: Reading) -> Optional[Dict[Entity, float]]:
    """RETURNS (Optional[Dict[Entity, float]]): The likely spans, on tokens of the gold."""
    if reading.likely is None:
        return None
    likely = {}
    for (start, end, label), probability in reading.likely.items():
        span = gold.char_span(start, end)
        if span is not None:
            likely[_make_entity(gold, span.start, span.end, label)] = probability
    return likely


def _make_entity(doc: Doc, start: int, end: int, label: str) -> Entity:
    span = doc[start:end]
    return Entity(start, end, label, span.start_char, span.end_char)
