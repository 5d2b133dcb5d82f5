"""A row for each cluster with its own words, trend and pictures, and markup of strangers as plain text."""

import pandas as pd
from PIL import Image

from twigma.analysis.figures.beyond_paper.annotators import keywords_of_clusters
from twigma.analysis.figures.overview.cluster_cards import cluster_cards
from twigma.analysis.page.section import Results

DRAWN = pd.DataFrame(
    {"cluster": [1, 1, 2], "image_name": ["10", "11", "12"], "sensitive": False}
)
WORDS = pd.DataFrame({"cluster": [1, 1, 2], "word": ["cat", "dog\u202e", "sea"]})
SHARES = pd.DataFrame(
    {
        "month": ["2021-01", "2021-02"] * 2,
        "cluster": [1, 1, 2, 2],
        "share": [0.25, 0.5, 0.75, 0.5],
    }
)
TRENDS = pd.DataFrame({"group": [1, 2], "arrow": ["↑", "→"]})


def cards(pictures=None, **tables):
    roles = {} if pictures is None else {"twigma": pictures}
    return cluster_cards(Results({"cluster_images": DRAWN, **tables}, {}, {}, roles))


def test_each_cluster_has_its_own():
    pictures = {name: Image.new("RGB", (8, 8)) for name in DRAWN["image_name"]}
    first, second = cards(
        pictures,
        fig4c_count=WORDS,
        cluster_keywords=WORDS.assign(word="people"),
        fig4b=SHARES,
        fig4b_trends=TRENDS,
    ).rows
    assert (first.label, second.label) == ("Cluster 1 ↑", "Cluster 2")
    assert first.lines == (
        "Captions, most frequent: cat, dog",
        "People's words: people, people",
    )
    assert second.lines[0] == "Captions, most frequent: sea"
    assert [tile.alt for tile in first.tiles] == ["Image 10", "Image 11"]
    assert first.chart.startswith("data:image/svg+xml;base64,")
    assert first.chart != second.chart


def test_what_is_not_there_is_left_out():
    first, second = cards().rows
    assert (first.tiles, first.lines, first.chart) == ((), (), "")
    assert second.label == "Cluster 2"
    unknown = SHARES.assign(share=float("nan"))
    assert [row.chart for row in cards(fig4b=unknown).rows] == ["", ""]


def test_people_s_words_are_ordered_by_people():
    filled = pd.DataFrame(
        {
            "annotator": ["a", "a", "b", "b"],
            "item": [1, 2, 1, 3],
            "cluster": [5, 5, 5, 6],
            "group": "g",
            "keywords": [{"sea", "sky"}, {"sky"}, {"sea"}, set()],
        }
    )
    found = keywords_of_clusters(filled)
    assert found.to_dict("records") == [
        {"cluster": 5, "word": "sea", "annotators": 2, "images": 1},
        {"cluster": 5, "word": "sky", "annotators": 1, "images": 2},
    ]
