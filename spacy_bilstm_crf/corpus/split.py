"""Cut long Docs into pieces that a model can be trained on."""

from itertools import pairwise
from typing import Iterable, Iterator, List, Optional, Sequence

from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, Span

from .sentence import CorpusError

BORDERS = ("none", "newline", "sentence")


class Splitter:
    """Cut Docs at line ends, at sentence ends or anywhere, but never inside an
    entity: there the cut moves, to an earlier place if there is one.

    borders (str): Where to cut: after a "newline", after a "sentence", or, with
        "none", between any two tokens.
    max_tokens (Optional[int]): Make pieces as long as possible, but not longer.
        A line or sentence that is longer itself is cut between any two tokens.
        None cuts at every border, and nowhere under "none".
    spans_key (Optional[str]): Spans in `doc.spans` that must not be cut either.
    """

    def __init__(
        self, borders: str, max_tokens: Optional[int], spans_key: Optional[str] = None
    ) -> None:
        if borders not in BORDERS:
            raise CorpusError(f"Unknown split '{borders}'. Use: {', '.join(BORDERS)}")
        if max_tokens is not None and max_tokens < 1:
            raise CorpusError(f"Pieces of {max_tokens} tokens: ask for at least 1")
        self.borders = borders
        self.max_tokens = max_tokens
        self.spans_key = spans_key
        self.sentencizer = Sentencizer()

    def __call__(self, doc: Doc) -> List[Doc]:
        """Cut a Doc. It comes back itself if there is nothing to cut.

        doc (Doc): The Doc, with entities.
        RETURNS (List[Doc]): The pieces, in order, with all entities.
        """
        cuts = list(self._cuts(doc))
        if not cuts:
            return [doc]
        words = [token.text for token in doc]
        spaces = (doc.to_array("SPACY") != 0).tolist()
        bounds = pairwise([0, *cuts, len(doc)])
        return [
            self._piece(doc, words[start:end], spaces[start:end], start)
            for start, end in bounds
        ]

    def _cuts(self, doc: Doc) -> Iterator[int]:
        if len(doc) < 2 or (self.max_tokens is None and self.borders == "none"):
            return
        free = self._free(doc)
        wanted = [free[i] and border for i, border in enumerate(self._borders(doc))]
        if self.max_tokens is None:
            yield from (i for i, cut in enumerate(wanted) if cut)
            return
        start = 0
        while len(doc) - start > self.max_tokens:
            near = range(start + self.max_tokens, start, -1)
            far = range(start + self.max_tokens + 1, len(doc))
            cut = _first(wanted, near) or _first(free, near) or _first(free, far)
            if not cut:
                # One entity fills all of the rest.
                return
            yield cut
            start = cut

    def _free(self, doc: Doc) -> List[bool]:
        """Where a cut before a token goes through no entity."""
        free = [True] * len(doc)
        for span in (*doc.ents, *doc.spans.get(self.spans_key or "", ())):
            free[span.start + 1 : span.end] = [False] * (len(span) - 1)
        free[0] = False
        return free

    def _borders(self, doc: Doc) -> List[bool]:
        if self.borders == "newline":
            return [False, *("\n" in token.text for token in doc[:-1])]
        if self.borders == "sentence":
            starts: List[List[bool]] = self.sentencizer.predict([doc])
            return starts[0]
        return [True] * len(doc)

    def _piece(self, doc: Doc, words: List[str], spaces: List[bool], start: int) -> Doc:
        # Span.as_doc copies all attributes of the whole Doc for each piece.
        piece = Doc(doc.vocab, words=words, spaces=spaces)
        piece.set_ents(_move(doc[start : start + len(words)].ents, piece, start))
        if self.spans_key is not None:
            inside = (
                span
                for span in doc.spans.get(self.spans_key, ())
                if start <= span.start and span.end <= start + len(words)
            )
            piece.spans[self.spans_key] = _move(inside, piece, start)
        return piece


def _move(spans: Iterable[Span], piece: Doc, start: int) -> List[Span]:
    return [Span(piece, s.start - start, s.end - start, s.label) for s in spans]


def _first(places: Sequence[bool], candidates: Iterable[int]) -> int:
    """The first candidate that is a place for a cut, or 0, which is none."""
    return next((i for i in candidates if places[i]), 0)
