"""Rooms offer their public names without importing their modules before they are used."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from twigma import analysis
from twigma.analysis.exports import lazy_names

ROOMS = (
    "variation",
    "comparison",
    "likes",
    "themes",
    "neighbours",
    "vectors",
    "inputs",
    "page",
    "paper",
)


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_is_that_of_its_module(room):
    package = importlib.import_module(f"twigma.analysis.{room}")
    files = Path(package.__path__[0]).glob("*.py")
    assert package.__all__
    assert not set(package.__all__) & {path.stem for path in files}
    for name in package.__all__:
        value = getattr(package, name)
        home = getattr(value, "__module__", None)
        # A type alias belongs to no module.
        assert home is None or not home.startswith("twigma") or package.__name__ in home
        # `interval` of the page is text, that of `twigma.analysis` an estimate.
        if name in analysis.__all__ and room != "page":
            assert getattr(analysis, name) is value
    with pytest.raises(AttributeError, match=f"'twigma.analysis.{room}' has no"):
        _ = package.no_such_name


def test_names_are_sorted_and_unknown_ones_refused():
    names, get = lazy_names("json", {"decoder": ("JSONDecoder",), "encoder": ("c",)})
    assert names == ["JSONDecoder", "c"]
    assert get("JSONDecoder") is importlib.import_module("json").JSONDecoder
    with pytest.raises(AttributeError, match="module 'json' has no attribute 'dumps'"):
        get("dumps")


def test_a_room_imports_nothing_before_it_is_used():
    rooms = ", ".join(f"twigma.analysis.{room}" for room in ROOMS)
    heavy = ["scipy", "pandas", "sklearn", "faiss", "torch", "matplotlib", "pyarrow"]
    code = f"import sys, {rooms}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
