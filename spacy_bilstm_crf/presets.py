"""What earlier components, or people, have set on a Doc: entities and blocked tokens."""

from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.strings import get_string_id
from spacy.tokens import Doc, Span

from .query import Allowed
from .tags import BEGIN, INSIDE, LAST, OUTSIDE, UNIT, count_tags
from .targets import IOB_BEGIN, IOB_INSIDE


class Presets(NamedTuple):
    """What a Doc brings along. Tokens that are marked as outside, or not at all, are free:
    an EntityRuler marks all tokens that it found nothing in.

    ents (List[Span]): Its entities, with their ids.
    blocked (List[Span]): Its blocked tokens, one to each span.
    taken (bool array, shape (tokens,)): Where either of them is.
    """

    ents: List[Span]
    blocked: List[Span]
    taken: NDArray[numpy.bool_]

    def merge(
        self, ents: Sequence[Span], scores: Sequence[float]
    ) -> Tuple[List[Span], List[float]]:
        """Put the entities of the Doc between those that were predicted for it.

        ents (Sequence[Span]): Predicted entities. Those in the place of presets are
            what the presets made of them, without their ids: they are left out.
        scores (Sequence[float]): Their confidence, if it was asked for.
        RETURNS (Tuple[List[Span], List[float]]): All entities in order, and their
            confidence: 1 for those that were given.
        """
        scores = scores if len(scores) else [1.0] * len(ents)
        pairs = [(ent, 1.0) for ent in self.ents]
        pairs += [
            (ent, score)
            for ent, score in zip(ents, scores, strict=True)
            if not self.taken[ent.start : ent.end].any()
        ]
        pairs.sort(key=lambda pair: pair[0].start)
        return [ent for ent, _ in pairs], [score for _, score in pairs]


def find_presets(doc: Doc) -> Optional[Presets]:
    """Read what earlier components have set.

    doc (Doc): The Doc.
    RETURNS (Optional[Presets]): Its entities and blocked tokens. None if it has neither.
    """
    # Fresh Docs are the rule, and this asks them fastest.
    if not doc.has_annotation("ENT_IOB"):
        return None
    iob, types = doc.to_array([ENT_IOB, ENT_TYPE]).reshape(-1, 2).T
    taken = (iob == IOB_INSIDE) | (iob == IOB_BEGIN)
    if not taken.any():
        return None
    # spaCy's mark of a blocked token: an entity begins that has no label.
    blocked = numpy.flatnonzero((iob == IOB_BEGIN) & (types == 0)).tolist()
    return Presets(list(doc.ents), [doc[i : i + 1] for i in blocked], taken)


def allow_presets(docs: Sequence[Doc], labels: Sequence[str]) -> Optional[Allowed]:
    """State which tags the presets leave: at entities of a known label its tags, at
    other entities and at blocked tokens O, and elsewhere all.

    docs (Sequence[Doc]): The Docs.
    labels (Sequence[str]): The component's labels, in the order of their tags.
    RETURNS (Optional[Allowed]): One bool array of shape (tokens, K) per Doc. None if
        no Doc has presets.
    """
    presets = [find_presets(doc) for doc in docs]
    if not any(presets):
        return None
    first_tags = {get_string_id(label): 1 + 4 * i for i, label in enumerate(labels)}
    num_tags = count_tags(len(labels))
    allowed = []
    for doc, preset in zip(docs, presets, strict=True):
        rows = numpy.ones((len(doc), num_tags), dtype="bool")
        if preset is not None:
            rows[preset.taken] = numpy.arange(num_tags) == OUTSIDE
            for ent in preset.ents:
                if ent.label in first_tags:
                    _allow_entity(rows, ent, first_tags[ent.label])
        allowed.append(rows)
    return allowed


def _allow_entity(rows: NDArray[numpy.bool_], ent: Span, first_tag: int) -> None:
    prefixes = [INSIDE] * len(ent)
    prefixes[0], prefixes[-1] = BEGIN, LAST
    if len(ent) == 1:
        prefixes = [UNIT]
    rows[ent.start : ent.end] = False
    rows[numpy.arange(ent.start, ent.end), first_tag + numpy.array(prefixes)] = True
