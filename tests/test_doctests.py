"""The examples in docstrings print what they say, in every module of the package."""

import doctest
import importlib
import pkgutil

import pytest

import twigma


def _modules_with_examples():
    names = [
        "twigma",
        *(found.name for found in pkgutil.walk_packages(twigma.__path__, "twigma.")),
    ]
    for name in names:
        spec = importlib.util.find_spec(name)
        if ">>>" in spec.loader.get_source(name):
            yield name


MODULES = sorted(_modules_with_examples())


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    module = importlib.import_module(name)
    assert any(test.examples for test in doctest.DocTestFinder().find(module))
    assert doctest.testmod(module).failed == 0


def test_no_module_with_examples_was_passed_over():
    assert len(MODULES) >= 18
