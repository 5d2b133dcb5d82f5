"""Where the labels are from is read from the data's own record, whatever the number of rows."""

import doctest

import pyarrow as pa
import pytest

from twigma.analysis.paper import provenance
from twigma.analysis.paper.provenance import shared_labels, why_other_labels


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


def labelled(names, labels, **others):
    return pa.table({"image_name": names, "label_10_cluster": labels, **others})


PUBLISHED = labelled([str(i) for i in range(200)], [i % 10 + 1 for i in range(200)])


def test_images_and_labels_of_the_authors_table_are_theirs():
    """Filtered, in another order, with an image on two posts, or with a few rows of others: it is their clustering."""
    names = [str(i) for i in range(199, 99, -1)]
    labels = [float(i % 10 + 1) for i in range(199, 99, -1)]
    assert why_other_labels(None, labelled(names, labels), PUBLISHED) == ""
    twice = labelled([*names, names[0]], [*labels, labels[0]])
    assert shared_labels(twice, PUBLISHED) == 1
    more = labelled([*names, "a", "b"], [*labels, 1.0, None])
    assert shared_labels(more, PUBLISHED) == 100 / 101
    assert why_other_labels(None, more, PUBLISHED) == ""


def test_other_labels_of_the_same_images_are_not_theirs():
    names = [str(i) for i in range(200)]
    shifted = labelled(names, [(i + 1) % 10 + 1 for i in range(200)])
    assert "0% of the labelled images" in why_other_labels(None, shifted, PUBLISHED)
    # One large cluster agrees with a tenth of their labels by its number alone.
    assert shared_labels(labelled(names, [1] * 200), PUBLISHED) == 0.1
    assert shared_labels(labelled(names, pa.nulls(200)), PUBLISHED) == 0
    assert shared_labels(pa.table({"image_name": names}), PUBLISHED) == 0


def test_a_release_of_ours_has_its_own_labels_whatever_they_are():
    manifest = {"identity": {"name": "TWIGMA"}, "counts": {"rows": 200}}
    assert "does not name" in why_other_labels(manifest, PUBLISHED, PUBLISHED)
