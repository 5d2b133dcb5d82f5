"""Compares what was planted in a demo world with what the product recovered; `twigma demo` prints it.

`truths` is the pure comparison of loaded pieces; `read_truths` reads them from the folders of a run.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from twigma.core import columns
from twigma.core.workspace import AnyWorkspace, Workspace

Values = Mapping[str, Mapping[str, Any]]
OURS = "twigma"  # the name of the posts' images in the results
Z = 1.96
NAN = float("nan")


@dataclass(frozen=True)
class Row:
    """One planted truth: its name, the planted and the recovered value, the tolerance in words, and the verdict."""

    truth: str
    planted: str
    recovered: str
    tolerance: str
    ok: bool


def truths(
    truth: Mapping[str, Any],
    photos: pd.DataFrame,
    images: pd.DataFrame,
    fetched: Mapping[str, int],
    outcomes: Mapping[str, int],
    *,
    values: Values,
) -> list[Row]:
    """Every planted truth beside what was recovered.

    Parameters
    ----------
    truth : content of `truth.json`.
    photos : `truth_images.parquet`: image_name, theme, caption, nsfw, duplicate_of, duplicate_kind, answer.
    images : the images table with the columns of all stages: id, image_name, created_at, all_captions, nsfw_score,
        duplicate_of, duplicate_reason, cluster (the label, whatever the name of its column).
    fetched : photos by status of the fetch.
    outcomes : ids asked for by outcome of the look-up.
    values : numbers of the analyses by key, as in `results.json`: {value, low, high, se, arrow, ...}; the keys used
        are growth, trend/CLUSTER, eq1/paintings/robust/TERM, kl/twigma/prompts, distance/SET and ratio/same prompt.
    """
    known = images.merge(photos, on="image_name", how="left", suffixes=("", "_planted"))
    kept = known[known["duplicate_of"].isna() & known["cluster"].notna()]
    return [
        *_gathered(truth, images, fetched, outcomes),
        *_duplicates(truth, known),
        *_described(truth, kept),
        *_drift(truth, kept, values),
        *_measured(truth, values),
    ]


def read_truths(
    world: Path, work: AnyWorkspace, dataset: Path, results: Mapping[str, Any]
) -> list[Row]:
    """The rows of `truths` for a run: its world, working folder, release, and the content of `results.json`."""
    import json

    import pyarrow.parquet as pq

    from twigma.rehydrate.images.shards import read_sidecars
    from twigma.rehydrate.ledger.ledger import Ledger

    truth = json.loads((world / "truth.json").read_text("utf-8"))
    photos = pq.read_table(world / "truth_images.parquet").to_pandas()
    table = Workspace(work).table("caption", "nsfw", "dedupe", "cluster")
    label = columns.find_label_column(table.column_names)
    images = table.to_pandas().rename(columns={label: "cluster"})
    # A photo on several posts counts once, as among the planted ones.
    fetched = read_sidecars(work).select(["image_name", "status"]).to_pandas()
    status = fetched.drop_duplicates("image_name")["status"]
    with Ledger(work) as ledger:
        outcomes = ledger.counts()
    return truths(
        truth,
        photos,
        images,
        Counter(status),
        outcomes,
        values=results["values"],
    )


def summary(rows: list[Row]) -> str:
    """The rows as a table of text, and how many were recovered."""
    lines = [f"{'truth':38}{'planted':>10}{'recovered':>11}   within tolerance"]
    for row in rows:
        verdict = "yes" if row.ok else "NO "
        values = f"{row.truth:38}{row.planted:>10}{row.recovered:>11}"
        lines.append(f"{values}   {verdict}  {row.tolerance}")
    recovered = sum(row.ok for row in rows)
    lines += ["", f"{recovered} of {len(rows)} planted truths recovered"]
    return "\n".join(lines)


# ------------------------------------------------------------------ comparisons


def _same(name: str, planted: Any, recovered: Any) -> Row:
    return Row(name, str(planted), str(recovered), "equal", planted == recovered)


def _near(
    name: str, planted: float, recovered: float, tolerance: float, words: str = ""
) -> Row:
    close = bool(abs(recovered - planted) <= tolerance)
    words = words or f"± {tolerance:.3g}"
    return Row(name, f"{planted:.4g}", f"{recovered:.4g}", words, close)


def _least(name: str, recovered: float, least: float) -> Row:
    return Row(name, "1", f"{recovered:.4g}", f"≥ {least:g}", bool(recovered >= least))


def _number(values: Values, key: str, field: str = "value") -> float:
    value = values.get(key, {}).get(field)
    return NAN if value is None else float(value)


def _gathered(
    truth: Mapping[str, Any],
    images: pd.DataFrame,
    fetched: Mapping[str, int],
    outcomes: Mapping[str, int],
) -> Iterator[Row]:
    """Ids by outcome, rows of the images table, and photos by status of the fetch."""
    for outcome in ("found", "not_found", "unauthorized", "suspended", "absent"):
        yield _same(
            f"ids {outcome}",
            truth["outcomes"].get(outcome, 0),
            outcomes.get(outcome, 0),
        )
    yield _same("rows of the images table", truth["rows"], len(images))
    yield _same("photos fetched", truth["fetched"], fetched.get("success", 0))
    lost = truth["photos"] - truth["fetched"]
    yield _same("photos lost", lost, sum(fetched.values()) - fetched.get("success", 0))
    yield _same(
        "photos gone (404)", truth["answers"].get("404", 0), fetched.get("http_404", 0)
    )


def _duplicates(truth: Mapping[str, Any], known: pd.DataFrame) -> Iterator[Row]:
    """Each kind of copy by the reason it is found for, and how many others are taken for copies."""
    reason, kind = known["duplicate_reason"], known["duplicate_kind"]
    yield _same(
        "the same photo on a later post",
        truth["duplicates"]["media_id"],
        int((reason == "media_id").sum()),
    )
    first = known[reason != "media_id"]
    allowed = {
        "identical": ("embedding", "pixels"),
        "reencoded": ("near", "embedding", "pixels"),
    }
    for planted, reasons in allowed.items():
        copies = first[first["duplicate_kind"] == planted]
        caught = copies["duplicate_reason"].isin(reasons).sum()
        yield _same(
            f"{planted} copies under a new media id",
            truth["duplicates"][planted],
            int(caught),
        )
    marked = reason.notna() & (reason != "media_id")
    wrong = int((marked & kind.isna()).sum())
    yield _near(
        "others taken for copies", 0, wrong, 0.005 * len(known), "≤ 0.5% of rows"
    )


def _described(truth: Mapping[str, Any], kept: pd.DataFrame) -> Iterator[Row]:
    """Clusters, captions and NSFW scores of the kept images against what they show."""
    from sklearn.metrics import adjusted_rand_score, roc_auc_score

    ari = adjusted_rand_score(kept["theme"], kept["cluster"])
    yield _least("clusters are themes (ARI)", ari, 0.9)
    words = kept["all_captions"].fillna("").str.split()
    pairs = zip(kept["theme"], words, strict=True)
    right = [theme in caption for theme, caption in pairs]
    yield _least("captions name the subject", float(np.mean(right)), 0.8)
    veiled = kept["nsfw"].to_numpy(bool)
    score = kept["nsfw_score"].to_numpy(float)
    share = float((score > 0.5).mean())
    yield _near("share of NSFW images", truth["nsfw_share"], share, 0.02)
    yield _least("NSFW score separates (AUC)", roc_auc_score(veiled, score), 0.95)


def _drift(
    truth: Mapping[str, Any], kept: pd.DataFrame, values: Values
) -> Iterator[Row]:
    """Which themes rise and fall, by the arrow of the cluster that most of a theme's images are in."""
    cluster = kept.groupby("theme")["cluster"].agg(
        lambda labels: int(labels.mode().iloc[0])
    )
    for direction, arrow in (("rising", "↑"), ("falling", "↓")):
        for theme in truth[direction]:
            trend = values.get(f"trend/{cluster.get(theme)}", {})
            recovered = str(trend.get("arrow", "absent"))
            ok = recovered == arrow
            yield Row(f"{theme} is {direction}", arrow, recovered, "equal", ok)


def _measured(truth: Mapping[str, Any], values: Values) -> Iterator[Row]:
    """Growth, Eq (1), KL and distances against the analyses."""
    rate = np.expm1(truth["growth_per_month"])
    yield _near("growth per month", rate, _number(values, "growth"), 0.015)
    yield from _ratios(truth, values)
    yield from _divergence(truth, values)
    yield from _distances(truth, values)
    ratio = _number(values, "ratio/same prompt")
    yield _near("same/different prompt", truth["within_between"], ratio, 0.02)


def _divergence(truth: Mapping[str, Any], values: Values) -> Iterator[Row]:
    planted = truth["kl_posts_prompts"]
    if planted is None:
        # A world too small for prompts of every theme has no finite one.
        return
    key = "kl/twigma/prompts"
    width = _number(values, key, "high") - _number(values, key, "low")
    four_sd = 4 * width / (2 * Z)
    yield _near("KL(posts‖prompts)", planted, _number(values, key), four_sd, "4 sd")


def _distances(truth: Mapping[str, Any], values: Values) -> Iterator[Row]:
    """The mean distance of each set, and whether sets that are clearly apart come in the planted order."""
    distances: Mapping[str, float] = truth["distances"]
    recovered = {}
    for name, planted in distances.items():
        key = f"distance/{OURS if name == 'posts' else name}"
        recovered[name] = _number(values, key)
        tolerance = 0.02 * planted
        yield _near(f"distance, {name}", planted, recovered[name], tolerance, "2%")
    pairs = permutations(distances, 2)
    apart = [(a, b) for a, b in pairs if distances[a] > 1.04 * distances[b]]
    in_order = [(a, b) for a, b in apart if recovered[a] > recovered[b]]
    yield _same("pairs of sets over 4% apart, in order", len(apart), len(in_order))


def _ratios(truth: Mapping[str, Any], values: Values) -> Iterator[Row]:
    """The rate ratios of Eq (1), each within four author-clustered standard errors on the log scale."""
    quintiles, followers = truth["quintile_irr"], truth["follower_irr"]
    # Quintile 5 and authors with under 500 followers are the reference levels.
    terms = {f"quintile {fifth}": quintiles[fifth] for fifth in ("1", "2", "3", "4")}
    terms["followers 500-5000"] = followers["500-5000"]
    terms["followers > 5000"] = followers[">5000"]
    for term, planted in terms.items():
        key = f"eq1/paintings/robust/{term}"
        ratio, se = _number(values, key), _number(values, key, "se")
        near = bool(abs(np.log(ratio) - np.log(planted)) <= 4 * se)
        yield Row(
            f"Eq (1), {term}",
            f"{planted:.4g}",
            f"{ratio:.4g}",
            f"4 se ({se:.3f})",
            near,
        )
