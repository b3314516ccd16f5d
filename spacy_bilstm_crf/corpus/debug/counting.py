"""Examples -> figures, in one pass that keeps no text."""

from collections import Counter, defaultdict
from typing import DefaultDict, Dict, List, Mapping, Optional, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from .figures import LabelFigures, Overlap, Problem, SplitFigures, summarize
from .punctuation import has_loose_punctuation

MAX_EXAMPLES = 10
MAX_QUOTED = 40
MAX_TOKENS_SHOWN = 5
TRAIN = "train"


class SplitCounter:
    """Count a split of the data. Texts and surface forms are kept as hashes, so that
    the memory this takes is small beside that of the corpus.

    nlp (Language): The pipeline whose tokenizer will cut the texts.
    max_tokens (int): Documents longer than this are too long.
    earlier (Mapping[str, SplitCounter]): The splits to compare this one with, by name.
    """

    def __init__(
        self, nlp: Language, max_tokens: int, earlier: Mapping[str, "SplitCounter"]
    ) -> None:
        self.nlp = nlp
        self.max_tokens = max_tokens
        self.earlier = dict(earlier)
        self.without_entities = 0
        self.missing_tokens = 0
        self.lengths: Counter[int] = Counter()
        self.entity_lengths: DefaultDict[str, Counter[int]] = defaultdict(Counter)
        self.label_documents: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        # (label, hash of the surface form) -> number of entities
        self.forms: Counter[Tuple[str, int]] = Counter()
        self.ambiguous: Dict[int, str] = {}
        # hash of the text -> number of its first document, hash of its entities
        self.texts: Dict[int, Tuple[int, Optional[int]]] = {}
        self.overlaps = {name: Overlap() for name in earlier}
        self.problems: Counter[Problem] = Counter()
        self.examples: DefaultDict[Problem, List[str]] = defaultdict(list)

    def add(self, eg: Example) -> None:
        """Count an example.

        eg (Example): The example, as training is given it.
        """
        doc = eg.reference
        self.lengths[len(doc)] += 1
        missing = int((doc.to_array("ENT_IOB") == 0).sum())
        self.missing_tokens += missing
        annotated = missing < len(doc)
        if not annotated:
            self._note("unannotated", quote(doc.text))
        elif not doc.ents:
            self.without_entities += 1
        if not doc.text.strip():
            self._note("empty", quote(doc.text))
        if len(doc) > self.max_tokens:
            self._note("too-long", f"{len(doc):,} tokens: {quote(doc.text)}")
        self._add_text(doc, annotated)
        self._add_tokens(eg)
        for ent in doc.ents:
            self._add_entity(ent)
        self.label_documents.update({ent.label_ for ent in doc.ents})

    def finish(self, stored: Optional[Counter[int]] = None) -> SplitFigures:
        """Work out the figures.

        stored (Optional[Counter[int]]): How many documents of each length the files
            of this split hold, where that is known.
        RETURNS (SplitFigures): The figures of all that was added.
        """
        stored = self.lengths if stored is None else stored
        documents, tokens = self.lengths.total(), _sum(self.lengths)
        counts = Counter({name: n.total() for name, n in self.entity_lengths.items()})
        entities = counts.total()
        forms = Counter(label for label, _ in self.forms)
        known = TRAIN in self.earlier
        for overlap in self.overlaps.values():
            overlap.share = overlap.texts / max(len(self.texts), 1)
        # spaCy's reader does not hand over a document without tokens, others may.
        unread_empty = stored[0] - self.lengths[0]
        problems = self.problems + Counter[Problem](
            {"empty": unread_empty, "ambiguous": len(self.ambiguous)}
        )
        return SplitFigures(
            documents=documents,
            # An augmenter can make more of them than there were.
            unread_tokens=max(_sum(stored) - tokens, 0),
            texts=len(self.texts),
            tokens=tokens,
            missing_tokens=self.missing_tokens,
            entities=entities,
            entities_per_document=entities / max(documents, 1),
            without_entities=self.without_entities,
            forms=len({form for _, form in self.forms}),
            seen=self.seen.total() / max(entities, 1) if known else None,
            lengths=summarize(self.lengths),
            labels={
                label: LabelFigures(
                    count=n,
                    share=n / entities,
                    documents=self.label_documents[label],
                    lengths=summarize(self.entity_lengths[label]),
                    forms=forms[label],
                    seen=self.seen[label] / n if known else None,
                )
                for label, n in counts.most_common()
            },
            overlaps=self.overlaps,
            problems=dict(problems),
            examples={**self.examples, "ambiguous": self._most_ambiguous()},
        )

    def _add_text(self, doc: Doc, annotated: bool) -> None:
        """Look for the text in this split and in the earlier ones."""
        key, number = hash(doc.text), self.lengths.total()
        ents = tuple((ent.start_char, ent.end_char, ent.label_) for ent in doc.ents)
        # What is not annotated contradicts nothing.
        entry = (number, hash(ents) if annotated else None)
        if key in self.texts:
            first = self.texts[key]
            where = f"{quote(doc.text)} is document {first[0]} and {number}"
            self._note("duplicate", where)
            if _conflict(first, entry):
                self._note("conflict", where)
            return
        self.texts[key] = entry
        for name, split in self.earlier.items():
            if key not in split.texts:
                continue
            first, overlap = split.texts[key], self.overlaps[name]
            where = f"{quote(doc.text)} is document {first[0]} there, {number} here"
            overlap.texts += 1
            _keep(overlap.examples, where)
            if _conflict(first, entry):
                overlap.conflicts += 1
                _keep(overlap.conflict_examples, where)

    def _add_tokens(self, eg: Example) -> None:
        """Compare the tokens of the corpus with those of the pipeline."""
        doc = eg.reference
        # Not eg.predicted: some readers hand over the tokens of the corpus there.
        tokenized = self.nlp.make_doc(doc.text)
        if not _same_tokens(doc, tokenized):
            self._note("tokenization", first_difference(doc, tokenized))
        if _same_tokens(doc, eg.predicted):
            return
        for ent in doc.ents:
            if not eg.get_aligned_spans_y2x([ent]):
                self._note("misaligned", f"{show(ent)} in {quote(doc.text)}")

    def _add_entity(self, ent: Span) -> None:
        label, form = ent.label_, hash(ent.text)
        if (label, form) not in self.forms and any(
            (other, form) in self.forms for other in self.entity_lengths
        ):
            self.ambiguous[form] = ent.text
        self.forms[label, form] += 1
        self.entity_lengths[label][len(ent)] += 1
        if TRAIN in self.earlier and (label, form) in self.earlier[TRAIN].forms:
            self.seen[label] += 1
        if ent.text != ent.text.strip():
            self._note("whitespace-edge", show(ent))
        if has_loose_punctuation(ent):
            self._note("punctuation-edge", show(ent))

    def _most_ambiguous(self) -> List[str]:
        labels: DefaultDict[int, Counter[str]] = defaultdict(Counter)
        for (label, form), n in self.forms.items():
            if form in self.ambiguous:
                labels[form][label] = n
        top = sorted(labels, key=lambda form: labels[form].total(), reverse=True)
        return [
            f"{quote(self.ambiguous[form])} "
            + ", ".join(f"{label} {n}" for label, n in labels[form].most_common())
            for form in top[:MAX_EXAMPLES]
        ]

    def _note(self, problem: Problem, example: str) -> None:
        self.problems[problem] += 1
        _keep(self.examples[problem], example)


def quote(text: str) -> str:
    """Make a text fit for a line of the screen.

    text (str): Any text.
    RETURNS (str): Its beginning, in quotes, line breaks and the like escaped.
    """
    return repr(text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 1] + "…")


def show(ent: Span) -> str:
    """RETURNS (str): The entity and its label, on one line."""
    return f"{quote(ent.text)} {ent.label_}"


def first_difference(doc: Doc, tokenized: Doc) -> str:
    """Show where two tokenizations of a text part.

    doc (Doc): The text with the tokens of the corpus.
    tokenized (Doc): The text with the tokens of the pipeline, which are others.
    RETURNS (str): Some tokens of either from there on.
    """
    ours, theirs = [[token.text for token in doc] for doc in (doc, tokenized)]
    pairs = enumerate(zip(ours, theirs, strict=False))
    start = next((i for i, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
    here = slice(start, start + MAX_TOKENS_SHOWN)
    return f"{ours[here]} -> {theirs[here]}"


def _same_tokens(doc: Doc, other: Doc) -> bool:
    return numpy.array_equal(doc.to_array("ORTH"), other.to_array("ORTH"))


def _conflict(first: Tuple[int, Optional[int]], second: Tuple[int, Optional[int]]) -> bool:
    return None not in (first[1], second[1]) and first[1] != second[1]


def _keep(examples: List[str], example: str) -> None:
    if len(examples) < MAX_EXAMPLES:
        examples.append(example)


def _sum(lengths: Counter[int]) -> int:
    return sum(length * n for length, n in lengths.items())
