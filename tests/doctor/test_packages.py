import platform
import sys
from email.message import Message
from importlib.metadata import EntryPoint, PackageNotFoundError
from types import SimpleNamespace

import pytest

from spacy_bilstm_crf.doctor import packages

NEEDED = ["torch>=2.4", "pytorch-crf<0.8,>=0.7.2"]
EXTRAS = [
    'spacy-transformers<1.5,>=1.3.5; extra == "transformers"',
    'transformers<4.53.3,>=4.39; extra == "transformers"',
    'jieba<0.43,>=0.42; extra == "jieba"',
    'jieba<0.43,>=0.42; extra == "dev"',
]
INSTALL = 'python -m pip install "spacy-bilstm-crf[transformers]"'


class Machine:
    """What is installed, and cannot be imported."""

    def __init__(self):
        self.versions = {"spacy-bilstm-crf": "0.1.0", "torch": "2.13.0+cpu"}
        self.versions["pytorch-crf"] = "0.7.2"
        self.needs = {"spacy-bilstm-crf": [*NEEDED, *EXTRAS]}
        self.broken = {}
        self.entry_points = []
        self.python = ">=3.10,<3.14"

    def version(self, name):
        if name not in self.versions:
            raise PackageNotFoundError(name)
        return self.versions[name]

    def distribution(self, name):
        metadata = Message()
        metadata["Requires-Python"] = self.python
        for extra in ("transformers", "jieba", "dev"):
            metadata["Provides-Extra"] = extra
        return SimpleNamespace(
            version=self.version(name),
            requires=self.needs.get(name),
            metadata=metadata,
            entry_points=self.entry_points,
        )

    def import_module(self, name):
        if name in self.broken:
            raise self.broken[name]


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    for name in ("version", "distribution", "import_module"):
        monkeypatch.setattr(packages, name, getattr(machine, name))
    return machine


def levels(findings):
    return [finding.level for finding in findings]


def test_python_that_is_supported(machine):
    [finding] = packages.check_python()
    assert finding.level == "good"
    assert finding.text.startswith(f"Python {platform.python_version()}")


def test_python_that_is_not_supported(machine, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0, "candidate", 1))
    [finding] = packages.check_python()
    assert finding.level == "fail"
    assert finding.text.startswith("Python 3.14.0 on ")
    assert finding.advice == "spacy-bilstm-crf needs Python >=3.10,<3.14"


def test_packages_that_are_there(machine):
    texts = [(f.level, f.text) for f in packages.check_requirements()]
    assert texts == [
        ("good", "spacy-bilstm-crf 0.1.0"),
        ("good", "torch 2.13.0+cpu"),
        ("good", "pytorch-crf 0.7.2"),
    ]


def test_package_that_is_missing(machine):
    del machine.versions["torch"]
    finding = list(packages.check_requirements())[1]
    expected = ("fail", "torch is not installed", 'python -m pip install "torch>=2.4"')
    assert finding == expected


def test_version_out_of_range(machine):
    machine.versions["torch"] = "2.3.1"
    finding = list(packages.check_requirements())[1]
    assert finding[:2] == ("fail", "torch 2.3.1 is not in the range >=2.4")


def test_version_before_a_release_is_a_version(machine):
    machine.versions["torch"] = "2.15.0.dev20261101+cpu"
    assert levels(packages.check_requirements()) == ["good"] * 3


def test_package_that_cannot_be_imported(machine):
    machine.broken["torchcrf"] = OSError("libtorch.so:\nno such file")
    _, torch, crf = packages.check_requirements()
    assert torch.level == "good"
    assert crf[:2] == (
        "fail",
        "pytorch-crf cannot be imported, OSError: libtorch.so: no such file",
    )


def test_registered_name_that_is_broken(machine):
    machine.entry_points = [
        EntryPoint("bilstm_crf", "json:loads", "spacy_factories"),
        EntryPoint("gone", "json:gone", "spacy_misc"),
    ]
    broken, count = packages.check_entry_points()
    assert broken.level == "fail"
    assert broken.text.startswith("gone (spacy_misc) is broken: AttributeError")
    assert count.text == "2 registered names"


def test_extras_that_are_missing_are_no_fault(machine):
    transformers, jieba = packages.check_extras()
    assert transformers.level == jieba.level == "info"
    assert "spacy-transformers is not installed" in transformers.text
    assert transformers.advice == f"if you want it, {INSTALL}"


def test_transformers_for_other_purposes_are_no_fault(machine):
    machine.versions["transformers"] = "5.17.0"
    finding, _ = packages.check_extras()
    assert finding.level == "info"
    assert "transformers 5.17.0 is not in the range <4.53.3,>=4.39" in finding.text


def test_extra_that_fits(machine):
    machine.versions["jieba"] = "0.42.1"
    _, jieba = packages.check_extras()
    assert jieba == ("good", "extra jieba: jieba 0.42.1", "")


def test_transformers_of_another_version_do_not_fit(machine):
    machine.versions |= {"spacy-transformers": "1.4.0", "transformers": "5.17.0"}
    finding, _ = packages.check_extras()
    assert finding.level == "warn"
    assert "transformers 5.17.0 is not in the range" in finding.text
    assert finding.advice == INSTALL


@pytest.mark.parametrize(
    "need", ["torch<2.0", "spacy<3.8", "transformers<4.40", "not-there"]
)
def test_spacy_transformers_that_need_other_packages_do_not_fit(machine, need):
    machine.versions |= {"spacy-transformers": "1.4.0", "transformers": "4.53.2"}
    machine.versions["spacy"] = "3.8.18"
    machine.needs["spacy-transformers"] = ["torch>=1.8", need]
    finding, _ = packages.check_extras()
    assert finding.level == "warn"
    assert "spacy-transformers needs another version" in finding.text


def test_extra_that_cannot_be_imported(machine):
    machine.versions |= {"spacy-transformers": "1.4.0", "transformers": "4.53.2"}
    machine.broken["spacy_transformers"] = AttributeError("no _pytree")
    finding, _ = packages.check_extras()
    assert finding.level == "warn"
    assert "spacy-transformers cannot be imported, AttributeError" in finding.text


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("torch", 'python -m pip install "torch>=2.4"'),
        ("transformers", INSTALL),
        ("cupy-cuda13x", "python -m pip install cupy-cuda13x"),
    ],
)
def test_commands_that_install(machine, package, command):
    assert packages.how_to_install(package) == command


def test_what_setup_cfg_declares_is_looked_at():
    names = {finding.text.split()[0] for finding in packages.check_requirements()}
    assert {"spacy", "thinc", "torch", "pytorch-crf", "safetensors"} <= names
    assert packages.list_extras().count("transformers") == 1
