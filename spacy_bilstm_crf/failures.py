"""Docs of a stream that fail: each by itself, without the others of its batch."""

from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Tuple

from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.util import minibatch

Ask = Callable[[List[Doc]], Sequence[Any]]
Fail = Callable[[List[Doc], Exception], Any]


def answer_each(ask: Ask, docs: List[Doc], fail: Fail) -> Iterator[Tuple[Doc, Any]]:
    """Ask about a batch of Docs, and where that fails about each half of it, down to the
    Docs that fail alone.

    ask (Callable[[List[Doc]], Sequence]): Gives one answer for each Doc, whatever the
        others are, and changes none.
    docs (List[Doc]): The Docs.
    fail (Callable[[List[Doc], Exception], Any]): Told of each Doc without an answer, and
        why. It may raise.
    YIELDS (Tuple[Doc, Any]): The other Docs in order, and their answers.
    """
    answers: Optional[Sequence[Any]] = None
    try:
        answers = ask(docs)
    except Exception as error:
        if len(docs) < 2:
            fail(docs, error)
            return
    if answers is not None:
        yield from zip(docs, answers, strict=True)
        return
    # Not while the error is handled: it holds all that the attempt has made.
    half = len(docs) // 2
    yield from answer_each(ask, docs[:half], fail)
    yield from answer_each(ask, docs[half:], fail)


def pipe_each(
    pipe: TrainablePipe, stream: Iterable[Doc], batch_size: int, fail: Fail
) -> Iterator[Doc]:
    """Apply a component to a stream of Docs, of which some may fail.

    pipe (TrainablePipe): The component.
    stream (Iterable[Doc]): The Docs.
    batch_size (int): How many are predicted at a time.
    fail (Callable[[List[Doc], Exception], Any]): Told of each Doc that fails, and why. It
        may raise.
    YIELDS (Doc): The others, in order.
    """
    for docs in minibatch(stream, size=batch_size):  # type: ignore[no-untyped-call]
        for doc, answer in answer_each(pipe.predict, docs, fail):
            # One by one: a second try would take a Doc's own entities for given ones.
            try:
                pipe.set_annotations([doc], [answer])
            except Exception as error:
                fail([doc], error)
            else:
                yield doc
