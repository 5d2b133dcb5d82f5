"""The methods in words: data, models, seeds, versions, hashes and estimators as they were, and nothing else."""

import copy

import pytest

from twigma.analysis.page.section import Section
from twigma.analysis.publication.captions import publish
from twigma.analysis.publication.charts import Chart
from twigma.analysis.publication.methods import methods_text
from twigma.builder.release.identity import TWIGMA

CONTENT = {
    "data": {
        "identity": TWIGMA.to_json(),
        "images": 2633,
        "posts": 2144,
        "authors": 329,
        "first": "2021-01-01T17:24:55",
        "last": "2023-03-31T22:55:07",
        "embeddings": {"n": 2600, "dim": 768, "dtype": "float16", "unusable": 0},
        "references": {
            "laion": {
                "n": 600,
                "origin": ["acme/laion"],
                "licence": "CC0-1.0",
                "revisions": {"acme/laion": "abc123"},
            }
        },
        "release": {
            "version": "1.2.0",
            "inputs": "fedcba98",
            "source": "",
            "models": {
                "embed": {"pretrained": "openai", "dtype": "float16", "model": "ViT-L-14", "revision": "9f8e7d"},
                "nsfw-other": {"model": "acme/nsfw"},
            },
        },
    },
    "made_from": {
        "analysis": 8,
        "sha256": "0123456789abcdef",
        "files": {"release/metadata.parquet": "aa11", "work/images.parquet": "bb22"},
        "settings": {"seed": 41, "projection": "umap", "photographs": "laion"},
        "versions": {"twigma": "0.1.0", "numpy": "2.4.6", "python": "3.11.7"},
    },
    "skipped": [{"figure": "concordance", "missing": [], "how": ["no sheets"]}],
}  # fmt: skip
DRAWN = Section("Fig 2b", "Four clusters", "Claim.", "k-means of 600 images", "None.", "More starts.")  # fmt: skip
OURS = Section("Sets", "Distances", "Claim.", "all pairs", "None.")


def text(content=CONTENT, doi=""):
    (published,) = publish([(DRAWN, Chart("", b"", ()))], {})
    return methods_text(content, [(DRAWN, published), (OURS, None)], doi)


def test_it_says_what_was_analysed():
    data = text(doi="10.5281/zenodo.1").split("\n\n")[1]
    for words in (
        f"{TWIGMA.title}, version 1.2.0 (doi:10.5281/zenodo.1)",
        "2,633 images on 2,144 posts by 329 authors, posted from 2021-01-01 to 2023-03-31 (UTC)",
        "2,600 images have an embedding of 768 numbers (float16)",
        "inputs with the hash fedcba98",
    ):
        assert words in data
    assert "laion: 600 images from acme/laion, licence CC0-1.0, acme/laion at revision abc123." in text()  # fmt: skip


def test_it_names_models_with_their_revisions():
    assert (
        "**Models.** Embeddings: model ViT-L-14, pretrained openai, revision 9f8e7d, dtype float16; "
        "NSFW scores other: model acme/nsfw." in text()
    )


def test_it_has_seeds_settings_versions_and_hashes():
    found = text()
    assert (
        "Every draw has the seed 41; photographs = laion, projection = umap." in found
    )
    assert "Revision 8 of the analyses" in found and "is 0123456789abcdef." in found
    assert "twigma 0.1.0 with numpy 2.4.6 and python 3.11.7." in found
    assert "- `release/metadata.parquet` aa11\n- `work/images.parquet` bb22\n" in found


def test_each_analysis_has_its_estimator_and_its_figures():
    found = text()
    assert (
        "- Four clusters (the paper's Fig 2b, our Figure 2b): K-means of 600 images. More starts.\n"
        "- Distances (Sets): All pairs.\n" in found
    )
    assert "**Not run.** concordance; the report says what each needs." in found


@pytest.mark.parametrize(
    ("alone", "words"),
    [(0, ""), (1, " (1 image has none,"), (171, " (171 images have none,")],
)
def test_images_without_an_author_are_told_beside_the_authors(alone, words):
    content = copy.deepcopy(CONTENT)
    content["data"]["without_author"] = alone
    found = text(content)
    assert f"by 329 authors{words}" in found
    assert ("each by another author" in found) == bool(alone)


def test_what_is_not_recorded_is_not_made_up():
    content = copy.deepcopy(CONTENT)
    del content["data"]["release"], content["data"]["authors"]
    content["data"] |= {"identity": None, "references": {}, "first": None}
    found = text(content)
    assert "A dataset without a name: 2,633 images on 2,144 posts (number of authors not known)." in found  # fmt: skip
    assert "**Models.** Not recorded in these results." in found
    assert "**Reference sets.** None." in found and "posted from" not in found


def test_text_of_strangers_stays_on_its_line():
    content = copy.deepcopy(CONTENT)
    content["data"]["release"]["models"] = {"embed": {"model": "a\n\n# b\u202e"}}
    assert "**Models.** Embeddings: model a # b.\n" in text(content)
