"""The TWIGMA dataset: load it by name, from a local release, the Hub, or the authors' Zenodo record."""

import pathlib

__version__ = "0.1.0"

if "__path__" not in globals():  # imported as ./twigma.py from a checkout: make it the package it is once installed
    __path__ = [str(pathlib.Path(__file__).resolve().parent)]
    if __spec__ is not None:
        __spec__.submodule_search_locations = __path__
