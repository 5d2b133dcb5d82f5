"""Regressions with a model's yes or no corrected by labels: as the outcome, and as a covariate of counts such as likes.

As the outcome, the pseudo-outcome D̃ takes the place of the label. As a covariate it may, too, where what is measured
is a yes or no D: the score of an image is D s(1) + (1 − D) s(0), with s(d) its score if D were d, and so linear in D.
Images are drawn for labelling by the model alone, so D̃ has the expectation of D whatever else an image has, likes too,
and the sum of these scores that of the labels. So each image enters twice: with D = 1 and the weight D̃, and with D = 0
and the weight 1 − D̃. A plain regression on the model's column gives a ratio that is too near to 1, or worse.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Floats
from twigma.analysis.measurement.estimates import (
    Labelled,
    Measure,
    coefficient_rows,
    without_limits,
)
from twigma.analysis.measurement.regression import Fit, regress

Bools = npt.NDArray[np.bool_]


def outcome_regression(
    data: Labelled, terms: Mapping[str, Floats], rows: Any = slice(None)
) -> pd.DataFrame:
    """The linear regression of what is measured on terms such as months and clusters, by estimator.

    Parameters
    ----------
    terms : float [n] by name, of all images; of rank with a constant, which is added.
    rows : bool [n] or slice, the images it is of.

    Returns
    -------
    DataFrame (term, estimator, value, low, high, n, labels, authors, effective): how far the share differs for one more
    of a term, the others held the same. Limits are NaN where fewer than 5 labels of either kind are among the images of
    a term of 0 and 1.
    """
    columns = list(terms.values())
    design = np.column_stack([np.ones(len(data.flag)), *columns])
    fits = data.fits(design, rows)
    tables = []
    for place, (term, column) in enumerate(terms.items(), 1):
        table = coefficient_rows(data, fits, rows, term=place)
        members = _members(column, rows)
        tables.append(without_limits(table, data, members).assign(term=term))
    return _term_first(pd.concat(tables, ignore_index=True))


def _members(column: Floats, rows: Any) -> Bools:
    """The images of these rows that a dummy marks; all of them for any other term."""
    chosen = np.zeros(len(column), bool)
    chosen[rows] = True
    is_dummy = set(np.unique(column[chosen])) <= {0.0, 1.0}
    return chosen & (column == 1) if is_dummy else chosen


def _term_first(table: pd.DataFrame) -> pd.DataFrame:
    others = [name for name in table if name != "term"]
    return table[["term", *others]]


def rate_ratio(
    data: Labelled,
    counts: Any,
    terms: Mapping[str, Floats] | None = None,
    rows: Any = slice(None),
) -> pd.DataFrame:
    """The rate ratio of counts of images that are what is measured against others: Poisson regression, by estimator.

    Parameters
    ----------
    counts : float [n], at least 0, such as likes; images with NaN are left out.
    terms : float [n] by name, held the same.
    rows : bool [n] or slice, the images it is of.

    Returns
    -------
    DataFrame (estimator, value, low, high, n, labels, authors, effective), `value` being the ratio; intervals by the
    jackknife over authors, none for fewer than 5 labels of either kind.
    """
    y = np.asarray(counts, dtype=np.float64)
    chosen = np.zeros(len(y), bool)
    chosen[rows] = True
    chosen &= np.isfinite(y)
    others = np.column_stack([np.ones(len(y)), *(terms or {}).values()])
    fits = {}
    for name, measure in data.measures(chosen).items():
        try:
            fits[name] = _poisson(measure, y, others, data.author_codes)
        except ValueError:
            # There are too few labels for one estimator; the others stand.
            continue
    table = coefficient_rows(data, fits, chosen, term=0)
    logs = without_limits(table, data, chosen)
    return logs.assign(
        **{name: np.exp(logs[name]) for name in ("value", "low", "high")}
    )


def _poisson(measure: Measure, y: Floats, others: Floats, authors: Any) -> Fit:
    """The regression in which each image is there as what is measured, and as not, with the weights of both."""
    rows, is_it = measure.rows, measure.values
    yes = np.column_stack([np.ones(len(is_it)), others[rows]])
    no = np.column_stack([np.zeros(len(is_it)), others[rows]])
    fit = regress(
        np.tile(y[rows], 2),
        np.concatenate([yes, no]),
        np.tile(authors[rows], 2),
        family="poisson",
        weights=np.concatenate(
            [measure.weights * is_it, measure.weights * (1 - is_it)]
        ),
        degrees=measure.degrees,
    )
    return replace(fit, n=len(is_it))
