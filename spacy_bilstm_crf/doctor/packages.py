"""Versions of Python and of packages, against the ranges that setup.cfg declares."""

import platform
import sys
import warnings
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, version
from typing import Iterator, List, Optional

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from .finding import Finding, describe

PACKAGE = "spacy-bilstm-crf"
# Modules that are not called like their packages.
MODULES = {
    "cupy-cuda12x": "cupy",
    "pyahocorasick": "ahocorasick",
    "pytorch-crf": "torchcrf",
}
# An extra that nobody misses who does not work on this package.
FOR_DEVELOPERS = "dev"


def check_python() -> Iterator[Finding]:
    """YIELDS (Finding): Whether this Python is supported."""
    found = ".".join(map(str, sys.version_info[:3]))
    text = f"Python {found} on {platform.platform()}"
    supported = distribution(PACKAGE).metadata["Requires-Python"]
    if found in SpecifierSet(supported):
        yield Finding("good", text)
    else:
        yield Finding("fail", text, f"{PACKAGE} needs Python {supported}")


def check_requirements() -> Iterator[Finding]:
    """YIELDS (Finding): Whether each package that must be there is, in a version that will
    do, and can be imported."""
    yield Finding("good", f"{PACKAGE} {version(PACKAGE)}")
    for requirement in list_requirements(PACKAGE):
        text = find_fault(requirement) or find_import_error(requirement.name)
        if text:
            yield Finding("fail", text, how_to_install(requirement.name))
        else:
            yield Finding("good", f"{requirement.name} {version(requirement.name)}")


def check_entry_points() -> Iterator[Finding]:
    """YIELDS (Finding): Whether all that this package registers can be imported."""
    entry_points = distribution(PACKAGE).entry_points
    for entry_point in entry_points:
        try:
            entry_point.load()
        except Exception as error:
            text = f"{entry_point.name} ({entry_point.group}) is broken: {describe(error)}"
            yield Finding("fail", text, f"install {PACKAGE} again")
    yield Finding("info", f"{len(entry_points)} registered names")


def check_extras() -> Iterator[Finding]:
    """YIELDS (Finding): Which extras are there, and whether they fit all else that is."""
    for extra in list_extras():
        if extra == FOR_DEVELOPERS:
            continue
        requirements = list_requirements(PACKAGE, extra)
        missing = [r.name for r in requirements if find_version(r.name) is None]
        faults = list(filter(None, map(find_fault, requirements)))
        if not missing:
            faults += [fault for r in requirements for fault in find_misfits(r.name)]
            # One that does not fit may take seconds to say so, in a message of its own.
            if not faults:
                errors = [find_import_error(r.name) for r in requirements]
                faults = list(filter(None, errors))
        if missing:
            text = f"extra {extra} is not there ({', '.join(faults)})"
            yield Finding("info", text, f"if you want it, {how_to_install(missing[0])}")
        elif faults:
            text = f"extra {extra} will not work: {', '.join(dict.fromkeys(faults))}"
            yield Finding("warn", text, how_to_install(requirements[0].name))
        else:
            found = ", ".join(f"{r.name} {version(r.name)}" for r in requirements)
            yield Finding("good", f"extra {extra}: {found}")


def list_extras() -> List[str]:
    """RETURNS (List[str]): The extras of this package."""
    return distribution(PACKAGE).metadata.get_all("Provides-Extra") or []


def list_requirements(package: str, extra: str = "") -> List[Requirement]:
    """List what a package needs on this machine.

    package (str): Name of the package.
    extra (str): List what this extra adds instead.
    RETURNS (List[Requirement]): The requirements.
    """
    requirements = map(Requirement, distribution(package).requires or ())
    return [r for r in requirements if _applies(r, extra) and (not extra or r.marker)]


def _applies(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    if marker is None or not marker.evaluate({"extra": extra}):
        return marker is None
    return not extra or not marker.evaluate({"extra": ""})


def find_version(package: str) -> Optional[str]:
    """RETURNS (Optional[str]): The version of a package, None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def find_fault(requirement: Requirement) -> str:
    """RETURNS (str): What is wrong with the version of a package, or an empty text."""
    name, allowed = requirement.name, requirement.specifier
    found = find_version(name)
    if found is None:
        return f"{name} is not installed"
    if not allowed.contains(found, prereleases=True):
        return f"{name} {found} is not in the range {allowed}"
    return ""


def find_misfits(package: str) -> List[str]:
    """RETURNS (List[str]): What is wrong with the packages that an installed one needs."""
    faults = map(find_fault, list_requirements(package))
    return [f"{package} needs another version, {fault}" for fault in faults if fault]


def find_import_error(package: str) -> str:
    """RETURNS (str): Why a package cannot be imported, or an empty text."""
    module = MODULES.get(package, package.replace("-", "_"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module(module)
    # A library that lacks, or is made for another version, can raise anything.
    except Exception as error:
        return f"{package} cannot be imported, {describe(error)}"
    return ""


def how_to_install(package: str) -> str:
    """RETURNS (str): The command that installs a package that this one can use, in a
    version that fits it."""
    for requirement in list_requirements(PACKAGE):
        if requirement.name == package:
            return f'python -m pip install "{package}{requirement.specifier}"'
    for extra in list_extras():
        if package in [r.name for r in list_requirements(PACKAGE, extra)]:
            return f'python -m pip install "{PACKAGE}[{extra}]"'
    return f"python -m pip install {package}"
