"""The examples in the docstrings run, those of the torch layer included."""

import doctest
import importlib
import pkgutil

import pytest

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
