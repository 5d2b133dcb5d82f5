"""Each figure of the paper as one entry of `FIGURES`: what it needs, and the function that computes it.

`twigma analyze` runs those whose needs are met.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from twigma.analysis.figures import checks
from twigma.analysis.figures.beyond_paper import set_metrics
from twigma.analysis.figures.fig2d_eq1 import (
    eq1,
    eq1_sensitivity,
    fig2d,
    thinned,
    weighted,
)
from twigma.analysis.inference.sample_weights import sample_weights
from twigma.analysis.inputs.load import OURS, Inputs
from twigma.analysis.inputs.requirements import Figure, Result, Settings, entries

# ------------------------------------------------------------- one function a figure


def fig1b(data: Inputs, settings: Settings) -> Result:
    """Posts per month and their growth."""
    from twigma.analysis.themes import timeline

    months = timeline.posts_per_month(data.images.table)
    n = int(months["sampled" if "sampled" in months else "posts"].sum())
    tables, values = {"fig1b": months}, {"growth": dict(timeline.growth(months))}
    if data.lost is not None:
        tables["survival"] = data.lost
        values |= entries(data.lost, "survival", ["stratum"], "share")
    return Result(n, tables, values, weighted(data.images))


def fig1c(data: Inputs, settings: Settings) -> Result:
    """Frequent words of the posts."""
    from twigma.analysis.themes import timeline

    words = timeline.frequent_words(data.images.table)
    return Result(int(words["count"].sum()), {"fig1c": words})


def fig2a(data: Inputs, settings: Settings) -> Result:
    """All sets on one map."""
    from twigma.analysis.comparison import joint_map

    points = joint_map.joint_map(data.sets(), settings.projection, seed=settings.seed)
    table = joint_map.overlaps(points)
    return Result(
        len(points),
        {"fig2a": points, "fig2a_overlap": table},
        entries(table, "overlap", ["set_a", "set_b"], "overlap"),
        thinned(data.images),
    )


def fig2b(data: Inputs, settings: Settings) -> Result:
    """Four clusters of the pooled sets."""
    from twigma.analysis.comparison.cluster_shares import cluster_shares

    sets = data.sets()
    by = settings.photographs if settings.photographs in sets else None
    table = cluster_shares(sets, k=4, seed=settings.seed, by=by)
    values = entries(table, "share", ["set", "cluster"], "share")
    return Result(int(table["n"].max()), {"fig2b": table}, values, thinned(data.images))


def fig2c(data: Inputs, settings: Settings) -> Result:
    """Quantised KL between the sets."""
    from twigma.analysis.comparison.divergence import kl_matrix

    sets = data.sets()
    table, paper = (
        kl_matrix(sets, mode=mode, seed=settings.seed) for mode in ("robust", "paper")
    )
    values = entries(table, "kl", ["row", "column"], "kl") | entries(
        paper, "kl_paper", ["row", "column"], "kl"
    )
    tables = {"fig2c": pd.concat([table, paper], ignore_index=True)}
    return Result(int(table["n"].max()), tables, values, thinned(data.images))


def fig2c_sensitivity(data: Inputs, settings: Settings) -> Result:
    """Other divergences and estimators of the same pairs."""
    from twigma.analysis.comparison.divergence_sensitivity import kl_sensitivity

    table = kl_sensitivity(data.sets(), seed=settings.seed)
    return Result(
        int(table["n"].max()), {"fig2c_sensitivity": table}, notes=thinned(data.images)
    )


def fig3ab(data: Inputs, settings: Settings) -> Result:
    """Mean pairwise distance, IEV, PMV, entropy and Vendi score of the sets, and within artists and prompts."""
    from twigma.analysis.variation.groups import same_different_ratio
    from twigma.analysis.variation.spread import METRICS, variation_table

    groups = checks.grouped(data, settings)
    table = variation_table(
        data.sets(), groups, seed=settings.seed, blocks=checks.blocks(data)
    )
    found = pd.concat([_metric(table, metric) for metric in METRICS], ignore_index=True)
    values = entries(found, "", ["metric", "set"], "value")
    tables = {
        "fig3a": _metric(table, "distance").drop(columns="metric"),
        "fig3b": table,
    }
    if groups:
        ratios = [
            same_different_ratio(*given, seed=settings.seed).assign(set=label)
            for label, given in groups.items()
        ]
        tables["fig3a_ratio"] = pd.concat(ratios, ignore_index=True)
        values |= entries(tables["fig3a_ratio"], "ratio", ["set"], "ratio")
    return Result(int(table["n"].max()), tables, values, thinned(data.images))


def _metric(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric of `variation_table` in long form: metric, set, value, low, high, groups, n."""
    names = {metric: "value", f"{metric}_low": "low", f"{metric}_high": "high"}
    return table.rename(columns=names)[["set", *names.values(), "groups", "n"]].assign(
        metric=metric
    )


def fig3c(data: Inputs, settings: Settings) -> Result:
    """Length of a prompt against the distance between its images."""
    from twigma.analysis.variation import prompts

    x, labels, notes = checks.by_prompt(data, settings)
    table = prompts.prompt_variation(x, labels, seed=settings.seed)
    return Result(
        int(table["images"].sum()),
        {"fig3c": table},
        {"prompt_tau": dict(prompts.kendall(table))},
        notes,
    )


def conditional_vendi(data: Inputs, settings: Settings) -> Result:
    """The Vendi score of the images by prompt, split in what prompts bring and what the model adds."""
    from twigma.analysis.variation.conditional_vendi import (
        conditional_vendi as measured,
    )

    x, labels, notes = checks.by_prompt(data, settings)
    table = measured(x, labels, seed=settings.seed)
    values = entries(table, "prompt_vendi", ["measure"], "value")
    return Result(int(table["n"].max()), {"prompt_vendi": table}, values, notes)


def fig3d(data: Inputs, settings: Settings) -> Result:
    """How varied prompts are beside other texts of their lengths."""
    from twigma.analysis.variation.text_variation import text_variation

    table = text_variation(data.texts, settings.prompts, seed=settings.seed)
    return Result(
        int(table["n"].sum()),
        {"fig3d": table},
        entries(table, "texts", ["set"], "distance"),
    )


def fig4a(data: Inputs, settings: Settings) -> Result:
    """The map of the images and when they were posted."""
    from twigma.analysis.themes import timeline

    frame = (
        data.images.table.select(["UMAP_dim_1", "UMAP_dim_2", "created_at"])
        .to_pandas()
        .dropna()
    )
    place = frame[["UMAP_dim_1", "UMAP_dim_2"]].to_numpy(float)
    drift = timeline.drift(place, frame["created_at"].to_numpy(), seed=settings.seed)
    rows = np.random.default_rng(settings.seed).permutation(len(frame))[:20_000]
    points = frame.iloc[np.sort(rows)].reset_index(drop=True)
    return Result(len(frame), {"fig4a": points}, {"drift": dict(drift)})


def fig4b(data: Inputs, settings: Settings) -> Result:
    """Share of each cluster per month, and which rise or fall."""
    from twigma.analysis.themes.timeline import cluster_share
    from twigma.analysis.themes.trends import trend_table

    shares = cluster_share(data.images.table)
    trends = trend_table(
        shares.rename(columns={"cluster": "group"})[["month", "group", "share"]]
    )
    values = entries(trends, "trend", ["group"], "tau")
    return Result(
        int(shares["n"].sum()),
        {"fig4b": shares, "fig4b_trends": trends},
        values,
        weighted(data.images),
    )


def fig4c(data: Inputs, settings: Settings) -> Result:
    """Words of each cluster's captions: the most frequent, and the most telling."""
    from twigma.analysis.themes.captions_and_nsfw import top_words

    frame = data.images.table.select(["all_captions", "label_10_cluster"]).to_pandas()
    frame = frame.dropna(subset=["label_10_cluster"])
    captions, labels = (
        frame["all_captions"].tolist(),
        frame["label_10_cluster"].to_numpy(int),
    )
    tables = {
        f"fig4c_{by}": top_words(captions, labels, by=by) for by in ("count", "score")
    }
    return Result(int(frame["all_captions"].notna().sum()), tables)


def cluster_images(data: Inputs, settings: Settings) -> Result:
    """Ten random images of each cluster, for the report to show."""
    from twigma.analysis.page.gallery import drawn_images

    table = drawn_images(data.images.table, seed=settings.seed)
    return Result(len(table), {"cluster_images": table})


def concordance(data: Inputs, settings: Settings) -> Result:
    """Whether people's groups and keywords follow the clusters, and one another's groups."""
    from twigma.analysis.inputs.annotation_sheets import read_sheets
    from twigma.analysis.themes import concordance as c

    assert data.sheets is not None  # it is needed
    filled = read_sheets(data.sheets)
    found, between = (
        c.concordance(filled, seed=settings.seed),
        c.between_annotators(filled),
    )
    values = entries(found, "concordance", ["annotator", "measure"], "value")
    values |= entries(between, "annotators", ["annotator_a", "annotator_b"], "value")
    tables = {"concordance": found, "concordance_annotators": between}
    return Result(filled["item"].nunique(), tables, values)


def fig4d(data: Inputs, settings: Settings) -> Result:
    """NSFW scores of every set that has them."""
    from twigma.analysis.themes.captions_and_nsfw import nsfw_density, nsfw_share

    sets = [s for s in (data.images, *data.references.values()) if s.has("nsfw_score")]
    scores = {s.name: s.table["nsfw_score"].to_pandas().to_numpy(float) for s in sets}
    weights = {
        s.name: found for s in sets if (found := sample_weights(s.table)) is not None
    }
    share = nsfw_share(scores, weights=weights)
    tables = {"fig4d": nsfw_density(scores, weights=weights), "fig4d_share": share}
    values = entries(share, "nsfw_share", ["set"], "share")
    return Result(
        int(share["n"].sum()),
        tables,
        values,
        weighted(data.images) if OURS in weights else (),
    )


def fig4e(role: str) -> Callable[[Inputs, Settings], Result]:
    """Images most similar to one role of reference."""

    def run(data: Inputs, settings: Settings) -> Result:
        from twigma.analysis.comparison.hubness import csls
        from twigma.analysis.inputs.reference_similarity import reference_similarity
        from twigma.analysis.page.gallery import sensitive
        from twigma.analysis.themes.similar_pairs import neighbour_pairs

        images, reference = data.images, data.references[getattr(settings, role)]
        names, others = (
            list(images.values("image_name")),
            list(reference.values("image_name")),
        )
        given = (images.embedding, reference.embedding, names, others)
        near = reference_similarity(data, settings, role)
        found = near.similarity, near.row
        table = neighbour_pairs(
            *given, seed=settings.seed, weights=images.weights(), neighbours=found
        )
        again = csls(images.embedding, reference.embedding, table.pop("row"))
        for column, name, each in (
            ("sensitive", "image_name", images),
            ("reference_sensitive", "reference_name", reference),
        ):
            flags = dict(
                zip(
                    each.values("image_name"),
                    sensitive(each.table)[each.rows],
                    strict=True,
                )
            )
            table[column] = table[name].map(flags)
        table["csls"], table["csls_name"] = (
            again["csls"],
            [others[row] for row in again["reference"]],
        )
        if reference.has("group"):
            groups = dict(zip(others, reference.values("group"), strict=True))
            table["group"] = table["reference_name"].map(groups)
        return Result(
            len(images.rows), {f"fig4e_{role}": table}, notes=weighted(images)
        )

    return run


ROLES = ("photographs", "paintings")
LIKES = ("embedding", "like_count")
EQ1 = (*LIKES, "follower_count")
GROUPS = {"same artist": ("@paintings.group",), "same prompt": ("@prompts.group",)}
RELEASED = {"agreement with the released labels": ("label_10_cluster",)}
AUTHORS = {"intervals by author": ("author_id",)}
FIGURES = (
    Figure("fig1b", fig1b, ("created_at",)),
    Figure("fig1c", fig1c, ("text",)),
    Figure("fig2a", fig2a, ("embedding", "@")),
    Figure("fig2b", fig2b, ("embedding", "@")),
    Figure("fig2c", fig2c, ("embedding", "@")),
    Figure("fig2c_sensitivity", fig2c_sensitivity, ("embedding", "@", "thorough")),
    *(Figure(f"fig2d_{role}", fig2d(role), (*LIKES, f"@{role}")) for role in ROLES),
    *(Figure(f"eq1_{role}", eq1(role), (*EQ1, f"@{role}"), AUTHORS) for role in ROLES),
    *(
        Figure(f"eq1_{role}_sensitivity", eq1_sensitivity(role), (*EQ1, f"@{role}"))
        for role in ROLES
    ),
    Figure("fig3ab", fig3ab, ("embedding",), GROUPS),
    Figure("entropy_k", checks.entropies, ("embedding",)),
    Figure("near_duplicates", checks.near_duplicates, ("embedding",)),
    Figure("fig3c", fig3c, ("@prompts", "@prompts.group")),
    Figure("prompt_vendi", conditional_vendi, ("@prompts", "@prompts.group")),
    Figure("fig3d", fig3d, ("texts",)),
    Figure("set_metrics", set_metrics, ("embedding", "@")),
    Figure("fig4a", fig4a, ("UMAP_dim_1", "UMAP_dim_2", "created_at")),
    Figure("fig4b", fig4b, ("label_10_cluster", "created_at")),
    Figure("clusters_k", checks.granularity, ("embedding", "created_at"), RELEASED),
    Figure("fig4c", fig4c, ("all_captions", "label_10_cluster")),
    Figure("cluster_images", cluster_images, ("label_10_cluster",)),
    Figure("concordance", concordance, ("sheets",)),
    Figure("fig4d", fig4d, ("nsfw_score",)),
    *(
        Figure(f"fig4e_{role}", fig4e(role), ("embedding", f"@{role}"))
        for role in ROLES
    ),
)
