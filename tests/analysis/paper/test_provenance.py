"""Where the labels are from is read from the data's own record, whatever the number of rows."""

import doctest

import pytest

from twigma.analysis.paper import provenance
from twigma.analysis.paper.provenance import why_other_labels


def published(url="https://zenodo.org/api/records/8031785"):
    return {"dataset": "twigma", "source": {"url": url}, "files": {}}


def test_doctests():
    assert doctest.testmod(provenance).failed == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://zenodo.org/api/records/8031785",
        "https://zenodo.org/api/records/8031785/versions/latest",
        "http://127.0.0.1:8001/api/records/8031785",
    ],
)
def test_the_authors_record_has_the_labels_of_the_paper(url):
    assert why_other_labels(published(url)) == ""


def test_every_other_source_is_said_to_be_one():
    for manifest in (
        published("https://zenodo.org/api/records/1"),
        {"source": None},
        {"identity": {"name": "TWIGMA"}, "counts": {"rows": 805_650}},
    ):
        assert "8031785" in why_other_labels(manifest)
        assert "does not name as its source" in why_other_labels(manifest)
    assert "no MANIFEST.json says" in why_other_labels(None)
