"""Shares and trends three ways: what the model says, what the labels say, and the model corrected by the labels.

`twigma analyze --sheets DIR` prints them side by side. All three take images of one author together.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from twigma.analysis.convert import Floats
from twigma.analysis.inference.intervals import block_codes
from twigma.analysis.inference.proportions import block_share
from twigma.analysis.measurement.pseudo_outcomes import pseudo_outcomes
from twigma.analysis.measurement.regression import Family, Fit, regress
from twigma.core.safety.failures import DataError

NAIVE, ALONE, CORRECTED = "model alone", "labels alone", "corrected"
FEWEST = 5  # labels of either kind that an interval needs
COLUMNS = ["estimator", "value", "low", "high", "n", "labels", "authors", "effective"]
Codes = npt.NDArray[np.int64]


class Measure(NamedTuple):
    """What an estimator takes as the truth: values [m] of the images `rows` with their weights, and degrees of freedom.

    `degrees` is None where authors less one are meant.
    """

    values: Floats
    rows: Any
    weights: Floats
    degrees: int | None = None


@dataclass(frozen=True)
class Labelled:
    """Images with a model's value each, and labels of a sample of them. All float64 [n] but `authors`.

    `flag` is what is counted (the model's verdict, 0 or 1, or any number on the scale of the label); `label` is NaN
    where there is none; `probability` is that of being drawn; `weights` are those of the images in a sample of posts.
    `model` are the values that the correction uses, [n] or [n, p], the flag where it is None.
    """

    flag: Floats
    label: Floats
    probability: Floats
    authors: Codes | None = None
    weights: Floats | None = None
    model: Floats | None = None
    seed: int = 0

    @cached_property
    def corrected(self) -> Floats:
        """The pseudo-outcome of every image, float64 [n]."""
        model = self.flag if self.model is None else self.model
        found = pseudo_outcomes(
            model, self.label, self.probability, self.author_codes, seed=self.seed
        )
        return found.values

    @cached_property
    def author_codes(self) -> Codes:
        """The number of each image's author, int64 [n]; images without authors are on their own."""
        if self.authors is None:
            return np.arange(len(self.flag))
        return np.unique(block_codes(self.authors), return_inverse=True)[1]

    @cached_property
    def is_share(self) -> bool:
        """Whether flags are yes or no and labels, which may be means of several people's, from 0 to 1: so is a mean."""
        known = self.label[self.is_labelled]
        within = ((known >= 0) & (known <= 1)).all()
        return bool(within and np.isin(self.flag, (0.0, 1.0)).all())

    @cached_property
    def is_labelled(self) -> npt.NDArray[np.bool_]:
        """Whether each image has a label, bool [n]."""
        return ~np.isnan(self.label)

    def fits(
        self, design: Floats, rows: Any = slice(None), family: Family = "linear"
    ) -> dict[str, Fit]:
        """The regression of the share on a design, by estimator; an estimator that has no fit is left out.

        Parameters
        ----------
        design : float [n, k], of all images.
        rows : bool [n] or slice, the images it is of.
        """
        found = {}
        for name, measure in self.measures(rows).items():
            try:
                found[name] = regress(
                    measure.values,
                    design[measure.rows],
                    self.author_codes[measure.rows],
                    family=family,
                    weights=measure.weights,
                    degrees=measure.degrees,
                )
            except ValueError:
                # There are too few labels for one estimator; the others stand.
                continue
        return found

    def measures(self, rows: Any = slice(None)) -> dict[str, "Measure"]:
        """What each estimator takes as the truth of the images of `rows`, bool [n] or slice; by its name."""
        has_label = np.zeros(len(self.flag), bool)
        has_label[rows] = True
        has_label &= self.is_labelled
        weights = np.ones(len(self.flag)) if self.weights is None else self.weights
        # Only authors with a label tell how far the labels vary.
        degrees = len(np.unique(self.author_codes[has_label])) - 1
        inverse = weights[has_label] / self.probability[has_label]
        return {
            NAIVE: Measure(self.flag[rows], rows, weights[rows]),
            ALONE: Measure(self.label[has_label], has_label, inverse),
            CORRECTED: Measure(self.corrected[rows], rows, weights[rows], degrees),
        }


def share(data: Labelled, rows: Any = slice(None)) -> pd.DataFrame:
    """The share, or the mean, over all images or those of `rows` (bool [n]).

    Returns
    -------
    DataFrame (estimator, value, low, high, n, labels, authors, effective), a row per estimator. A share and its limits
    are within 0 to 1; those of the model alone are Wilson's (`block_share`). Limits are NaN where fewer than 5 labels
    are above one half, or fewer than 5 below: then the labels do not tell how far they vary.
    """
    constant = np.ones((len(data.flag), 1))
    table = coefficient_rows(data, data.fits(constant, rows), rows, term=0)
    if data.is_share:
        # A corrected share may itself be outside.
        limited = table[["value", "low", "high"]].clip(0.0, 1.0)
        table = table.assign(**limited)
        table = _with_wilson(table, data, rows)
    return without_limits(table, data, rows)


def _with_wilson(table: pd.DataFrame, data: Labelled, rows: Any) -> pd.DataFrame:
    """The table with the model's share as Fig 4d has it: Wilson's interval, of as many images as authors are worth."""
    measure = data.measures(rows)[NAIVE]
    authors = data.author_codes[measure.rows]
    weights = None if data.weights is None else measure.weights
    found = block_share(measure.values > 0, authors, weights)
    is_naive = table["estimator"] == NAIVE
    cells = {"low": found.low, "high": found.high, "effective": found.blocks}
    for name, cell in cells.items():
        table[name] = table[name].mask(is_naive, cell)
    return table


def shares_by(data: Labelled, groups: Any) -> pd.DataFrame:
    """The share in each group of images (a month, a cluster).

    Parameters
    ----------
    groups : a label per image [n], None or NaN where it has none.

    Returns
    -------
    DataFrame (group, estimator, …) as `share`, groups ascending.
    """
    codes, names = pd.factorize(pd.Series(groups), sort=True)
    tables = []
    for code, name in enumerate(names):
        table = share(data, codes == code)
        table.insert(0, "group", name)
        if len(table):
            tables.append(table)
    if not tables:
        return pd.DataFrame(columns=["group", *COLUMNS])
    return pd.concat(tables, ignore_index=True)


def monthly_trend(data: Labelled, months: Any) -> pd.DataFrame:
    """How far the share changes a month: the slope of the regression of an image's outcome on its month.

    Parameters
    ----------
    months : number of each image's month [n], so that months without posts count; NaN where it has no date.

    Returns
    -------
    As `share`. ValueError where all images are of one month.
    """
    month = np.asarray(months, dtype=np.float64)
    rows = np.isfinite(month)
    if not rows.any() or np.ptp(month[rows]) == 0:
        raise DataError("monthly_trend: expected images of at least 2 months")
    # From the middle, so that the two terms are of one size.
    centred = np.where(rows, month - np.nanmean(month), 0)
    design = np.column_stack([np.ones(len(month)), centred])
    table = coefficient_rows(data, data.fits(design, rows), rows, term=1)
    return without_limits(table, data, rows)


def coefficient_rows(
    data: Labelled, fits: dict[str, Fit], rows: Any, term: int
) -> pd.DataFrame:
    """One coefficient of each estimator.

    Parameters
    ----------
    fits : by estimator. rows : bool [n] or slice, the images they are of. term : the number of the coefficient.

    Returns
    -------
    DataFrame (estimator, value, low, high, n, labels, authors, effective), a row per estimator.
    """
    labels = int(data.is_labelled[rows].sum())
    records = []
    for name, fit in fits.items():
        record = {"estimator": name, **dict(fit.estimate(term))}
        record["labels"] = 0 if name == NAIVE else labels
        record["authors"] = fit.authors
        record["effective"] = fit.effective[term]
        records.append(record)
    return pd.DataFrame(records, columns=COLUMNS)


def without_limits(table: pd.DataFrame, data: Labelled, rows: Any) -> pd.DataFrame:
    """The table, without intervals from labels that are nearly all the same.

    Parameters
    ----------
    table : of `coefficient_rows`, a row per estimator. rows : bool [n] or slice, the images whose labels count.

    Returns
    -------
    DataFrame with the columns of `table`; low and high are NaN where fewer than 5 labels are of either kind.
    """
    chosen = data.label[rows]
    known = chosen[~np.isnan(chosen)]
    above = int((known > 0.5).sum())
    if min(above, len(known) - above) >= FEWEST:
        return table
    by_labels = table["estimator"] != NAIVE
    return table.assign(
        low=table["low"].mask(by_labels), high=table["high"].mask(by_labels)
    )
