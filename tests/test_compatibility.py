"""The sessions of nox are those of setup.cfg, without nox itself."""

import ast
import configparser
import re
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def read_constant(name):
    tree = ast.parse((ROOT / "noxfile.py").read_text("utf8"))
    [value] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    return ast.literal_eval(value)


def read_setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    return parser


def test_every_supported_python_has_sessions():
    classifiers = read_setup()["metadata"]["classifiers"]
    supported = re.findall(r"Python :: (3\.\d+)", classifiers)
    assert read_constant("PYTHONS") == supported
    first, last = supported[0], supported[-1].split(".")[1]
    required = read_setup()["options"]["python_requires"]
    assert required == f">={first},<3.{int(last) + 1}"


def test_what_is_not_to_be_compiled_is_needed():
    setup = read_setup()
    needed = setup["options"]["install_requires"]
    needed += setup["options.extras_require"]["dev"]
    names = set(re.findall(r"^([a-z][\w-]*)", needed, re.M))
    assert set(read_constant("COMPILED")) <= names


def test_warnings_are_errors():
    with pytest.raises(UserWarning):
        warnings.warn("of any session", stacklevel=1)


def test_tests_without_torch_are_there():
    tree = (ROOT / "noxfile.py").read_text("utf8")
    paths = re.findall(r"\"(?:--ignore=)?(tests/[\w/.]+)\"", tree)
    assert len(paths) > 5
    assert not [path for path in paths if not (ROOT / path).exists()]
