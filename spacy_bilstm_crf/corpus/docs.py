"""From a sentence to a Doc: text, tokens, entities."""

from itertools import accumulate
from typing import Iterable, List, Optional, Tuple

from spacy.language import Language
from spacy.tokens import Doc, Span

from .sentence import EntitySpan, Kind, Record, Sentence

# Languages written without spaces between words. spaCy's writing_system does
# not tell: Korean reads like Chinese there, and Thai like English.
UNSPACED_LANGS = frozenset(("zh", "ja", "th", "lo", "km", "my", "bo"))

# What a corpus leaves open: nothing, its sentences without any entity, or all tokens
# outside of entities.
MISSING = ("none", "empty", "outside")


def make_doc(
    sentence: Sentence,
    nlp: Language,
    spans_key: Optional[str] = None,
    missing: str = "none",
) -> Tuple[Doc, List[Record]]:
    """Make a Doc with the pipeline's own tokenizer, and place the entities on
    its tokens by their character offsets.

    Of entities that overlap, `doc.ents` gets the longest, and the earliest of
    those that are equally long.

    sentence (Sentence): The sentence.
    nlp (Language): The pipeline.
    spans_key (Optional[str]): Where in `doc.spans` to put all entities, those
        that overlap included.
    missing (str): Which tokens outside of entities are not annotated, rather than
        annotated as no entity: "none", those of sentences that are "empty" of
        entities, or all that are "outside".
    RETURNS (Tuple[Doc, List[Record]]): The Doc, and every entity that could not
        be placed exactly where it stands. An entity is listed as dropped if it
        is neither in `doc.ents` nor in `doc.spans`.
    """
    separator = join_by(sentence, nlp)
    text = separator.join(sentence.tokens)
    lengths = (len(token) + len(separator) for token in sentence.tokens)
    offsets = (
        range(len(text) + 1) if sentence.is_text else [*accumulate(lengths, initial=0)]
    )
    doc = nlp.make_doc(text)
    ents: List[Span] = []
    group: List[Span] = []
    records: List[Record] = []
    # The entity that each token belongs to.
    taken: List[Optional[EntitySpan]] = [None] * len(doc)
    places = [
        (offsets[entity.start], offsets[entity.end] - len(separator), entity)
        for entity in sentence.spans
    ]
    for start, end, entity in longest_first(places, text):
        before = text[start:end]
        span = _place(doc, text, start, end, entity.label)
        if span is None:
            why = "entity dropped: only whitespace"
            records.append(_about(sentence, entity, "entity-dropped", why, before))
            continue
        group.append(span)
        rival = next(filter(None, taken[span.start : span.end]), None)
        if rival is None:
            ents.append(span)
            taken[span.start : span.end] = [entity] * len(span)
        elif spans_key is None:
            why = _why_dropped(entity, rival)
            records.append(_about(sentence, entity, "entity-dropped", why, before))
            continue
        if (span.start_char, span.end_char) != (start, end):
            kind, why = _why_moved(before, span.text)
            records.append(_about(sentence, entity, kind, why, before, span.text))
    unknown = missing == "outside" or (missing == "empty" and _is_empty(sentence))
    doc.set_ents(ents, default="missing" if unknown else "outside")
    if spans_key is not None:
        doc.spans[spans_key] = sorted(group, key=lambda span: (span.start, span.end))
    return doc, records


def longest_first(
    places: Iterable[Tuple[int, int, EntitySpan]], text: str
) -> List[Tuple[int, int, EntitySpan]]:
    """Bring entities into the order in which they take their place.

    places (Iterable[Tuple[int, int, EntitySpan]]): First character, character after
        the last one, and the entity itself.
    text (str): The text.
    RETURNS (List[Tuple[int, int, EntitySpan]]): The longest first, then the earliest,
        not counting whitespace at their edges. Those with the same place keep their
        order.
    """

    def rank(place: Tuple[int, int, EntitySpan]) -> Tuple[int, int]:
        start, end, _ = place
        first = start + len(text[start:end]) - len(text[start:end].lstrip())
        return -len(text[start:end].strip()), first

    return sorted(places, key=rank)


def join_by(sentence: Sentence, nlp: Language) -> str:
    """What stands between the tokens of a sentence in its text.

    sentence (Sentence): The sentence.
    nlp (Language): The pipeline.
    RETURNS (str): Nothing or a space.
    """
    return "" if sentence.is_text or nlp.lang in UNSPACED_LANGS else " "


def _is_empty(sentence: Sentence) -> bool:
    # Somebody has read a sentence that an entity had to be dropped from.
    dropped = any(record.kind == "entity-dropped" for record in sentence.records)
    return not sentence.spans and not dropped


def _about(
    sentence: Sentence,
    entity: EntitySpan,
    kind: Kind,
    why: str,
    before: str,
    after: str = "",
) -> Record:
    source, line, label = sentence.source, entity.line, entity.label
    return Record(source, line, kind, why, before, after, label)


def _place(doc: Doc, text: str, start: int, end: int, label: str) -> Optional[Span]:
    """Find the tokens that hold the characters of an entity, without whitespace
    at its edges. None if it has no others.
    """
    core = text[start:end].strip()
    if not core:
        return None
    start = text.index(core, start)
    return doc.char_span(start, start + len(core), label, alignment_mode="expand")


def _why_dropped(entity: EntitySpan, rival: EntitySpan) -> str:
    if (entity.start, entity.end) == (rival.start, rival.end):
        return f"entity dropped: labelled {rival.label} too (line {rival.line})"
    if entity.start < rival.end and rival.start < entity.end:
        return f"entity dropped: overlaps a longer one, {rival.label} (line {rival.line})"
    return f"entity dropped: shares a token with another, {rival.label} (line {rival.line})"


def _why_moved(before: str, after: str) -> Tuple[Kind, str]:
    if after == before.strip():
        return "span-trimmed", "an entity begins or ends with whitespace"
    return "span-expanded", "an entity begins or ends within a token"
