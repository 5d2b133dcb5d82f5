"""What the report says of model releases: jumps that hold after adjustment, none, or too few other dates."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.release_worlds import FIRST, released

from twigma.analysis.figures.beyond_paper import model_releases
from twigma.analysis.inputs.images import images_of
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.page.section import Results
from twigma.analysis.tables.column_types import with_posts

RELEASE = int((np.datetime64("2022-08-22") - FIRST).astype(int))


def inputs(frame):
    number = np.arange(len(frame)).astype(str)
    table = pa.table(
        {
            "image_name": number,
            "id": number,
            "created_at": pa.array(frame["created_at"].to_numpy()),
            "author_id": frame["author"].astype(str),
            "like_count": frame["likes"],
            "label_10_cluster": pa.array(np.where(frame["share"], 1, 2), pa.int32()),
        }
    )
    return Inputs(images_of("twigma", table, None), {})


def described(frame):
    result = model_releases.compute_releases(inputs(frame), Settings())
    return result, model_releases.describe_releases(Results(result.tables, {}, {}))


def test_a_planted_jump_of_likes_and_posts_is_named_with_its_interval():
    frame = released(np.random.default_rng(1), RELEASE, 4.0, wobble=0.05)
    result, section = described(frame)
    assert section.claim.startswith("Beyond what other dates show, these jumped (")
    assert "likes per image at Stable Diffusion 1.4 (×" in section.claim
    jump = result.values["release/likes per image/Stable Diffusion 1.4"]
    assert jump["low"] < 4 < jump["high"]
    texts = [[cell.text for cell in row] for row in section.tables[0].rows]
    v5 = [row for row in texts if row[1] == "Midjourney v5"]
    assert {row[-1] for row in v5} == {"802 days before and 17 after it, of 112 each"}
    assert set(result.tables["model_releases"]["outcome"]) == {
        "posts", "likes per image", "share of cluster 1", "share of cluster 2"
    }  # fmt: skip


def test_images_without_post_ids_are_posts_of_their_own():
    images = inputs(released(np.random.default_rng(1), RELEASE, 4.0)).images
    with_ids = images.table.drop_columns("author_id")
    without = with_posts(with_ids.drop_columns("id"))
    found = []
    for table in (with_ids, without):
        data = Inputs(images_of("twigma", table, None), {})
        found.append(model_releases.compute_releases(data, Settings()).tables)
    for name, expected in found[0].items():
        pd.testing.assert_frame_equal(found[1][name], expected)


def test_without_a_jump_none_is_named():
    _, section = described(released(np.random.default_rng(2)))
    assert section.claim == (
        "Of 4 outcomes none is shown to jump at a release, beyond what other dates show (12 tests, adjusted)."
    )


def test_too_few_other_dates_give_no_interval_and_say_so():
    frame = released(np.random.default_rng(3))
    frame = frame[frame["created_at"] >= "2022-03-15"]
    result, section = described(frame)
    assert section.claim.startswith("Too few other dates are there")
    assert result.tables["model_releases"]["low"].isna().all()


def test_a_time_without_releases_is_skipped_with_the_reason():
    frame = released(np.random.default_rng(4))
    frame = frame[frame["created_at"] < "2022-01-01"]
    with pytest.raises(
        ValueError,
        match="no release can be studied; DALL-E 2, open beta: 564 days before and 0",
    ):
        model_releases.compute_releases(inputs(frame), Settings())


def test_the_chart_has_every_jump_and_the_other_dates():
    frame = released(np.random.default_rng(1), RELEASE, 3.0)
    result = model_releases.compute_releases(inputs(frame), Settings())
    figure = model_releases.draw_releases(result.tables)
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes]
    assert titles == ["Posts", "Likes per image"]
    placebos = result.tables["model_releases_placebo"]
    for ax, name in zip(figure.axes, ("posts", "likes per image"), strict=True):
        (dots,) = (line for line in ax.lines if line.get_alpha() == 0.4)
        expected = placebos.loc[placebos["outcome"] == name, "jump"]
        pd.testing.assert_series_equal(
            pd.Series(dots.get_xdata()),
            expected.reset_index(drop=True),
            check_names=False,
        )
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "other dates" and labels[2] == "Stable Diffusion 1.4"
