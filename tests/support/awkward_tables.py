"""Results that are hard to draw, for every chart of the report: `CHARTS`, by the function that draws each.

Each case is what a dataset can be: ten sets, names of 60 characters in any script, one month, months without images,
one cluster with 95% of them, a single row, values that are all equal, intervals that nobody knows, a single author.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from twigma.analysis.comparison.joint_map import densities
from twigma.analysis.vectors.density import density_table

Tables = dict[str, pd.DataFrame]
ROLES = ("photographs", "paintings")
LONG_NAMES = (
    "photographs of everyday life in the streets of a small town 1",
    "photographs of everyday life in the streets of a small town 2",
    "人工知能によって生成された画像のデータセットに関する非常に長い名前" * 2,
    "🎨🖼️🤖👩‍🎨🌈🔥✨🎭🏛️🌍" * 6,
    "مجموعة من الصور التي تم إنشاؤها بواسطة الذكاء الاصطناعي على تويتر",
    "אוסף תמונות שנוצרו על ידי בינה מלאכותית ופורסמו ברשת חברתית אחת",
    "$x_1$ <script>alert(1)</script> &amp; {\\bf a} %s \x07\u202eevil name",
    "W" * 60,
    "ชุดข้อมูลภาพที่สร้างโดยปัญญาประดิษฐ์บนเครือข่ายสังคมออนไลน์ทั้งหมด",
    "набор изображений, созданных искусственным интеллектом, из сети",
)


@dataclass(frozen=True)
class Case:
    """What is awkward about the data, as far as it is not ordinary."""

    sets: tuple[str, ...] = ("twigma", "photographs", "paintings", "prompts")
    months: int = 14
    clusters: int = 6
    rows: int = 40  # images, prompts, words
    events: int = 5
    gaps: bool = False  # every third month has nothing
    dominant: bool = False
    equal: bool = False
    intervals: bool = True
    authors: bool = True

    def values(self, n: int, low: float = 0.1, high: float = 0.9) -> np.ndarray:
        """So many numbers between two: all equal, or the first of them far above the others."""
        if self.equal:
            return np.full(n, (low + high) / 2)
        if self.dominant:
            spread = np.full(n, low + 0.01 * (high - low))
            spread[0] = high
            return spread
        return np.random.default_rng(n).uniform(low, high, n)

    def shares(self, n: int) -> np.ndarray:
        """So many shares that add up to 1."""
        if self.dominant and n > 1:
            return np.array([0.95, *np.full(n - 1, 0.05 / (n - 1))])
        values = self.values(n)
        return values / values.sum()

    def with_limits(self, table: pd.DataFrame, value: str, by: float) -> pd.DataFrame:
        """The table with limits around a column, or unknown ones."""
        width = by * np.abs(table[value]) if self.intervals else np.nan
        return table.assign(low=table[value] - width, high=table[value] + 2 * width)

    def month_names(self) -> list[str]:
        return [
            str(month) for month in np.datetime64("2021-01") + np.arange(self.months)
        ]


CASES = {
    "ordinary": Case(),
    "ten sets": Case(
        sets=tuple(f"set number {i}" for i in range(10)), clusters=20, events=12
    ),
    "long names": Case(sets=LONG_NAMES, events=10, rows=60),
    "one month": Case(months=1),
    "gaps of months": Case(months=27, gaps=True),
    "a dominant cluster": Case(dominant=True, clusters=10),
    "one row": Case(sets=("twigma",), months=1, clusters=1, rows=1, events=1),
    "equal values": Case(equal=True),
    "unknown intervals": Case(intervals=False),
    "a single author": Case(authors=False),
}


@dataclass(frozen=True)
class Chart:
    """The awkward tables of a chart, and which of their columns it has to show, times a factor."""

    tables: Callable[[Case], Tables]
    shows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    factor: float = 1.0
    logarithmic: bool = False  # zero has no place on its axis


def process(case: Case) -> Tables:
    steps = ["Posts found", "Posts with photos", "Images downloaded", "Images released"]
    counts = (10**7 * np.sort(case.values(4))[::-1]).round().astype(int)
    reasons = [f"not fetched: {name}" for name in case.sets]
    left_out = pd.DataFrame({"step": steps[2], "reason": reasons})
    left_out["count"] = (10**5 * case.values(len(reasons))).round().astype(int)
    table = pd.DataFrame({"step": steps, "unit": "images", "count": counts})
    if case.rows == 1:
        table, left_out = table.tail(1), left_out.head(0)
    return {"fig1a": table, "fig1a_left_out": left_out}


def posts(case: Case) -> Tables:
    counts = (1000 * case.values(case.months)).round()
    if case.gaps:
        counts[1::3] = 0
    table = pd.DataFrame({"month": case.month_names(), "posts": counts})
    cut = np.arange(case.months) == case.months - 1
    return {"fig1b": table.assign(cut=cut)}


def words(case: Case) -> Tables:
    plain = [f"word{'o' * (i % 20)}{i}" for i in range(case.rows)]
    names = [name.replace(" ", "") for name in case.sets] + plain
    counts = np.sort((1000 * case.values(case.rows)).round())[::-1]
    table = pd.DataFrame({"word": names[: case.rows], "count": counts.astype(int)})
    return {"fig1c": table}


def joint_map(case: Case) -> Tables:
    tables = []
    for place, name in enumerate(case.sets):
        rng = np.random.default_rng(0 if case.equal else place)
        x, y = rng.normal(size=(2, max(4, case.rows)))
        shift = 0 if case.equal else 3 * place * (1 + 20 * case.dominant)
        tables.append(pd.DataFrame({"set": name, "x": x + shift, "y": y}))
    points = pd.concat(tables, ignore_index=True)
    return {"fig2a": points, "fig2a_density": densities(points)}


def cluster_shares(case: Case) -> Tables:
    tables = []
    for name in case.sets:
        table = pd.DataFrame({"cluster": range(1, 5), "share": case.shares(4)})
        tables.append(table.assign(set=name))
    return {"fig2b": pd.concat(tables, ignore_index=True)}


def divergence(case: Case) -> Tables:
    sets = case.sets if len(case.sets) > 1 else ("twigma", "paintings")
    pairs = [(a, b) for a in sets for b in sets if a != b]
    if len(case.sets) == 1:
        pairs = pairs[:1]
    table = pd.DataFrame(pairs, columns=["row", "column"])
    kl = case.values(len(pairs), 0, 12)
    if not case.intervals:
        kl[0], kl[1] = np.nan, np.inf
    return {"fig2c": table.assign(mode="robust", kl=kl)}


def likes(case: Case) -> Tables:
    tables: Tables = {}
    for times, role in enumerate(ROLES, start=1):
        n = 1 if case.rows == 1 else 5
        means = times * case.values(n, 5, 90)
        table = pd.DataFrame({"quintile": range(1, n + 1), "mean": means})
        table = case.with_limits(table, "mean", 0.02)
        width = 0.3 * table["mean"] if case.authors and case.intervals else np.nan
        robust = {
            "robust_low": table["mean"] - width,
            "robust_high": table["mean"] + width,
        }
        name = case.sets[times % len(case.sets)]
        tables[f"fig2d_{role}"] = table.assign(**robust, set=name)
        similarity = case.values(max(2, case.rows))
        tables[f"fig2d_{role}_similarity"] = density_table(similarity)
    return tables


def rates(case: Case) -> Tables:
    tables: Tables = {}
    for times, role in enumerate(ROLES, start=1):
        parts = []
        for mode in ("paper", "robust"):
            n = 1 if case.rows == 1 else 4
            terms = [f"quintile {i}" for i in range(1, n + 1)] + ["f > 5000"]
            table = pd.DataFrame(
                {"term": terms, "irr": times * case.values(n + 1, 0.7, 9)}
            )
            table = case.with_limits(table, "irr", 0.2 if mode == "robust" else 0.01)
            if mode == "robust" and not case.authors:
                table = table.assign(low=np.nan, high=np.nan)
            parts.append(table[table["term"] != "f > 5000"].assign(mode=mode))
        rates = pd.concat(parts, ignore_index=True)
        # Only one of the two sets is the paper's.
        paper = 1.1 if role == "paintings" else np.nan
        name = case.sets[times % len(case.sets)]
        tables[f"eq1_{role}"] = rates.assign(set=name, paper=paper)
    return tables


def distances(case: Case) -> Tables:
    table = pd.DataFrame({"set": case.sets, "value": case.values(len(case.sets))})
    tables = []
    for place, name in enumerate(case.sets):
        spread = np.random.default_rng(place).normal(0.8, 0.1, max(2, 20 * case.rows))
        distance = np.full(9, 0.5) if case.equal else spread
        tables.append(density_table(distance).assign(set=name))
    density = pd.concat(tables, ignore_index=True)
    return {"fig3a": case.with_limits(table, "value", 0.05), "fig3a_density": density}


def prompts(case: Case) -> Tables:
    lengths = (200 * case.values(case.rows)).round()
    table = {"words": lengths, "distance": case.values(case.rows)}
    return {"fig3c": pd.DataFrame(table)}


def texts(case: Case) -> Tables:
    n = len(case.sets)
    table = pd.DataFrame({"set": case.sets, "distance": case.values(n)})
    base = case.values(n)[::-1].copy()
    base[0] = np.nan  # the prompts themselves have no others to be held against
    table = case.with_limits(table, "distance", 0.1)
    return {"fig3d": table.assign(base_distance=base)}


def drift(case: Case) -> Tables:
    days = np.sort(case.values(case.rows, 0, 28 * case.months - 1)).astype(int)
    places = {
        "UMAP_dim_1": case.values(case.rows),
        "UMAP_dim_2": case.values(case.rows),
    }
    table = pd.DataFrame(places)
    return {
        "fig4a": table.assign(
            created_at=np.datetime64("2021-01-02", "ms") + days.astype("m8[D]")
        )
    }


def trends(case: Case) -> Tables:
    tables = []
    for month, name in enumerate(case.month_names()):
        # The first cluster is the largest, or else the smallest.
        share = np.sort(case.shares(case.clusters))
        if case.dominant:
            share = share[::-1]
        share = share * (1 if case.equal else 1 + 0.2 * np.sin(month))
        if case.gaps and month % 3 == 1:
            share = np.full(case.clusters, np.nan)
        table = pd.DataFrame({"cluster": range(1, case.clusters + 1), "share": share})
        tables.append(table.assign(month=name, n=10))
    return {"fig4b": pd.concat(tables, ignore_index=True)}


def sparkline(case: Case) -> Tables:
    shares = trends(case)["fig4b"]
    return {"fig4b": shares[shares["cluster"] == 1]}


def nsfw(case: Case) -> Tables:
    tables = []
    edges = np.linspace(0, 1, 21)
    for place, name in enumerate(case.sets):
        scores = np.clip(case.values(case.rows) + 0.001 * place, 0, 1)
        table = density_table(scores, bins=edges)
        tables.append(table.assign(set=name))
    return {"fig4d": pd.concat(tables, ignore_index=True)}


def corrected(case: Case) -> Tables:
    parts = []
    for estimator in ("model alone", "labels alone", "corrected"):
        months = pd.DataFrame(
            {"group": case.month_names(), "value": case.values(case.months)}
        )
        months = case.with_limits(months, "value", 0.3).assign(what="month")
        share = pd.DataFrame({"group": [""], "value": [0.97], "what": "share"})
        parts.append(pd.concat([months, share]).assign(estimator=estimator))
    table = pd.concat(parts, ignore_index=True)
    return {"corrected": table.assign(column=case.sets[-1])}


def releases(case: Case) -> Tables:
    outcomes = {"posts": "count", "likes per image": "ratio"}
    for role in ROLES:
        outcomes[f"similarity to {role}"] = "mean"
    events = [*case.sets, *(f"Model {i}" for i in range(case.events))][-case.events :]
    if len(case.sets) == len(LONG_NAMES):
        events = list(case.sets)
    jumps, placebos = [], []
    for outcome, measure in outcomes.items():
        n = len(events)
        values = case.values(n, 0.4, 6) if measure != "mean" else case.values(n) - 0.5
        table = pd.DataFrame({"event": events, "jump": values})
        table = case.with_limits(table, "jump", 0.3)
        named = {"outcome": outcome, "measure": measure}
        jumps.append(table.assign(**named))
        others = pd.DataFrame({"jump": case.values(case.rows, 0.9, 1.2)})
        placebos.append(others.assign(**named))
    return {
        "model_releases": pd.concat(jumps, ignore_index=True),
        "model_releases_placebo": pd.concat(placebos, ignore_index=True),
    }


LIMITS = ("low", "high")
CHARTS = {
    "draw_process": Chart(process, {"fig1a": ("count",)}),
    "draw_sparkline": Chart(sparkline, {"fig4b": ("share",)}, factor=100),
    "draw_posts": Chart(posts, {"fig1b": ("posts",)}),
    "draw_words": Chart(words),
    "draw_map": Chart(joint_map, {"fig2a": ("x", "y")}),
    "draw_clusters": Chart(cluster_shares, {"fig2b": ("share",)}),
    "draw_divergence": Chart(divergence, {"fig2c": ("kl",)}),
    "draw_likes": Chart(
        likes,
        {
            "fig2d_photographs": ("mean", *LIMITS, "robust_low", "robust_high"),
            "fig2d_paintings": ("mean", *LIMITS, "robust_low", "robust_high"),
            "fig2d_paintings_similarity": ("density", *LIMITS),
        },
    ),
    "draw_regression": Chart(
        rates,
        {"eq1_photographs": ("irr", *LIMITS), "eq1_paintings": ("irr", *LIMITS)},
    ),
    "draw_distances": Chart(distances, {"fig3a": ("value", *LIMITS)}),
    "draw_lengths": Chart(prompts, {"fig3c": ("words", "distance")}),
    "draw_texts": Chart(texts, {"fig3d": ("distance", *LIMITS, "base_distance")}),
    "draw_drift": Chart(drift, {"fig4a": ("UMAP_dim_1", "UMAP_dim_2")}),
    "draw_trends": Chart(trends, {"fig4b": ("share",)}, factor=100),
    "draw_nsfw": Chart(nsfw, {"fig4d": ("density", "high")}, logarithmic=True),
    "draw_corrected": Chart(corrected),
    "draw_releases": Chart(
        releases,
        {"model_releases": ("jump", *LIMITS), "model_releases_placebo": ("jump",)},
    ),
}
