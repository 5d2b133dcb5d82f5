"""What the report says of similar pairs (Fig 4e) and of drift (Fig 4a): every verdict in words, and none too many."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.planted_copies import plant_copies

from twigma.analysis.figures import fig4_images, fig4_themes
from twigma.analysis.inputs.images import Images
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.page.section import Results


def images(name, vectors, **columns):
    names = [f"{name}{i}" for i in range(len(vectors))]
    table = pa.table({"image_name": names, **columns})
    return Images(name, table, vectors, np.arange(len(vectors)))


def described(figure, describe, data):
    result = figure.run(data, Settings())
    facts = {"n": result.n, "tables": [], "values": [], "notes": []}
    return describe(Results(result.tables, result.values, {figure.name: facts}))


def pairs(copies, **columns):
    """The section on pairs with paintings."""
    ours = images("twigma", copies.query, **columns)
    data = Inputs(ours, {"paintings": images("paintings", copies.reference)})
    figure = next(f for f in fig4_images.FIG4E if f.name == "fig4e_paintings")
    return described(figure, fig4_images.describe_pairs, data)


@pytest.mark.parametrize("repeats", [0, 0.1])
def test_copies_are_said_to_be_closer(repeats):
    copies = plant_copies(3000, 2000, 0.01, repeats=repeats)
    authors = [f"author {i % 2}" for i in range(3000)]
    section = pairs(copies, author_id=authors)
    assert section.claim.startswith("The largest similarity to paintings is 1")
    assert (
        "30 of 3,000 images have an image of paintings at 0.95 or more" in section.claim
    )
    closer = section.claim.split("more, and ")[1]
    assert 30 <= int(closer.split(" ")[0]) <= 36
    assert (
        "are closer than images of paintings are to one another, by 2 authors."
        in closer
    )
    assert (
        f"{round(2 * repeats * 2000)} of 2,000 images of paintings have another one"
        in section.basis
    )
    listed = section.tables[1]
    assert "All images at 0.95 or more to paintings" in listed.caption
    assert len(listed.rows) == int(closer.split(" ")[0])


def test_without_copies_none_is_said_to_be_closer():
    section = pairs(plant_copies(2000, 2000, 0))
    assert (
        "0 of 2,000 images have an image of paintings at 0.95 or more" in section.claim
    )
    assert (
        "and 0 are closer than images of paintings are to one another." in section.claim
    )


def test_what_cannot_be_tested_is_not_said_to_be_none():
    """Pairs of similarity 1 are listed, whether or not there is a test."""
    few = pairs(plant_copies(2000, 40, 0.05))
    assert "100 of 2,000 images have an image of paintings at 0.95 or more" in few.claim
    assert "cannot be tested: fewer than 60 of its images" in few.claim
    assert "0 are closer" not in few.claim and "and 0" not in few.claim
    file = "results/fig4e_paintings_listed.csv"
    assert few.tables[1].caption.endswith(f"the first 50 of 100, which {file} has")
    assert few.tables[0].rows[0][6].text == "not tested"


def test_near_pairs_that_a_test_does_not_tell_apart_are_not_called_chance():
    """Also where the tail of the reference reaches as far as the copies."""
    results = Results(
        {"fig4e_paintings": pd.DataFrame({"similarity": [1.0], "set": "art"})},
        {
            "similar/paintings/near": {"value": 4, "n": 9},
            "similar/paintings/closer": {"value": 0, "n": 9},
        },
        {},
    )
    claim = fig4_images._claim(results, "paintings")
    assert "4 of 9 images have an image of art at" in claim
    assert "0 are closer" not in claim and "tell them apart" in claim


# ------------------------------------------------------------------ Fig 4a


def drift(common, **columns):
    """The section on a map whose place moves with time by so much; a hundred images a month."""
    rng = np.random.default_rng(0)
    days = rng.uniform(0, 800, 600)
    x = rng.normal(size=600) + common * days / 800
    dates = np.datetime64("2022-01-01", "ms") + (86_400_000 * days).astype("m8[ms]")
    place = {"UMAP_dim_1": x, "UMAP_dim_2": rng.normal(size=600)}
    names = [str(i) for i in range(600)]
    table = pa.table({"image_name": names, "created_at": dates, **place, **columns})
    none = np.zeros((0, 8), np.float32)
    data = Inputs(Images("twigma", table, none, np.zeros(0, np.int64)), {})
    return described(fig4_themes.FIG4A, fig4_themes.describe_drift, data)


def test_drift_is_said_with_authors_alone():
    authors = {"author_id": [f"{i // 5}" for i in range(600)]}
    related, unrelated = drift(2, **authors), drift(0, **authors)
    assert "date of the post are related: distance correlation" in related.claim
    assert "(p = 0.001)" in related.claim
    assert "are not visibly related" in unrelated.claim
    assert "by 120 authors, of which only those by different ones" in related.basis
    unknown = drift(2)
    assert "cannot be told without authors" in unknown.claim
    assert "related" not in unknown.claim and "p =" not in unknown.claim
    assert "authors are not known" in unknown.basis


def test_images_without_an_author_are_no_authors():
    names = [f"{i // 10}" if i < 400 else None for i in range(600)]
    basis = drift(2, author_id=names).basis
    assert "by 40 authors and 200 without an author, each taken as by another" in basis


@pytest.mark.filterwarnings("ignore:drift. images by only:UserWarning")
@pytest.mark.parametrize(("authors", "tells"), [(4, False), (5, False), (6, True)])
def test_of_so_few_authors_that_no_p_is_small_nothing_is_told(authors, tells):
    """Whatever the correlation is: of five, one sixteenth of all signs reach it."""
    for common in (0, 50):
        names = [f"{i % authors}" for i in range(600)]
        claim = drift(common, author_id=names).claim
        assert ("too few to tell" in claim) != tells
        assert claim.startswith("Place on the map and date") == tells
        assert (f"Images by {authors} authors" in claim) != tells


@pytest.mark.parametrize("source", ["local", "x"])
def test_whose_pictures_they_are_and_one_is_not_several(source):
    columns = {
        "source": [source],
        "label_10_cluster": pa.array([1], pa.int32()),
        "nsfw_score": [0.1],
        "possibly_sensitive": [False],
    }
    data = Inputs(images("mine", np.eye(1, 4), **columns), {})
    result = fig4_images.CLUSTER_IMAGES.run(data, Settings())
    results = Results(result.tables, result.values, {}, {"twigma": {}})
    section = fig4_images.describe_cluster_images(results)
    assert ("other people's" in section.claim) == (source == "x")
    assert "this page is for your own eyes" in section.claim.lower()
    assert section.basis == "1 image of 1 cluster, drawn at random."
