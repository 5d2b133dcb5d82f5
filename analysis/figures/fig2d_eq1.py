"""The figures on likes: means by quintile of similarity (Fig 2d), and Eq (1) with its sensitivities.

`twigma analyze` runs them through `figures.FIGURES`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twigma.analysis.inference.sample_weights import notes
from twigma.analysis.inputs.load import Images, Inputs
from twigma.analysis.inputs.reference_similarity import reference_similarity
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.neighbours.search import TOP_K


def fig2d(role: str) -> Callable[[Inputs, Settings], Result]:
    """Likes against similarity to one role of reference."""

    def run(data: Inputs, settings: Settings) -> Result:
        from twigma.analysis.likes.quintiles import likes_by_quintile, quintiles

        similarity, weights = _similarity(data, settings, role), data.images.weights()
        likes, blocks = data.images.values("like_count"), _owners(data.images)
        table = likes_by_quintile(
            quintiles(similarity, weights), likes, weights, blocks
        )
        level = {
            f"similarity/{role}": {
                "value": float(similarity.mean()),
                "n": len(similarity),
            }
        }
        values = entries(table, f"likes/{role}", ["quintile"], "mean") | level
        return Result(
            int(table["n"].sum()),
            {f"fig2d_{role}": table},
            values,
            weighted(data.images),
        )

    return run


def eq1(role: str) -> Callable[[Inputs, Settings], Result]:
    """Eq (1) as the paper prints it, and with standard errors that know about authors."""

    def run(data: Inputs, settings: Settings) -> Result:
        from twigma.analysis.likes import eq1 as likes

        given = _regressed(data, settings, role)
        table = pd.concat(
            [likes.eq1(**given, mode="paper"), likes.eq1(**given, mode="robust")],
            ignore_index=True,
        )
        values = entries(table, f"eq1/{role}", ["mode", "term"], "irr")
        return Result(
            int(table["n"].max()), {f"eq1_{role}": table}, values, weighted(data.images)
        )

    return run


def eq1_sensitivity(role: str) -> Callable[[Inputs, Settings], Result]:
    """Eq (1) under other assumptions; the dummies of months and covariates are left out of the table."""

    def run(data: Inputs, settings: Settings) -> Result:
        from twigma.analysis.likes import eq1 as likes

        images, similarity = data.images, _similarity(data, settings, role)
        extra = {
            "months": _months(images),
            "similarity": similarity,
            "covariates": _covariates(images),
        }
        table = likes.eq1_sensitivity(**_regressed(data, settings, role), **extra)
        table = table[
            table["term"].str.match("followers|quintile|similarity")
        ].reset_index(drop=True)
        values = entries(table, f"eq1_sensitivity/{role}", ["variant", "term"], "irr")
        return Result(
            int(table["n"].max()),
            {f"eq1_{role}_sensitivity": table},
            values,
            weighted(data.images),
        )

    return run


def _regressed(data: Inputs, settings: Settings, role: str) -> dict[str, Any]:
    """What Eq (1) regresses, one value per image with an embedding."""
    from twigma.analysis.likes.quintiles import quintiles

    images, weights = data.images, data.images.weights()
    return {
        "likes": images.values("like_count"),
        "followers": images.values("follower_count"),
        "quintile": quintiles(_similarity(data, settings, role), weights),
        "cluster": images.values("author_id") if images.has("author_id") else None,
        "posts": images.values("id"),
        "weights": weights,
    }


def _owners(images: Images) -> Any:
    """The author of each image where authors are known, else its post: likes hang together within both."""
    return images.values("author_id" if images.has("author_id") else "id")


def weighted(images: Images) -> tuple[str, ...]:
    """The notes that the images were weighted, as a sample or for posts that were lost, where they were."""
    return notes(images.table)


def thinned(images: Images) -> tuple[str, ...]:
    """The same, for measures that have no weights: how many images were drawn by them."""
    weights = images.weights()
    if weights is None:
        return ()
    kept, all_ = len(images.thinned(images.rows)), len(images.rows)
    why = " ".join(
        note.partition(":")[2].strip().capitalize() for note in notes(images.table)
    )
    return (
        f"Of {all_:,} images {kept:,} were drawn by their weights, so that all of the list count the same. {why}",
    )


def _similarity(data: Inputs, settings: Settings, role: str) -> NDArray[np.float32]:
    """Mean of the five largest similarities to a role's images, [n]."""
    found = reference_similarity(data, settings, role)
    if found.size < TOP_K:
        raise ValueError(
            f"expected at least {TOP_K} images of {getattr(settings, role)} to compare with, found {found.size}"
        )
    return found.mean


def _months(images: Images) -> Any:
    dates = pd.Series(images.values("created_at")) if images.has("created_at") else None
    return None if dates is None else dates.dt.strftime("%Y-%m")


def _covariates(images: Images) -> dict[str, Any] | None:
    """What else may move likes, as one label so that its parts cannot be collinear: theme, and sensitive or not."""
    names = [name for name in ("label_10_cluster", "nsfw_score") if images.has(name)]
    frame = pd.DataFrame({name: images.values(name) for name in names})
    if "nsfw_score" in frame:
        frame["nsfw_score"] = (frame["nsfw_score"] > 0.5).where(
            frame["nsfw_score"].notna()
        )
    label = (
        frame.astype(str).agg("/".join, axis=1).where(frame.notna().all(axis=1))
        if names
        else None
    )
    return None if label is None else {"content": label}
