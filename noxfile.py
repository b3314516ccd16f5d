"""Tests with the oldest and the newest versions that setup.cfg allows, on each Python. All
of them have warnings for errors, as pyproject.toml says.

    python -m pip install nox uv
    nox -s oldest-3.11 -- tests/model -x

Which of them have run, and where the wheels come from: docs/compatibility.md.
"""

from pathlib import Path
from typing import List

import nox

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
# Not to be compiled: the first version that has a wheel for this Python is the oldest.
COMPILED = [
    "numpy",
    "pandas",
    "pyahocorasick",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "spacy",
    "srsly",
    "thinc",
]
WHEELS = [option for name in COMPILED for option in ("--only-binary", name)]
OLDEST = ["--resolution", "lowest-direct", *WHEELS]
# What has to do with text alone.
WITHOUT_TORCH = [
    *("tests/corpus", "--ignore=tests/corpus/debug/test_splits.py"),
    *("tests/cli/test_convert.py", "tests/cli/test_converters.py"),
    *("tests/cli/test_export.py", "tests/cli/test_vectors.py", "tests/test_matching.py"),
    *("tests/test_compatibility.py", "tests/test_tags.py", "tests/test_targets.py"),
    *("tests/test_tokenizer.py", "tests/test_vector_file.py", "tests/test_wordlist.py"),
]

# uv, because pip cannot look for the oldest versions.
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "security", "newest"]
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
def oldest(session: nox.Session) -> None:
    """The tests with the oldest versions."""
    session.install(*OLDEST, "-e", ".[dev]")
    session.run("python", "-m", "spacy", "bilstm-crf", "doctor")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """The tests with the newest versions."""
    session.install("--upgrade", "-e", ".[dev]")
    session.run("python", "-m", "spacy", "bilstm-crf", "doctor")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=PYTHONS)
@nox.parametrize(
    "options", [nox.param(OLDEST, id="oldest"), nox.param(WHEELS, id="newest")]
)
def without_torch(session: nox.Session, options: List[str]) -> None:
    """The tests of what needs no torch, where there is no wheel of it for CPUs."""
    overrides = Path(session.create_tmp(), "overrides.txt")
    overrides.write_text("torch; python_version < '3'\n", encoding="utf8")
    session.install("--override", str(overrides), *options, "-e", ".[dev]")
    session.run("python", "-m", "pytest", *(session.posargs or WITHOUT_TORCH))


@nox.session
def lint(session: nox.Session) -> None:
    """Lint and types, with the versions that CI tests with."""
    session.install("-c", "constraints.txt", "-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def security(session: nox.Session) -> None:
    """What could run, send or overwrite what it should not, as far as bandit sees."""
    session.install("bandit>=1.9")
    # B105 takes the help text of an option that is called TOKEN_COLUMN for a password.
    session.run("bandit", "-q", "-r", "spacy_bilstm_crf", "--skip", "B105")
