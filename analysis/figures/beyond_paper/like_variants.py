"""Eq (1) under other assumptions: by post, by month, by age, within authors; and the likes of NSFW images."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from twigma.analysis.figures.contract import (
    ROLES,
    Chapter,
    Figure,
    set_name,
    weighting_notes,
)
from twigma.analysis.figures.fig2d_eq1 import BY_AUTHOR, NEEDS, QUINTILE, variables_of
from twigma.analysis.figures.fig2d_likes import doubt, mean_similarity
from twigma.analysis.inference.sample_weights import sample_weights
from twigma.analysis.inputs.load import Images, Inputs
from twigma.analysis.inputs.post_age import ages
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.formatting import (
    Table,
    interval,
    listed,
    p_value,
    plural,
    table,
)
from twigma.analysis.page.section import Results, Section, records
from twigma.core import columns
from twigma.core.numeric.months import month_labels

SHOWN = r"followers|quintile|similarity|log\("  # terms of variants
FLAGGED = 0.5  # NSFW score above which an image counts as sensitive
WITHIN = "author fixed effects"

# ------------------------------------------------------------------ Eq (1): computed


def other_assumptions_on(role: str) -> Callable[[Inputs, Settings], Result]:
    """The function that computes Eq (1) under other assumptions for one role of reference."""

    def compute(data: Inputs, settings: Settings) -> Result:
        """Eq (1) winsorised, by post, with months, within authors, and so on.

        Table: `eq1_ROLE_sensitivity` (variant, term, irr, low, high, n, …), without the dummies of months and
        covariates. Values: `eq1_sensitivity/ROLE/VARIANT/TERM`.
        """
        from twigma.analysis.likes.eq1 import eq1_sensitivity

        rates = eq1_sensitivity(
            **variables_of(data, settings, role),
            months=_months(data.images),
            similarity=mean_similarity(data, settings, role),
            covariates=_covariates(data.images),
            age=_ages(data),
        )
        shown = rates["term"].str.match(SHOWN)
        rates = rates[shown].reset_index(drop=True)
        prefix = f"eq1_sensitivity/{role}"
        return Result(
            n=int(rates["n"].max()),
            tables={f"eq1_{role}_sensitivity": rates},
            values=entries(rates, prefix, ["variant", "term"], "irr"),
            notes=weighting_notes(data.images),
        )

    return compute


def _months(images: Images) -> "pd.Series[str] | None":
    """The month of each image as "2022-06", [n]; None without dates."""
    if not images.has("created_at"):
        return None
    return month_labels(pd.Series(images.values("created_at")))


def _ages(data: Inputs) -> Any:
    """Days from each post to the count of its likes, [n]; None where that is not known."""
    images = data.images
    if data.seen is None or not images.has("created_at"):
        return None
    return ages(images.values("id"), images.values("created_at"), data.seen)


def _covariates(images: Images) -> dict[str, Any] | None:
    """What else may move likes: theme, and sensitive or not; one label of both, so that they cannot be collinear."""
    frame = pd.DataFrame()
    if images.has(columns.LABELS):
        frame["cluster"] = images.values(columns.LABELS)
    if images.has("nsfw_score"):
        score = pd.Series(images.values("nsfw_score"))
        frame["sensitive"] = (score > FLAGGED).where(score.notna())
    if frame.empty:
        return None
    label = frame.astype(str).agg("/".join, axis=1)
    complete = frame.notna().all(axis=1)
    return {"content": label.where(complete)}


# ------------------------------------------------------------------ Eq (1): described


def describe_variants(results: Results) -> Section:
    """Whether the least similar fifth differs under each assumption."""
    roles = [role for role in ROLES if f"eq1_{role}_sensitivity" in results.figures]
    claims = [_spread(results, role) for role in roles]
    shown = [results.tables[f"eq1_{role}_sensitivity"] for role in roles]
    n = max(int(rates["n"].max()) for rates in shown)
    claim = "; ".join(claims) + "."
    return Section(
        figure="Eq (1)",
        title="Likes, given more than followers",
        claim=claim[0].upper() + claim[1:],
        basis=f"{plural(n, 'image')}; 95% intervals by the jackknife over authors (posts where authors are not known).",
        paper="Not in the paper.",
        differs="Author fixed effects compare images of one author, so that no difference between authors counts; "
        "authors whose images are all of one group say nothing. Post age is the time from the post to the count of its "
        "likes, and known where the working folder has the pages of the look-up; elsewhere months take its place. The "
        "continuous similarity is per standard deviation, upwards.",
        tables=tuple(
            _variants(results.tables[f"eq1_{role}_sensitivity"], role) for role in roles
        ),
    )


def _spread(results: Results, role: str) -> str:
    """The paper's model, and the one within authors, for the least similar fifth."""
    rates = results.tables[f"eq1_{role}_sensitivity"]
    least = rates[rates["term"] == f"{QUINTILE}1"]
    differ = least[(least["low"] > 1) | (least["high"] < 1)]
    name = set_name(results, role)
    text = f"the likes of the fifth least similar to {name} differ from the most similar one's in {len(differ)} of "
    text += f"{len(least)} models"
    within = least[least["variant"] == WITHIN]
    if len(within):
        row = within.iloc[0]
        text += f"; it got {interval(row['irr'], row['low'], row['high'])} times the likes among images of one author"
        text += doubt(row["low"], row["high"])
    return text


def _variants(rates: pd.DataFrame, role: str) -> Table:
    """A row for each variant, a column for each term."""
    texts = [interval(row.irr, row.low, row.high) for row in records(rates)]
    wide = rates.assign(text=texts).pivot(
        index="variant", columns="term", values="text"
    )
    wide = wide.loc[rates["variant"].unique()].astype(object)
    wide = wide.where(wide.notna(), None)  # a variant may lack a term
    rows = wide.reset_index().to_numpy(object).tolist()
    caption = f"Eq (1) under other assumptions, similarity to {role}"
    return table(caption, ("Variant", *map(str, wide.columns)), rows, folded=True)


# ------------------------------------------------------------------ NSFW


def compute_nsfw_likes(data: Inputs, settings: Settings) -> Result:
    """The rate ratio of likes of NSFW images, with ever more held the same.

    Table: `nsfw_likes`, a row for each adjustment. Values: `nsfw_likes/ADJUSTED`.
    """
    from twigma.analysis.likes.nsfw import nsfw_likes

    rows = data.images.table
    score = rows["nsfw_score"].to_pandas()
    months = topics = authors = None
    if data.images.has("author_id"):
        authors = data.images.numbered("author_id")
    if data.images.has("created_at"):
        months = month_labels(rows["created_at"].to_pandas())
    label = columns.find_label_column(rows.column_names)
    if label is not None:
        topics = rows[label].to_pandas()
    ratios = nsfw_likes(
        rows["like_count"].to_pandas(),
        (score > FLAGGED).where(score.notna()),
        followers=_column(data.images, "follower_count"),
        topics=topics,
        months=months,
        cluster=authors,
        posts=data.images.numbered("id"),
        weights=sample_weights(rows),
    )
    return Result(
        n=int(ratios["n"].max()),
        tables={"nsfw_likes": ratios},
        values=entries(ratios, "nsfw_likes", ["adjusted"], "irr"),
        notes=weighting_notes(data.images),
    )


def _column(images: Images, name: str) -> "pd.Series[Any] | None":
    """A column of all rows [n]; None where no row has it."""
    return images.table[name].to_pandas() if images.has(name) else None


def describe_nsfw_likes(results: Results) -> Section:
    """The ratio with the most held the same."""
    ratios = results.tables["nsfw_likes"]
    first, last = ratios.iloc[0], ratios.iloc[-1]
    ratio = interval(last["irr"], last["low"], last["high"])
    claim = (
        f"NSFW images got {ratio} times the likes of others, {_held(last['adjusted'])}"
    )
    claim += doubt(last["low"], last["high"])
    rows = []
    for row in records(ratios):
        value = interval(row.irr, row.low, row.high)
        rows.append(
            (
                row.adjusted,
                value,
                p_value(row.p),
                row.n,
                row.clusters,
                row.effective_clusters,
            )
        )
    header = ("Held the same", "Rate ratio [95%]", "p", "Images", "Authors", "Worth")
    return Section(
        figure="Likes",
        title="Likes of NSFW images",
        claim=f"{claim}.",
        basis=f"{plural(int(first['n']), 'image')}; NSFW is a score above {FLAGGED}; Poisson regression, intervals "
        f"{first['se_kind']}, by the jackknife.",
        paper="Not in the paper.",
        differs="NSFW images are of other topics, months and authors than the rest. Within one author, topic and month "
        "their ratio is of authors who post both. Worth is the number of authors of equal weight that these count as.",
        tables=(table("Rate ratio of likes, NSFW against others", header, rows),),
    )


def _held(adjusted: str) -> str:
    """What is held the same, in a sentence."""
    if adjusted == "nothing":
        return "nothing else held the same"
    return f"{listed(adjusted.split(', '))} held the same"


# ------------------------------------------------------------------ what they need

EQ1_SENSITIVITY = tuple(
    Figure(
        f"eq1_{role}_sensitivity",
        other_assumptions_on(role),
        (*NEEDS, f"@{role}"),
    )
    for role in ROLES
)
NSFW_LIKES = Figure(
    "nsfw_likes", compute_nsfw_likes, ("like_count", "nsfw_score"), BY_AUTHOR
)
VARIANTS = Chapter(describe_variants, EQ1_SENSITIVITY)
NSFW = Chapter(describe_nsfw_likes, (NSFW_LIKES,))
