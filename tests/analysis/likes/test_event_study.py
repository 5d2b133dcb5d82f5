"""Jumps against statsmodels' segmented regression and brute force; planted jumps, nulls, and dates too near the end."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from support.release_worlds import FIRST, rejections, released

from twigma.analysis.likes.event_jumps import line_weights
from twigma.analysis.likes.event_study import event_study

DATE = {"it": "2022-03-01"}
DAY = int((np.datetime64("2022-03-01") - FIRST).astype(int))


def monthly(frame, day=DAY):
    """Rows within four months of four weeks on either side, and their month, −4 to 3."""
    days = (frame["created_at"].to_numpy() - FIRST).astype("timedelta64[D]").astype(int)
    month = np.floor((days - day) / 28).astype(int)
    inside = (month >= -4) & (month < 4)
    return frame[inside], month[inside]


def segmented(levels):
    """The jump at 0 of a line before and a line after, by statsmodels."""
    t = np.arange(-4, 4) + 0.5
    x = np.column_stack([np.ones(8), t, t > 0, t * (t > 0)])
    return sm.OLS(np.asarray(levels), x).fit().params[2]


@pytest.fixture(scope="module")
def world():
    return released(np.random.default_rng(1))


def test_jumps_are_those_of_a_segmented_regression(world):
    rows, month = monthly(world)
    groups = rows.groupby(month)
    cases = {
        "count": (None, np.log(groups.size()), np.exp),
        "ratio": (world["likes"], np.log(groups["likes"].mean()), np.exp),
        "mean": (world["share"].astype(float), groups["share"].mean(), float),
    }
    for measure, (values, levels, shown) in cases.items():
        found = event_study(
            world["created_at"], values, events=DATE, measure=measure, blocks=world["author"]
        ).events.iloc[0]  # fmt: skip
        assert found["jump"] == pytest.approx(shown(segmented(levels)))
        assert found["n"] == len(rows)


def test_standard_errors_are_near_those_of_leaving_authors_out(world):
    """An independent way to the same: the jump without each author in turn."""
    rows, month = monthly(world)
    change = []
    full = segmented(np.log(rows.groupby(month)["likes"].mean()))
    for author in rows["author"].unique():
        left = (rows["author"] != author).to_numpy()
        means = rows[left].groupby(month[left])["likes"].mean()
        change.append(line_weights() @ np.log(means) - full)
    expected = np.sqrt(np.sum(np.square(change)))
    found = event_study(
        world["created_at"], world["likes"], events=DATE, measure="ratio", blocks=world["author"]
    ).events.iloc[0]  # fmt: skip
    assert found["se"] == pytest.approx(expected, rel=0.1)


def test_copies_by_one_author_add_nothing(world):
    """Three more of every image: as precise as before, and twice as precise were they independent."""
    few = world.sample(1500, random_state=2)
    many = pd.concat([few] * 4)

    def se(rows, blocks):
        study = event_study(
            rows["created_at"], rows["likes"], events=DATE, measure="ratio", blocks=blocks
        )  # fmt: skip
        return study.events["se"].item()

    assert se(many, many["author"]) == pytest.approx(se(few, few["author"]))
    assert se(many, None) == pytest.approx(se(few, None) / 2, rel=0.01)


def test_intervals_are_widened_to_the_placebo_jumps(world):
    study = event_study(
        world["created_at"], events=DATE, measure="count", blocks=world["author"]
    )
    row, z = study.events.iloc[0], study.placebos["z"]
    widened = max(1, np.sqrt(np.mean(z**2)))
    assert widened > 1.2 and row["widened"] == pytest.approx(widened)
    half = np.log(row["high"] / row["low"]) / 2
    assert half > 1.96 * row["se"] * widened
    statistic = np.log(row["jump"]) / row["se"]
    as_large = (np.abs(z) >= abs(statistic)).sum()
    assert row["p_placebo"] == pytest.approx((1 + as_large) / (1 + len(z)))
    dates = pd.to_datetime(study.placebos["date"])
    assert (np.abs((dates - pd.Timestamp("2022-03-01")).dt.days) >= 28).all()
    assert set(dates.diff().dt.days.dropna()) <= {7, 56, 63}


def test_a_weight_counts_as_that_many_rows(world):
    few = world.sample(1500, random_state=1)
    weight = np.random.default_rng(2).integers(1, 4, len(few))
    many = few.loc[few.index.repeat(weight)]
    for measure, values in (("count", None), ("ratio", "likes")):
        weighted, repeated = (
            event_study(
                rows["created_at"],
                None if values is None else rows[values],
                events=DATE,
                measure=measure,
                blocks=rows["author"],
                weights=w,
            ).events.iloc[0]
            for rows, w in ((few, weight), (many, None))
        )
        for name in ("jump", "se", "p", "p_placebo"):
            assert weighted[name] == pytest.approx(repeated[name])


def test_a_date_without_four_months_on_either_side_says_so(world):
    found = event_study(
        world["created_at"], events={"early": "2021-02-01", "late": "2023-03-15"}, measure="count"
    ).events  # fmt: skip
    assert found["jump"].isna().all() and found["p"].isna().all()
    assert found["reason"].tolist() == [
        "31 days before and 789 after it, of 112 each",
        "803 days before and 17 after it, of 112 each",
    ]


def test_a_short_time_and_wrong_measures_are_named(world):
    short = world[world["created_at"] < "2021-06-01"]
    with pytest.raises(ValueError, match=r"at least 224 days, .* found 151"):
        event_study(short["created_at"], measure="count")
    with pytest.raises(ValueError, match="'count', 'mean' or 'ratio', found 'sum'"):
        event_study(world["created_at"], world["likes"], measure="sum")
    with pytest.raises(ValueError, match="none for a count"):
        event_study(world["created_at"], world["likes"], measure="count")


def test_a_month_without_likes_has_no_ratio(world):
    near = world["created_at"].between("2022-03-01", "2022-03-29")
    likes = world["likes"].where(~near, 0)
    found = event_study(world["created_at"], likes, events=DATE, measure="ratio")
    assert found.events["reason"].item() == "nothing but zeros in a month around it"


def test_equal_values_have_no_jump_and_say_so(world):
    same = np.full(len(world), 0.1)
    found = event_study(world["created_at"], same, events=DATE, measure="mean")
    assert found.events["reason"].item() == "the same in all rows around it"
    assert not len(found.placebos)


def test_a_large_planted_jump_is_found():
    frame = released(np.random.default_rng(3), DAY, 3.0)
    for measure, values in (("count", None), ("ratio", "likes")):
        found = event_study(
            frame["created_at"],
            None if values is None else frame[values],
            events=DATE,
            measure=measure,
            blocks=frame["author"],
        ).events.iloc[0]
        assert found["p"] < 0.05 and found["low"] < 3 < found["high"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "shocks",
    [{"wobble": 0.0}, {}, {"wobble": 0.3, "memory": 0.8}, {"authors": 60}],
    ids=str,
)
def test_nulls_keep_their_size(shocks):
    found = rejections(1.0, 120, **shocks)
    assert (found[["p"]] <= 0.07).all(axis=None)
    assert (found["rank"] <= 0.09).all()  # 0.05 and two standard errors of 120 worlds
    assert (found["covers"] >= 0.93).all()


@pytest.mark.slow
def test_planted_jumps_are_found():
    found = rejections(2.0, 60)
    assert (found["p"] >= 0.5).all() and (found["covers"] >= 0.9).all()
