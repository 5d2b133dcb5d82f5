"""The points of a map say exactly what the release holds."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.mapped import N, planted_table, write_release

from twigma.analysis.explorer.channels import MOST_LIKES, channels_of
from twigma.analysis.explorer.points import (
    SIDE,
    drawing_order,
    drawing_step,
    fitted,
    read_points,
)
from twigma.dataset.opened_release import open_release


def channel(points, name):
    return next(one for one in points.channels if one.name == name)


def test_every_image_with_a_place_is_a_point(release):
    points = read_points(release)
    assert (len(points), points.unplaced) == (N - 7, 7)
    assert sorted(points.rows) == list(range(7, N))


def test_values_are_those_of_their_rows(release):
    points = read_points(release)
    frame = release.to_pandas().iloc[points.rows]
    likes = channel(points, "likes")
    expected = np.where(
        frame.like_count.isna(), likes.missing, frame.like_count.clip(0, MOST_LIKES)
    )
    assert (likes.values == expected).all()
    score = channel(points, "score")
    assert (score.values == np.floor(frame.nsfw_score.to_numpy(float) * 200)).all()
    months = channel(points, "month")
    named = [*months.names, *[None] * (256 - len(months.names))]
    found = [named[value] for value in months.values]
    assert found == [
        None if time is None else f"{time:%Y-%m}"
        for time in frame.created_at.astype(object).where(
            frame.created_at.notna(), None
        )
    ]
    assert "2022-03" in months.names  # without an image, it has its place
    clusters = channel(points, "cluster")
    assert clusters.names == [f"cluster {k}" for k in range(1, 6)]
    assert set(channel(points, "source").names) == {"x", "local"}


def test_too_many_months_are_years_in_order_with_a_place_for_every_image():
    times = ["2025-03-01", None, "2001-05-01", "2025-04-01", "2003-01-01"]
    frame = pd.DataFrame({"created_at": pd.Series(times, dtype="datetime64[ms]")})
    (years,) = channels_of(frame)
    assert (years.name, years.title) == ("month", "Year")
    assert years.names == [str(year) for year in range(2001, 2026)]
    assert years.values.tolist() == [24, years.missing, 0, 24, 2]


def test_the_map_keeps_its_proportions():
    x, y = fitted(np.array([0.0, 10.0, 5.0]), np.array([1.0, 2.0, 6.0]))
    assert x.tolist() == [0, SIDE, round(SIDE / 2)]
    assert y.tolist() == [round(SIDE / 2), round(SIDE * 0.4), 0]  # down the screen


def test_one_place_for_all_is_a_place():
    x, y = fitted(np.zeros(3), np.zeros(3))
    assert x.tolist() == y.tolist() == [0, 0, 0]


@pytest.mark.parametrize("n", [1, 2, 3, 10, 99, 1000, 805_650])
def test_the_drawing_order_has_every_row_once(n):
    order = drawing_order(n, drawing_step(n))
    assert math.gcd(drawing_step(n), n) == 1 and len(np.unique(order)) == n


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["UMAP_dim_2"]), "no column UMAP_dim_2"),
        (
            lambda table: table.set_column(
                6, "UMAP_dim_1", pa.nulls(len(table), pa.float32())
            ),
            "no image with a place",
        ),
    ],
)
def test_without_a_map_it_says_what_makes_one(tmp_path, change, message):
    folder = write_release(tmp_path / "twigma", change(planted_table(50)))
    with pytest.raises(ValueError, match=f"{message}.*twigma cluster"):
        read_points(open_release(folder))


def test_only_a_map_is_needed(tmp_path):
    few = planted_table(50).select(["image_name", "UMAP_dim_1", "UMAP_dim_2"])
    points = read_points(open_release(write_release(tmp_path / "twigma", few)))
    assert (len(points), points.channels) == (43, [])
