"""Fig 2c, 2d and Eq (1) name the reference sets, and show the paper's numbers beside those of the paper only."""

import numpy as np
import pyarrow as pa
import pytest

from twigma.analysis.figures import fig2c_divergence, fig2d_eq1, fig2d_likes
from twigma.analysis.inputs.load import Images, Inputs
from twigma.analysis.inputs.requirements import Settings

N = 400
SETS = ("laion", "artbench", "mine", "photographs")


@pytest.fixture
def data():
    """Images whose likes are random, and two sets of references."""
    rng = np.random.default_rng(0)
    columns = {
        "image_name": [str(row) for row in range(N)],
        "id": [str(row) for row in range(N)],
        "author_id": [str(row // 2) for row in range(N)],
        "like_count": rng.poisson(9, N),
        "follower_count": rng.integers(1, 9999, N),
    }

    def images(name, table):
        x = rng.normal(size=(len(table), 8)).astype(np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        return Images(name, table, x, np.arange(len(table)))

    names = pa.table({"image_name": [f"r{row}" for row in range(60)]})
    sets = {name: images(name, names) for name in SETS}
    return Inputs(images("twigma", pa.table(columns)), sets)


def tables(data, photographs, paintings):
    settings = Settings(photographs=photographs, paintings=paintings)
    found = {}
    for role in ("photographs", "paintings"):
        for run in (fig2d_eq1.regression_on, fig2d_likes.likes_against):
            found |= run(role)(data, settings).tables
    return found


def words(figure):
    """The titles of the panels, and the legend."""
    titles = [ax.get_title() for ax in figure.axes]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    return titles, labels


def test_the_papers_ratios_are_drawn_beside_its_own_set_only(data):
    found = tables(data, "laion", "mine")
    robust = found["eq1_photographs"].query("mode == 'robust'").set_index("term")
    assert robust["paper"].dropna().to_dict() == {"quintile 1": 1.1, "quintile 2": 1.02}
    assert found["eq1_paintings"]["paper"].isna().all()
    figure = fig2d_eq1.draw_regression(found)
    titles, labels = words(figure)
    assert titles == ["Similarity to laion", "Similarity to mine"]
    assert labels == ["ours, robust", "ours, naive", "paper"]
    diamonds = [
        [line.get_label() for line in ax.lines].count("paper") for ax in figure.axes
    ]
    assert diamonds == [1, 0]


def test_the_legend_is_of_the_panel_with_most_in_it(data):
    found = tables(data, "mine", "photographs")
    assert words(fig2d_eq1.draw_regression(found))[1] == ["ours, robust", "ours, naive"]
    later = found | {"eq1_paintings": tables(data, "mine", "laion")["eq1_paintings"]}
    later["eq1_paintings"]["paper"] = 1.1
    assert words(fig2d_eq1.draw_regression(later))[1][-1] == "paper"


def test_likes_are_drawn_under_the_name_of_the_set(data):
    titles, _ = words(fig2d_likes.draw_likes(tables(data, "mine", "laion")))
    assert titles[::2] == ["Similarity to mine", "Similarity to laion"]


@pytest.mark.parametrize(
    ("photographs", "paintings", "expected"),
    [
        ("laion", "artbench", ("laion", "artbench")),
        ("photographs", "artbench", ("photographs", "artbench")),
        ("mine", "artbench", None),
        ("laion", "mine", None),
    ],
)
def test_the_papers_divergence_is_of_its_own_sets(
    data, photographs, paintings, expected
):
    settings = Settings(photographs=photographs, paintings=paintings)
    rows = fig2c_divergence.compute_divergence(data, settings).tables["fig2c"]
    known = rows.dropna(subset="paper")
    assert set(zip(known["row"], known["column"], strict=True)) == (
        {expected} if expected else set()
    )
    assert set(known["paper"]) <= {5.42}
