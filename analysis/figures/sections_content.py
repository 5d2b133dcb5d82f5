"""What the report says of the images and posts themselves (Fig 1b, 1c and 4); `twigma report` prints it."""

import pandas as pd

from twigma.analysis.figures import sections_gallery
from twigma.analysis.page import drawing
from twigma.analysis.page.formatting import (
    Table,
    interval,
    listed,
    number,
    p_value,
    percent,
    percents,
    table,
)
from twigma.analysis.page.section import Results, Section, records
from twigma.analysis.paper import stated

ROLES = ("photographs", "paintings")


def posts(found: Results) -> Section:
    """Fig 1b."""
    header = ("Month", "Posts", "Images", "Posts of the sample")[
        : len(found.tables["fig1b"].columns)
    ]
    months, rate = found.tables["fig1b"], found.values["growth"]
    sense = "grew" if rate["value"] > 0 else "changed"
    doubling = (
        f", doubling every {number(rate['doubling'])} months"
        if rate["doubling"]
        else ""
    )
    return Section(
        "Fig 1b",
        "Posts per month",
        f"Posts {sense} by {percents(rate['value'], rate['low'], rate['high'])} a month{doubling}.",
        f"{number(int(months['posts'].sum()))} posts in {len(months)} months; "
        "log-linear (quasi-Poisson) fit, 95% interval.",
        f"“Steady growth”, no rate stated; {number(stated.POSTS)} posts with {number(stated.IMAGES)} images, "
        f"{stated.FIRST_MONTH} to {stated.LAST_MONTH}.",
        "The paper shows the counts; the growth rate is ours. Its interval takes months as independent.",
        drawing.fig1b(found.tables),
        f"Bar chart of posts per month from {months['month'].iloc[0]} to {months['month'].iloc[-1]}, "
        f"between {number(int(months['posts'].min()))} and {number(int(months['posts'].max()))} posts.",
        (
            table(
                "Posts and images of each month",
                header,
                months.to_numpy(object).tolist(),
                True,
            ),
            *_survival(found),
        ),
    )


def _survival(found: Results) -> list[Table]:
    """What is left of each stratum of the id list, where posts were lost."""
    if "survival" not in found.tables:
        return []
    strata = records(found.tables["survival"])
    rows = [
        (
            r.stratum,
            r.listed,
            r.found,
            percents(r.share, r.low, r.high),
            r.weight,
            r.pooled,
        )
        for r in strata
    ]
    header = ("Stratum", "Listed", "Found", "Left [95%]", "Weight", "Of its month")
    return [
        table(
            "Posts of the id list that are left, by month or month and cluster",
            header,
            rows,
            True,
        )
    ]


def words(found: Results) -> Section:
    """Fig 1c."""
    top = found.tables["fig1c"]
    rows = [
        (row.word, row.count_, percent(row.share))
        for row in records(top.rename(columns={"count": "count_"}))
    ]
    return Section(
        "Fig 1c",
        "Words of the posts",
        f"The words written most often are {listed(top['word'].head(5))}.",
        f"{number(found.figures['fig1c']['n'])} occurrences of the {len(top)} most frequent words; "
        "links, mentions, hashtags and stopwords left out; each post counted once.",
        f"Near the top: {listed(stated.WORDS)}.",
        "",
        drawing.fig1c(found.tables),
        f"Bar chart and word cloud of the most frequent words: {listed(top['word'].head(15))}.",
        (
            table(
                "Most frequent words",
                ("Word", "Times", "Share of all words"),
                rows,
                True,
            ),
        ),
    )


def drift(found: Results) -> Section:
    """Fig 4a."""
    value = found.values["drift"]
    related = value["p"] < 0.05
    return Section(
        "Fig 4a",
        "Where images lie, and when they were posted",
        f"Place on the map and date of the post are {'related' if related else 'not visibly related'}: "
        f"distance correlation {number(value['value'], 2)} ({p_value(value['p'])}); 0 is independent, 1 determined.",
        f"{number(found.figures['fig4a']['n'])} images; the correlation on a sample of {number(value['n'])}, which its "
        "p-value takes as independent.",
        "Shown as a map only; no number stated.",
        "The paper shows the drift; the bias-corrected distance correlation is ours.",
        drawing.fig4a(found.tables),
        "Scatter plot of the UMAP of the images, coloured by the date of the post.",
    )


def trends(found: Results) -> Section:
    """Fig 4b."""
    table_ = found.tables["fig4b_trends"]
    ways = {
        arrow: table_.loc[table_["arrow"] == arrow, "group"].tolist()
        for arrow in ("↑", "↓")
    }
    rows = [
        (r.group, r.arrow, r.tau, p_value(r.p_adjusted), f"{number(100 * r.slope, 2)}")
        for r in records(table_)
    ]
    return Section(
        "Fig 4b",
        "Themes over time",
        f"Rising clusters: {listed(ways['↑'])}; falling: {listed(ways['↓'])}.",
        f"{number(found.figures['fig4b']['n'])} images in {number(int(table_['n'].max()))} months; Mann–Kendall tests, "
        "p-values adjusted by Benjamini and Hochberg.",
        f"On the released labels clusters {listed(stated.FALLING_CLUSTERS)} fall and {listed(stated.RISING_CLUSTERS)} "
        "rise; cluster numbers mean the same only on those labels.",
        "The paper reads trends off the figure; the tests are ours.",
        drawing.fig4b(found.tables),
        "Line charts of each cluster's share of the month's images.",
        (
            table(
                "Trend of each cluster's share",
                ("Cluster", "Trend", "Kendall's τ", "p, adjusted", "Points a month"),
                rows,
            ),
        ),
    )


def themes(found: Results) -> Section:
    """Fig 4c."""
    count, score = found.tables["fig4c_count"], found.tables["fig4c_score"]
    arrows = _arrows(found)
    rows = [
        (c, arrows.get(c, ""), _joined(count, c), _joined(score, c))
        for c in sorted(set(count["cluster"]))
    ]
    overall = (
        count.groupby("word")["count"].sum().sort_values(ascending=False, kind="stable")
    )
    return Section(
        "Fig 4c",
        "What the clusters show",
        f"The captions speak most of {listed(overall.index[:4].tolist())}.",
        f"{number(found.figures['fig4c']['n'])} captions; stopwords and caption boilerplate left out.",
        f"Prominent: {listed(stated.THEME_WORDS)}; clusters {listed(stated.NSFW_CLUSTERS)} are NSFW.",
        "Beside the most frequent words stand the most telling ones (c-TF-IDF). Arrows are Fig 4b's tests.",
        tables=(
            table(
                "Words of each cluster",
                ("Cluster", "Trend", "Most frequent", "Most telling"),
                rows,
            ),
        ),
    )


def _joined(words: pd.DataFrame, cluster: int) -> str:
    return ", ".join(words.loc[words["cluster"] == cluster, "word"].head(8))


def _arrows(found: Results) -> dict[int, str]:
    trends_ = found.tables.get("fig4b_trends")
    return (
        {}
        if trends_ is None
        else dict(zip(trends_["group"], trends_["arrow"], strict=True))
    )


def concordance(found: Results) -> Section:
    """Fig 4c, the annotators."""
    scores, between = (
        found.tables["concordance"],
        found.tables["concordance_annotators"],
    )
    names = {
        "ari": "groups (ARI)",
        "homogeneity": "homogeneity",
        "completeness": "completeness",
    }
    names["keywords"] = "keywords (Jaccard, same less other cluster)"
    ari = scores[scores["measure"] == "ari"]
    parts = [
        f"{interval(r.value, r.low, r.high)} ({r.annotator})" for r in records(ari)
    ]
    rows = [
        (
            r.annotator,
            names[r.measure],
            interval(r.value, r.low, r.high),
            r.noise_975,
            p_value(r.p),
            r.n,
        )
        for r in records(scores)
    ]
    return Section(
        "Fig 4c",
        "People and the clusters",
        f"Agreement of people's groups with the clusters, by the adjusted Rand index (0 chance, 1 the same): "
        f"{listed(parts)}.",
        f"{number(found.figures['concordance']['n'])} images; 95% intervals by the jackknife over images, "
        "p by permutation of the clusters.",
        "Four annotators, ten images of each of ten clusters; agreement is told in words.",
        "The measures are ours. Keywords are compared in the singular, by their ending alone.",
        tables=(
            table(
                "Annotators against the clusters",
                ("Annotator", "What", "Value [95%]", "Chance (97.5%)", "p", "n"),
                rows,
            ),
            table(
                "Annotators against one another (ARI)",
                ("Annotator", "Other annotator", "Value", "n"),
                between.to_numpy(object).tolist(),
                True,
            ),
        ),
    )


def nsfw(found: Results) -> Section:
    """Fig 4d."""
    share = found.tables["fig4d_share"]
    parts = [f"{percents(r.share, r.low, r.high)} of {r.set}" for r in records(share)]
    rows = [(r.set, percents(r.share, r.low, r.high), r.n) for r in records(share)]
    return Section(
        "Fig 4d",
        "Sensitive content",
        f"The detector scores above one half {listed(parts)}.",
        f"{number(found.figures['fig4d']['n'])} scores; Wilson 95% intervals.",
        "Shown as densities only; no share stated.",
        "The detector errs, so this is the share it flags, not the share that is sensitive.",
        drawing.fig4d(found.tables),
        "Densities of the NSFW score of each set on a logarithmic axis, with a line at one half.",
        (
            table(
                "Share scored above one half", ("Set", "Share [95%]", "n"), rows, True
            ),
        ),
    )


def pairs(found: Results) -> Section:
    """Fig 4e."""
    tables = {
        role: found.tables[f"fig4e_{role}"]
        for role in ROLES
        if f"fig4e_{role}" in found.figures
    }
    claims = [
        f"to {role} is {number(float(top['similarity'].iloc[0]))}, and {int((top['p_adjusted'] < 0.05).sum())} of the "
        f"{len(top)} closest pairs are closer than {role} are to one another"
        for role, top in tables.items()
    ]
    return Section(
        "Fig 4e",
        "Most similar images",
        f"The largest similarity {'; '.join(claims)}.",
        f"{number(found.figures[found.of('fig4e_')[0]]['n'])} images; false discovery rate 5% over all of them.",
        "Shown as pairs of pictures, as potential inspiration.",
        "Similar does not mean copied: the null is how close reference images are to one another. “Mutual” pairs are "
        "each other's nearest; a hub is nearest to many images and says little. CSLS ranks each image's ten nearest "
        "again with hubs held back; where it names another image, the pair is less sure.",
        tables=tuple(_closest(role, top) for role, top in tables.items()),
        galleries=tuple(
            shown
            for role, top in tables.items()
            for shown in sections_gallery.pairs(found, role, top)
        ),
    )


def _closest(role: str, top: pd.DataFrame) -> Table:
    header = [
        "Image",
        "Reference image",
        "Similarity",
        "Mutual",
        "Nearest to",
        "By CSLS",
        "p, adjusted",
    ]
    columns = [
        "image_name",
        "reference_name",
        "similarity",
        "mutual",
        "hub",
        "csls_name",
    ]
    rows = [
        [*cells, p_value(p)]
        for *cells, p in top[[*columns, "p_adjusted"]].itertuples(index=False)
    ]
    if "group" in top:
        header, rows = (
            [*header, "By or of"],
            [[*row, group] for row, group in zip(rows, top["group"], strict=True)],
        )
    return table(f"Images most similar to {role}", header, rows, folded=True)
