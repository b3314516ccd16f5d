"""From a training config to the figures of its data."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional

from spacy.language import Language
from spacy.schemas import ConfigSchemaInit
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from spacy.training.corpus import FILE_TYPE, walk_corpus
from spacy.util import load_model_from_config, registry, resolve_dot_names
from thinc.api import Config

from ..pipeline import init_tokenizer
from ..sentence import CorpusError
from .counting import TRAIN, SplitCounter
from .figures import Figures, Recognizer

DEV, TEST = "dev", "test"
MAX_TOKENS = 500
Reader = Callable[[Language], Iterable[Example]]


def debug_data(
    config: Config, *, max_tokens: int = MAX_TOKENS, test: Optional[Path] = None
) -> Figures:
    """Count what the data of a config holds, as training would be given it. No
    component is initialized, and none is run.

    config (Config): A training config, as `spacy train` takes it.
    max_tokens (int): Documents longer than this are too long.
    test (Optional[Path]): A .spacy file, or a folder of them, to look at as well.
    RETURNS (Figures): The figures of each split.
    RAISES (CorpusError): If there is no data, or not in the way the config says.
    """
    nlp = load_model_from_config(config, auto_fill=True)
    filled = nlp.config.interpolate()
    settings = registry.resolve(filled["initialize"], schema=ConfigSchemaInit)
    readers = find_readers(filled, test)
    stored = {name: count_stored(reader) for name, reader in readers.items()}
    init_tokenizer(nlp, settings, lambda: readers[TRAIN](nlp))
    counters: Dict[str, SplitCounter] = {}
    splits = {}
    for name, reader in readers.items():
        counter = SplitCounter(nlp, max_tokens, counters)
        for eg in reader(nlp):
            counter.add(eg)
        counters[name] = counter
        splits[name] = counter.finish(stored[name])
    return Figures(
        lang=str(nlp.lang),
        recognizers=find_recognizers(nlp, settings),
        max_tokens=max_tokens,
        discard_oversize=bool(filled["training"]["batcher"].get("discard_oversize")),
        splits=splits,
    )


def find_readers(config: Config, test: Optional[Path] = None) -> Dict[str, Reader]:
    """Construct the readers that training would use.

    config (Config): A filled config.
    test (Optional[Path]): A further .spacy file or folder.
    RETURNS (Dict[str, Reader]): The reader of each split, by its name.
    """
    names = [config["training"][f"{split}_corpus"] for split in (TRAIN, DEV)]
    for name in names:
        if not isinstance(name, str):
            raise CorpusError(
                f"[training] names its corpora, such as corpora.train: not {name!r}"
            )
    readers: Dict[str, Reader] = dict(
        zip((TRAIN, DEV), resolve_dot_names(config, names), strict=True)
    )
    if test is not None:
        readers[TEST] = Corpus(test)
    return readers


def count_stored(reader: Reader) -> Optional[Counter[int]]:
    """Look into the files of spaCy's own reader, which leaves out documents that are
    empty, or longer than its max_length, without saying so.

    reader (Reader): A reader of a split.
    RETURNS (Optional[Counter[int]]): The number of documents of each length in
        tokens, or None if this is another reader.
    RAISES (CorpusError): If a file is missing or is no DocBin.
    """
    if not isinstance(reader, Corpus):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no file, which is an error here
        paths = walk_corpus(reader.path, FILE_TYPE)
    if not paths:
        raise CorpusError(f"{reader.path}: no {FILE_TYPE} file: convert the corpus first")
    lengths: Counter[int] = Counter()
    for path in paths:
        try:
            docs = DocBin().from_disk(path)
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(f"{path}: not a DocBin: convert the corpus anew") from error
        lengths.update(map(len, docs.tokens))
    return lengths


def find_recognizers(nlp: Language, settings: Dict[str, Any]) -> Dict[str, Recognizer]:
    """Find the components that learn entities, whatever their factory.

    nlp (Language): The pipeline.
    settings (Dict[str, Any]): The resolved section [initialize].
    RETURNS (Dict[str, Recognizer]): What is known about each, by its name.
    """
    recognizers = {}
    for name, pipe in nlp.pipeline:
        meta = nlp.get_pipe_meta(name)
        if "doc.ents" in meta.assigns and getattr(pipe, "is_trainable", False):
            labels = settings["components"].get(name, {}).get("labels")
            # A component that comes from a trained pipeline keeps its labels.
            known = list(getattr(pipe, "labels", ())) or label_names(labels)
            recognizers[name] = Recognizer(meta.factory, known)
    return recognizers


def label_names(labels: Any) -> Optional[List[str]]:
    """Read the labels of a component as the config gives them.

    labels (Any): A list of labels. Or, for spaCy's own recognizer, the labels that
        each action of its transition system has, one of them the empty label.
    RETURNS (Optional[List[str]]): The labels, or None if none are given.
    """
    if isinstance(labels, dict):
        labels = {label for action in labels.values() for label in action if label}
    return sorted(labels) if labels else None
