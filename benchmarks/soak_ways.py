"""What `soak.py` does to a pipeline."""

import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Type, cast

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from tiny import read_texts

from spacy_bilstm_crf.processes import watch_workers

# Scores of two analyses that are this near differ by rounding alone.
TIE = 1e-4
LONG = 1_000_000
# Beside the corpus: whitespace, NUL, marks that combine, right-to-left text, emoji.
STRANGE = (
    " \n\t\r\x00\x85\xa0\u200b\u200d\u2028\u3000\ufeff\u0301\u0e31\u202e"
    "\u05d0\u0628\u0639\U0001f642\U0001f468\U0001f3fd\U0001f1e8\U00020000\U0010fffd"
)
DEATH, FAULT, BAD = "\x01dies", "\x01fails", "\x01is bad"


@Language.component("soak_trouble")
def make_trouble(doc: Doc) -> Doc:
    """Kill the process, or fail, at texts that ask for it."""
    if doc.text == DEATH:
        os.kill(os.getpid(), signal.SIGKILL)
    if doc.text == FAULT:
        raise RuntimeError(FAULT)
    return doc


class Soak:
    """What is done to a pipeline, each time with other texts.

    nlp (Language): A trained pipeline with a component "ner" whose `spans_key` is "sc".
    seed (int): Of everything that is random.
    """

    def __init__(self, nlp: Language, seed: int) -> None:
        self.nlp = nlp
        self.ner: Any = nlp.get_pipe("ner")
        self.rng = random.Random(seed)
        self.texts = read_texts()
        self.alphabet = sorted({*"".join(self.texts), *STRANGE})
        self.pool = ThreadPoolExecutor(8)
        self.counts: Counter[str] = Counter()

    def draw(self, number: int) -> List[str]:
        """RETURNS (List[str]): Texts of the corpus, and of random characters."""
        drawn = []
        for _ in range(number):
            length = self.rng.choice([0, 1, 2, self.rng.randint(3, 80)])
            noise = "".join(self.rng.choices(self.alphabet, k=length))
            drawn.append(self.rng.choice([noise, self.rng.choice(self.texts)]))
        self.counts["texts"] += number
        self.counts["bytes"] += sum(len(text.encode()) for text in drawn)
        return drawn

    def compare(self, found: List[Doc], expected: List[Doc]) -> None:
        """Raise AssertionError unless two lists of Docs have the same texts, the same
        entities, and the same confidence."""
        for one, two in zip(found, expected, strict=True):
            require(one.text == two.text, "another text")
            if read_entities(one) != read_entities(two):
                doc = self.nlp.make_doc(one.text)
                ((best, second),) = self.ner.alternatives([doc], top_k=2)
                gap = best.log_probability - second.log_probability
                require(gap < TIE, f"other entities in {one.text!r}")
                self.counts["ties"] += 1
                continue
            scores = zip(read_scores(one), read_scores(two), strict=True)
            require(all(abs(a - b) < TIE for a, b in scores), "another confidence")

    def use_threads(self) -> None:
        """Eight threads share the pipeline, while another saves it."""
        texts = self.draw(500)
        expected = [self.nlp(text) for text in texts]
        over = threading.Event()

        def save() -> None:
            while not over.wait(0.5):
                self.nlp.to_bytes()

        saving = self.pool.submit(save)
        found = list(self.pool.map(self.nlp, texts))
        over.set()
        saving.result()
        self.compare(found, expected)

    def use_processes(self, method: str) -> None:
        texts = self.draw(2000)
        expected = list(self.nlp.pipe(texts, batch_size=40))
        multiprocessing.set_start_method(method, force=True)
        with watch_workers():
            found = list(self.nlp.pipe(texts, n_process=2, batch_size=40))
        self.compare(found, expected)

    def lose_a_worker(self, method: str) -> None:
        texts = [*self.draw(100), DEATH, *self.draw(100)]
        multiprocessing.set_start_method(method, force=True)
        with self.trouble(), self.expect(RuntimeError, "a worker process"), watch_workers():
            list(self.nlp.pipe(texts, n_process=2, batch_size=20))

    def lose_docs(self) -> None:
        """A Doc of a stream fails in this component, another in the next one."""
        texts = self.draw(100)
        expected = list(self.nlp.pipe(texts))
        docs = [self.nlp.make_doc(text) for text in texts]
        docs[50:50] = [self.nlp.make_doc(text) for text in (BAD, FAULT)]
        failed: List[str] = []
        predict = self.ner.predict

        def note(name: str, pipe: Any, docs: List[Doc], error: Exception) -> None:
            failed.extend(doc.text for doc in docs)

        self.nlp.set_error_handler(cast(Any, note))
        self.ner.predict = lambda docs: fail_at_bad(docs, predict)
        try:
            with self.trouble():
                found = list(self.nlp.pipe(docs))
        finally:
            self.nlp.set_error_handler(spacy.util.raise_error)
            del self.ner.predict
        require(failed == [BAD, FAULT], f"these have failed: {failed}")
        self.counts["errors expected"] += 2
        self.compare(found, expected)

    def save_and_load(self) -> None:
        texts = self.draw(50)
        expected = list(self.nlp.pipe(texts))
        with tempfile.TemporaryDirectory() as folder:
            self.nlp.to_disk(folder)
            loaded = spacy.load(folder)
            self.compare(list(loaded.pipe(texts)), expected)
            ner: Any = loaded.get_pipe("ner")
            before = ner.to_bytes(exclude=["vocab"])
            require(before == self.ner.to_bytes(exclude=["vocab"]), "other bytes")
            file = Path(folder, "ner", self.rng.choice(["cfg", "model"]))
            data = bytearray(file.read_bytes())
            data[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
            file.write_bytes(data)
            with self.expect(ValueError, "has changed since it was saved"):
                ner.from_disk(file.parent, exclude=["vocab"])
            require(ner.to_bytes(exclude=["vocab"]) == before, "damaged files were loaded")
        loaded.from_bytes(self.nlp.to_bytes())
        self.compare(list(loaded.pipe(texts)), expected)

    def read_long_texts(self) -> Dict[str, float]:
        """RETURNS (Dict[str, float]): Seconds for a long Doc, and for a tenth of it."""
        corpus = "".join(self.texts)
        text = (corpus * (1 + LONG // len(corpus)))[:LONG]
        seconds = {}
        for part in (text[: LONG // 10], text):
            start = time.perf_counter()
            require(self.nlp(part).text == part, "another text")
            seconds[f"a Doc of {len(part):,} characters"] = time.perf_counter() - start
            self.counts["texts"] += 1
            self.counts["bytes"] += len(part.encode())
        with self.expect(ValueError, "E088"):
            self.nlp(text + "。")
        with self.expect(ValueError, "surrogate"):
            self.nlp("张\ud800伟")
        return seconds

    @contextmanager
    def trouble(self) -> Iterator[None]:
        self.nlp.add_pipe("soak_trouble")
        try:
            yield
        finally:
            self.nlp.remove_pipe("soak_trouble")

    @contextmanager
    def expect(self, kind: Type[Exception], words: str) -> Iterator[None]:
        try:
            yield
        except kind as error:
            require(words in str(error), f"another error: {error}")
            self.counts["errors expected"] += 1
        else:
            raise AssertionError(f"no {kind.__name__} with {words!r}")


def fail_at_bad(docs: List[Doc], predict: Callable[[List[Doc]], Any]) -> Any:
    if any(doc.text == BAD for doc in docs):
        raise RuntimeError(BAD)
    return predict(docs)


def read_entities(doc: Doc) -> List[Any]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def read_scores(doc: Doc) -> List[float]:
    scores: List[float] = doc.spans["sc"].attrs["scores"].tolist()
    return scores


def require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)
