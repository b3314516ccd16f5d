"""Whether a pipeline has all that it needs, loads and predicts."""

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import spacy
import srsly
from spacy.language import Language
from spacy.util import get_lang_class, get_package_path, is_package, load_config, registry

from .finding import Finding, describe
from .packages import PACKAGE, find_fault, how_to_install, list_requirements

FACTORY = "bilstm_crf"
# For languages that spaCy has no example of.
TEXT = "Anna Petrova 2014 in Berlin, 北京."
MAX_SHOWN = 10
# A pipeline names these factories without the package that has them.
PACKAGES = {"transformer": "spacy-transformers"}


def check_pipeline(pipeline: str, text: Optional[str] = None) -> Iterator[Finding]:
    """Look for what a pipeline needs, load it, and let it predict.

    pipeline (str): Its folder or its name.
    text (Optional[str]): What to predict on. Default: spaCy's example of its language.
    YIELDS (Finding): What works, and what does not.
    """
    missing = [*_check_packages(pipeline), *_check_names(pipeline)]
    yield from missing
    if missing:
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        findings = list(_try_out(pipeline, text))
    yield from findings
    for message in dict.fromkeys(" ".join(str(one.message).split()) for one in caught):
        yield Finding("warn", message)


def find_text(lang: str) -> str:
    """RETURNS (str): A text in a language."""
    try:
        return str(import_module(f"spacy.lang.{lang}.examples").sentences[0])
    except ModuleNotFoundError:
        return TEXT


def find_config(pipeline: str) -> Path:
    """RETURNS (Path): The config of a pipeline, given its folder or its name."""
    folder = Path(pipeline)
    if is_package(pipeline):
        package = get_package_path(pipeline)
        meta = srsly.read_json(package / "meta.json")
        folder = package / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    return folder / "config.cfg"


def list_unregistered(config: Dict[str, Any]) -> List[Tuple[str, str]]:
    """List what a pipeline is made of and nobody has registered.

    config (Dict[str, Any]): Its config.
    RETURNS (List[Tuple[str, str]]): The registry and the name of each.
    """
    lang = get_lang_class(config["nlp"]["lang"])
    parts = [config["nlp"], *config["components"].values()]
    return [
        (kind, name)
        for kind, name in dict.fromkeys(named for part in parts for named in _names(part))
        if not (lang.has_factory(name) if kind == "factories" else registry.has(kind, name))
    ]


def _names(section: Dict[str, Any]) -> Iterator[Tuple[str, str]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _names(value)
        elif key == "factory":
            yield "factories", value
        elif key.startswith("@"):
            yield key[1:], value


def _check_packages(pipeline: str) -> Iterator[Finding]:
    """What pip has been told that a packaged pipeline needs."""
    for requirement in list_requirements(pipeline) if is_package(pipeline) else ():
        fault = find_fault(requirement)
        if fault:
            name = f"{requirement.name}{requirement.specifier}"
            yield Finding("fail", fault, f'python -m pip install "{name}"')


def _check_names(pipeline: str) -> Iterator[Finding]:
    try:
        config = load_config(find_config(pipeline), interpolate=True)
        unregistered = list_unregistered(config)
    # Whatever its files are instead.
    except Exception as error:
        advice = "name the folder of a trained pipeline, or one that is installed"
        yield Finding("fail", f"is no pipeline, {describe(error)}", advice)
        return
    for kind, name in unregistered:
        package = PACKAGES.get(name, name.split(".")[0])
        advice = "install the package that has it, or name its Python file with --code"
        if package == PACKAGE:
            advice = f"install the version of {PACKAGE} that the pipeline was made with"
        elif any(package == r.name for r in list_requirements(PACKAGE, "transformers")):
            advice = how_to_install(package)
        yield Finding("fail", f"needs {name} ({kind}), which is not registered", advice)


def _try_out(pipeline: str, text: Optional[str]) -> Iterator[Finding]:
    try:
        nlp = spacy.load(pipeline)
    # Whatever is wrong with its files, or comes out of its components' code.
    except Exception as error:
        advice = "get a whole copy of it, or train it again"
        yield Finding("fail", f"cannot be loaded, {describe(error)}", advice)
        return
    yield Finding("good", f"can be loaded, language {nlp.lang}")
    yield from _list_components(nlp)
    try:
        doc = nlp(find_text(str(nlp.lang)) if text is None else text)
    except Exception as error:
        advice = "try another --text; if none will do, train it again"
        yield Finding("fail", f"cannot predict, {describe(error)}", advice)
        return
    found = [f"{ent.label_} {ent.text!r}" for ent in doc.ents]
    shown = ", ".join(found[:MAX_SHOWN]) or "none"
    yield Finding("good", f"predicts: tokens {len(doc)}, entities {len(found)} ({shown})")


def _list_components(nlp: Language) -> Iterator[Finding]:
    factories = {name: nlp.get_pipe_meta(name).factory for name in nlp.component_names}
    for name, factory in factories.items():
        labels = getattr(nlp.get_pipe(name), "labels", ()) if factory == FACTORY else ()
        text = f"{name} ({factory})"
        yield Finding("info", f"{text}, labels: {', '.join(labels)}" if labels else text)
    if FACTORY not in factories.values():
        yield Finding("warn", f"has no component of the factory {FACTORY}")
