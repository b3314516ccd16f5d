"""Cut long Docs into pieces that a model can be trained on."""

from bisect import bisect_left
from itertools import pairwise
from typing import Any, Iterable, Iterator, List, Optional, Sequence

from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, Span

from .sentence import CorpusError

ENTS = [ENT_IOB, ENT_TYPE]
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
        ents: Any = doc.to_array(ENTS)
        group = sorted(doc.spans.get(self.spans_key or "", ()), key=lambda s: s.start)
        starts = [span.start for span in group]
        pieces = []
        for start, end in pairwise([0, *cuts, len(doc)]):
            # Span.as_doc copies all attributes of the whole Doc for each piece.
            piece = Doc(doc.vocab, words=words[start:end], spaces=spaces[start:end])
            # Not by `set_ents`, which would make missing annotation O.
            piece.from_array(ENTS, ents[start:end])
            if self.spans_key is not None:
                # A span that begins in a piece ends there: no cut goes through it.
                here = group[bisect_left(starts, start) : bisect_left(starts, end)]
                piece.spans[self.spans_key] = [
                    Span(piece, s.start - start, s.end - start, s.label) for s in here
                ]
            pieces.append(piece)
        return pieces

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
        borders = [True] * len(doc)
        if self.borders == "newline":
            borders = [False, *("\n" in token.text for token in doc[:-1])]
        elif self.borders == "sentence":
            borders = list(self.sentencizer.predict([doc])[0])
        # Whitespace stays with what stands before it, so that no piece is blank: a
        # border moves behind it.
        for i in range(1, len(doc)):
            if doc[i - 1].is_space and borders[i - 1]:
                borders[i - 1], borders[i] = False, True
        return borders


def _first(places: Sequence[bool], candidates: Iterable[int]) -> int:
    """The first candidate that is a place for a cut, or 0, which is none."""
    return next((i for i in candidates if places[i]), 0)
