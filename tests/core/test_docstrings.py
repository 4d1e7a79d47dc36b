"""The examples in the docstrings run, those of the torch layer included; docstrings state parameters and results."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import griffe
import pytest
from api_pages import faults, listed

import localnoise
from localnoise.errors import MissingDependencyError

ELSEWHERE = {"localnoise.hardware", "localnoise.sims"}


def modules(package):
    yield package.__name__
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if info.name in ELSEWHERE:
            continue
        if info.ispkg:
            yield from modules(importlib.import_module(info.name))
        else:
            yield info.name


NAMES = list(modules(localnoise))


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name):
    try:
        module = importlib.import_module(name)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    assert module.__doc__, "a module says what it is for"
    failures, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert failures == 0


def test_the_places_where_users_start_have_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    from localnoise.nn import NoiseLayer

    for thing in (localnoise.UnitGrid, NoiseLayer):
        assert any(test.examples for test in finder.find(thing)), thing


def test_docstrings_on_the_apis_pages_state_each_parameter_and_the_result():
    missing = {path: found for path, thing in listed() if (found := faults(thing))}
    assert missing == {}


X, Y, RETURNS = "x : int\n    It.", "y : int\n    It.", "\n\nReturns\n-------\nint\n    That."


@pytest.mark.parametrize(
    ("parameters", "returns", "expected"),
    [
        (X, RETURNS, []),
        (X, "", ["no Returns"]),
        ("x : int", RETURNS, ["nothing of 'x' in parameters"]),
        (Y, RETURNS, ["no parameter 'x'", "'y' is no parameter"]),
        (f"{X}\n{Y}", RETURNS, ["'y' is no parameter"]),
    ],
)
def test_faults_of_docstrings_are_found(parameters, returns, expected):
    said = f"All of it.\n\nParameters\n----------\n{parameters}{returns}"
    assert faults(function(f"{said!r}")) == expected


def test_functions_without_docstrings_are_found():
    assert faults(function("1")) == ["no docstring"]


def function(body):
    code = f"def f(x: int) -> int:\n    {body}\n"
    module = griffe.visit("example", filepath=Path("example.py"), code=code, docstring_parser=griffe.Parser.numpy)
    return module["f"]
