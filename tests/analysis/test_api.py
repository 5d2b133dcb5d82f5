"""The Python API: what a notebook types, and what comes back."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import twigma
from twigma import analysis
from twigma.analysis.report import report


def test_every_public_name_is_there_and_has_a_docstring():
    for name in analysis.__all__:
        assert getattr(analysis, name).__doc__, name
    offered = [name for names in analysis._HOMES.values() for name in names]
    assert sorted(analysis.__all__) == sorted(offered)
    assert set(analysis.__all__) <= set(dir(analysis))
    with pytest.raises(AttributeError, match="no attribute 'kl_matrx'"):
        analysis.kl_matrx  # noqa: B018


def test_packages_are_attributes_and_cost_nothing_before():
    code = (
        "import sys, twigma; heavy = {'numpy', 'pandas', 'torch', 'scipy'} & set(sys.modules); "
        "assert not heavy, heavy; twigma.analysis; assert 'scipy' not in sys.modules; "
        "twigma.builder, twigma.rehydrate; print(twigma.analysis.wilson.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "wilson", done.stderr
    with pytest.raises(AttributeError, match="no attribute 'analyses'"):
        twigma.analyses  # noqa: B018


def test_eq1_of_a_sorted_table_is_that_of_its_arrays(rng):
    n = 4000
    df = pd.DataFrame({"author_id": rng.integers(0, 300, n)})
    df["quintile"] = rng.integers(1, 6, n)
    df["follower_count"] = df["author_id"] * 30
    df["like_count"] = rng.poisson(5 + df["quintile"])
    expected = analysis.eq1(
        **{name: df[name].to_numpy() for name in ("quintile",)},
        likes=df["like_count"].tolist(),
        followers=df["follower_count"].to_numpy(),
        cluster=df["author_id"].to_numpy(),
    )
    names = {
        "likes": "like_count",
        "followers": "follower_count",
        "quintile": "quintile",
        "cluster": "author_id",
    }
    pd.testing.assert_frame_equal(analysis.eq1(df, **names), expected)
    shuffled = df.sample(frac=1, random_state=2)
    table = analysis.eq1(shuffled, **names)
    np.testing.assert_allclose(table["se"], expected["se"], rtol=1e-9)
    # A Series of the unsorted table still belongs to the rows of its labels.
    mixed = analysis.eq1(shuffled, **names | {"likes": df["like_count"]})
    pd.testing.assert_frame_equal(mixed, table)
    with pytest.raises(ValueError, match="no column 'likes'; its columns are"):
        analysis.eq1(df, likes="likes")
    with pytest.raises(ValueError, match=r"or values for \['followers', 'quintile'\]"):
        analysis.eq1(likes=df["like_count"])


def test_a_figure_is_that_of_the_report(planted, analysed):
    kl = analysis.figure(
        "fig2c", planted.release, work=planted.work, references=planted.references
    )
    stored = pd.read_parquet(analysed.out / "results" / "fig2c.parquet")
    pd.testing.assert_frame_equal(kl.table, stored)
    page = report(analysed.out).read_text("utf-8")
    assert kl.text and kl.text.split(";")[0][:40] in page.replace("&#39;", "'")
    assert kl.text in repr(kl)
    chart = kl.plot()
    assert len(chart.axes) >= 1
    left, right = type(chart)().subplots(1, 2)
    assert kl.plot(ax=left) is left.figure
    # The chart itself, not a picture of it: its numbers and words are in these axes.
    values = [text.get_text() for text in chart.axes[0].texts]
    assert values and [text.get_text() for text in left.texts] == values
    assert left.get_xlabel() == "Q, the column" and not right.has_data()


def test_figures_that_cannot_be_computed_say_why(planted):
    with pytest.raises(ValueError, match="no figure 'fig9'; there are fig1a, fig1b"):
        analysis.figure("fig9", planted.release)
    with pytest.raises(
        ValueError, match=r"needs a reference set.*twigma reference add"
    ):
        analysis.figure("fig2c", planted.release)
