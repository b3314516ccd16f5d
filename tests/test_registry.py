"""What a fresh interpreter finds by the entry points alone."""

import configparser
import json
import subprocess
import sys
from pathlib import Path

SETUP_CFG = Path(__file__).parents[1] / "setup.cfg"
LISTED = {
    "spacy_factories": "factories",
    "spacy_architectures": "architectures",
    "spacy_callbacks": "callbacks",
    "spacy_loggers": "loggers",
    "spacy_misc": "misc",
    "spacy_tokenizers": "tokenizers",
    "spacy_cli": "cli",
    # Of thinc, unlike all others.
    "thinc_optimizers": "optimizers",
}

LOOK_UP = """
import json, sys, spacy
nlp = spacy.blank("xx")
def found(group, name):
    if group == "factories":
        return nlp.has_factory(name)
    return spacy.registry.has(group, name)
print(json.dumps([[g, n, found(g, n)] for g, n in json.loads(sys.argv[1])]))
"""

LIGHT = """
import json, sys, spacy
before = set(sys.modules)
import spacy_bilstm_crf.component
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def run(code, *args):
    done = subprocess.run(
        [sys.executable, "-c", code, *args], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def test_every_registered_name_resolves():
    parser = configparser.ConfigParser(delimiters="=")
    parser.optionxform = str
    parser.read(SETUP_CFG, encoding="utf8")
    names = []
    for group, lines in parser["options.entry_points"].items():
        for line in lines.strip().splitlines():
            names.append((LISTED[group], line.split(" = ")[0].strip()))
    assert len(names) >= 4
    # A fresh interpreter, which nobody has told of the package.
    for group, name, found in run(LOOK_UP, json.dumps(names)):
        assert found, f"{name} in {group}"


def test_importing_the_factory_is_light():
    # spaCy imports it for every pipeline, whether it is used or not.
    modules = run(LIGHT)
    assert "spacy_bilstm_crf.component" in modules
    assert not [m for m in modules if m.startswith(("torchcrf", "safetensors"))]
    assert not [m for m in modules if m.startswith("spacy_bilstm_crf.model")]
