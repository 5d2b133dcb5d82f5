"""Posts of 27 months with growth, authors of unlike fame, weeks that go up and down, and perhaps a planted jump."""

import numpy as np
import pandas as pd

DAYS = 820
FIRST = np.datetime64("2021-01-01")


def released(
    rng, day=None, jump=1.0, *, posts=6000, authors=600, wobble=0.15, memory=0.6
):
    """DataFrame (created_at, author, likes, share), a row a post; from `day` on all three are `jump` times as high.

    Weeks share factors exp(u) of posts, likes and share, u an AR(1) of standard deviation `wobble`.
    """
    shocks = [_weeks(rng, wobble, memory) for _ in range(3)]
    after = np.ones(DAYS) if day is None else np.where(np.arange(DAYS) < day, 1, jump)
    rate = np.exp(1.5 * np.arange(DAYS) / DAYS + shocks[0]) * after
    when = np.repeat(np.arange(DAYS), rng.poisson(rate * posts / rate.sum()))
    fame = np.exp(rng.normal(0, 1, authors))
    weight = 1 + rng.pareto(2, authors)
    author = rng.choice(authors, len(when), p=weight / weight.sum())
    likes = rng.poisson(10 * (fame[author] * np.exp(shocks[1][when]) * after[when]))
    share = np.clip(0.2 * np.exp(shocks[2][when]) * after[when], 0, 1)
    return pd.DataFrame(
        {
            "created_at": (FIRST + when).astype("datetime64[ms]"),
            "author": author,
            "likes": likes,
            "share": rng.random(len(when)) < share,
        }
    )


def _weeks(rng, sd, memory):
    """An AR(1) by week, as a value a day."""
    noise = rng.normal(0, sd * np.sqrt(1 - memory**2), DAYS // 7 + 2)
    level = np.zeros(len(noise))
    level[0] = rng.normal(0, sd)
    for week in range(1, len(noise)):
        level[week] = memory * level[week - 1] + noise[week]
    return np.repeat(level, 7)[:DAYS]


def rejections(day_jump, worlds, seed=0, **world):
    """How often p and p_placebo are below .05 at a date in the middle, by measure; and how often the interval holds."""
    from twigma.analysis.likes.event_study import event_study

    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(worlds):
        day = int(rng.integers(230, 650))
        frame = released(rng, day, day_jump, **world)
        date = {"it": str(FIRST + day)}
        for measure, values in (("count", None), ("ratio", "likes"), ("mean", "share")):
            given = None if values is None else frame[values].astype(float)
            found = event_study(
                frame["created_at"],
                given,
                events=date,
                measure=measure,
                blocks=frame["author"],
            ).events.iloc[0]
            truth = 0.2 * (day_jump - 1) if measure == "mean" else day_jump
            rows.append(
                (
                    measure,
                    found.p < 0.05,
                    found.p_placebo <= 0.05,
                    found.low <= truth <= found.high,
                    found.widened,
                )
            )
    frame = pd.DataFrame(rows, columns=["measure", "p", "rank", "covers", "widened"])
    return frame.groupby("measure").mean()
