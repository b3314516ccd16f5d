"""The pipeline whose tokenizer cuts a corpus: the one that will be trained on it."""

from typing import Any, Callable, Dict, Iterable, Optional

import spacy
from spacy.language import Language
from spacy.schemas import ConfigSchemaInit, validate_init_settings
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, registry

from .sentence import CorpusError


def make_nlp(lang: Optional[str], pipeline: Optional[str] = None) -> Language:
    """Make a pipeline with the tokenizer that training will use.

    lang (Optional[str]): Language code.
    pipeline (Optional[str]): Path of a config, or path or name of a pipeline.
    RETURNS (Language): The pipeline. That of a config has no components.
    RAISES (CorpusError): If there is no such pipeline.
    """
    if lang is None and pipeline is None:
        raise CorpusError("Which tokenizer? Name a language, such as --lang zh")
    try:
        if pipeline is None:
            return spacy.blank(str(lang))
        if not pipeline.endswith(".cfg"):
            return spacy.load(pipeline)
        return _from_config(pipeline, lang)
    except (ImportError, OSError, KeyError, ValueError) as error:
        # No such language, or its tokenizer needs another package, or no config.
        given = f"--lang {lang}" if pipeline is None else f"--pipeline {pipeline}"
        why = " ".join(str(error).split())
        raise CorpusError(f"No pipeline for {given}: {why}") from error


def init_tokenizer(
    nlp: Language,
    settings: Dict[str, Any],
    get_examples: Callable[[], Iterable[Example]] = tuple,
) -> None:
    """Do what initialization does for the tokenizer: some are copied from another
    pipeline or load a model of their own.

    nlp (Language): The pipeline.
    settings (Dict[str, Any]): The resolved section [initialize].
    get_examples (Callable[[], Iterable[Example]]): Gives the training data.
    """
    if settings["before_init"] is not None:
        settings["before_init"](nlp)
    if hasattr(nlp.tokenizer, "initialize"):
        initialize = nlp.tokenizer.initialize
        given = validate_init_settings(
            initialize, settings["tokenizer"], section="tokenizer", name="tokenizer"
        )
        initialize(get_examples, nlp=nlp, **given)


def _from_config(path: str, lang: Optional[str]) -> Language:
    overrides = {"nlp.lang": lang} if lang else {}
    config = load_config(path, overrides=overrides, interpolate=True)
    if "nlp" not in config:
        raise ValueError("the config has no section [nlp]")
    config["nlp"].update({"pipeline": [], "disabled": []})
    config["components"] = {}
    config.get("initialize", {})["components"] = {}
    nlp = load_model_from_config(config, auto_fill=True)
    filled = nlp.config.interpolate()
    init_tokenizer(nlp, registry.resolve(filled["initialize"], schema=ConfigSchemaInit))
    return nlp
