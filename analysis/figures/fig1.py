"""Fig 1b and 1c: posts per month, and the words of the posts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twigma.analysis.figures.contract import Chapter, Figure, weighting_notes
from twigma.analysis.inputs.load import Inputs
from twigma.analysis.inputs.requirements import Result, Settings, entries
from twigma.analysis.page.drawing import COLOURS, INK, INVERTED, axes
from twigma.analysis.page.formatting import (
    Table,
    frequent_words,
    listed,
    number,
    percent,
    percents,
    plural,
    table,
)
from twigma.analysis.page.marks import legend_above, months_on_x, names_on_y
from twigma.analysis.page.section import Results, Section, Tables, records
from twigma.analysis.paper import stated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

MOST_BARS = 15  # words drawn as bars
SHOWN_WORDS = 5  # in the sentence
MONTH_COLUMNS = {
    "month": "Month",
    "posts": "Posts",
    "images": "Images",
    "days": "Days covered",
    "cut": "Cut off",
    "sampled": "Posts of the sample",
}
LONGEST_WORD = 16  # columns
CLOUD = (900, 620)  # pixels
PALE = 0.5  # opacity of a bar that is a part of its month

# ------------------------------------------------------------------ Fig 1b: posts per month


def compute_posts(data: Inputs, settings: Settings) -> Result:
    """Posts per month and their growth.

    Tables: `fig1b` (month, posts, images, days, cut), `sampled` where the posts are a sample, and `unit`, "image",
    where all are images on no post, which are then counted as posts; `survival`, a row per stratum of the id list,
    where posts of it were lost.
    Values: `growth` per month; `survival/STRATUM`, the share that is left.
    """
    from twigma.analysis.themes import timeline

    months = timeline.posts_per_month(data.images.table)
    if data.images.is_local:
        # An image added from a file is on no post.
        months = months.assign(unit="image")
    # Of a sample, `posts` is an estimate of the complete list.
    counted = "sampled" if "sampled" in months else "posts"
    tables = {"fig1b": months}
    values = {"growth": dict(timeline.growth(months))}
    if data.lost is not None:
        tables["survival"] = data.lost
        values |= entries(data.lost, "survival", ["stratum"], "share")
    n = int(months[counted].sum())
    weighting = weighting_notes(data.images, of_totals=True)
    notes = (*weighting, *_not_asked_notes(data.not_asked))
    return Result(n, tables, values, notes)


def _not_asked_notes(count: int) -> tuple[str, ...]:
    """That ids of the list were never looked up, as when the budget was spent; empty where all were."""
    if not count:
        return ()
    verb = "was" if count == 1 else "were"
    ids = plural(count, "id")
    return (
        f"{ids} of the list {verb} never looked up: this says nothing of them, and they do not count as lost.",
    )


def draw_posts(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """A bar for each month, pale where the collection covers a part of it."""
    months = tables["fig1b"]
    figure, ax = axes(into=into)
    bars = ax.bar(range(len(months)), months["posts"], color=COLOURS[0], width=0.8)
    cut = np.flatnonzero(months["cut"])
    for place in cut:
        bars[place].set(alpha=PALE, hatch="//")
    if len(cut):
        bars[cut[0]].set_label("part of the month")
        legend_above(ax, [bars[cut[0]]])
    months_on_x(ax, months["month"].tolist())
    ax.grid(axis="x", visible=False)
    ax.set(xlabel="Month (UTC)", ylabel=f"{_unit(months).capitalize()}s")
    return figure


def describe_posts(results: Results) -> Section:
    """How fast the number of posts grew."""
    months = results.tables["fig1b"]
    growth = results.values["growth"]
    posts, first, last = (
        months["posts"],
        months["month"].iloc[0],
        months["month"].iloc[-1],
    )
    unit = _unit(months)
    columns = [name for name in MONTH_COLUMNS if name in months]
    caption = "Posts and images of each month"
    if unit == "image":
        columns.remove("posts")
        caption = "Images of each month"
    header = [MONTH_COLUMNS[name] for name in columns]
    rows = months[columns].to_numpy(object).tolist()
    counts = table(caption, header, rows, folded=True)
    return Section(
        figure="Fig 1b",
        title=f"{unit.capitalize()}s per month",
        claim=f"{_growth(growth, unit)}.",
        basis=f"{plural(int(posts.sum()), unit)} in {len(months)} months; "
        f"log-linear (Poisson) fit, 95% interval.{_cut_off(months)}",
        paper=f"“Steady growth”, no rate stated; {number(stated.POSTS)} posts with {number(stated.IMAGES)} images, "
        f"{stated.FIRST_MONTH} to {stated.LAST_MONTH}.",
        differs="The paper shows the counts; the growth rate is ours. Its interval allows for "
        "months that are like the one before.",
        alt=f"Bar chart of {unit}s per month from {first} to {last}, "
        f"between {number(int(posts.min()))} and {plural(int(posts.max()), unit)}.",
        tables=(counts, *_survival(results)),
    )


def _unit(counts: pd.DataFrame) -> str:
    """What is counted: posts, or images where these are on none."""
    return str(counts["unit"].iloc[0]) if "unit" in counts else "post"


def _growth(growth: Mapping[str, Any], unit: str = "post") -> str:
    """What the interval of the growth allows to say."""
    rate = percents(growth["value"], growth["low"], growth["high"])
    if growth["low"] > 0:
        months = number(growth["doubling"])
        return f"{unit.capitalize()}s grew by {rate} a month, doubling every {months} months"
    if growth["high"] < 0:
        return f"{unit.capitalize()}s fell by {rate} a month"
    return f"No clear growth: {rate} a month"


def _cut_off(months: pd.DataFrame) -> str:
    """A sentence on the months that the collection covers in part."""
    parts = []
    for row in records(months[months["cut"]]):
        parts.append(f"{row.month} ({plural(int(row.days), 'day')})")
    if not parts:
        return ""
    verb = "counts" if len(parts) == 1 else "count"
    return f" The collection begins or ends inside {listed(parts)}, which {verb} by these days."


def _survival(results: Results) -> list[Table]:
    """What is left of each stratum of the id list, where posts were lost."""
    if "survival" not in results.tables:
        return []
    rows = []
    for row in records(results.tables["survival"]):
        share = percents(row.share, row.low, row.high)
        rows.append((row.stratum, row.listed, row.found, share, row.weight, row.pooled))
    header = (
        "Stratum",
        "Looked up",
        "Found",
        "Left [95%]",
        "Weight",
        "Of a wider group",
    )
    caption = "Posts of the id list that are left, by month or month and cluster"
    return [table(caption, header, rows, folded=True)]


# ------------------------------------------------------------------ Fig 1c: words of the posts


def compute_words(data: Inputs, settings: Settings) -> Result:
    """Frequent words of the posts. Table: `fig1c` (word, count, share), most frequent first.

    `unit` is "image" there where all texts are those beside images on no post.
    """
    from twigma.analysis.themes import timeline

    words = timeline.frequent_words(data.images.table)
    if data.images.is_local:
        words = words.assign(unit="image")
    n = int(words["count"].sum())
    notes = weighting_notes(data.images, of_totals=True)
    return Result(n, {"fig1c": words}, notes=notes)


def draw_words(tables: Tables, into: "Axes | None" = None) -> "FigureBase":
    """The most frequent words as bars, and all of them as a cloud."""
    words = tables["fig1c"]
    top = words.head(MOST_BARS)
    figure, (bars, cloud) = axes(1, 2, height=4.2, width_ratios=[1, 1.4], into=into)
    bars.barh(range(len(top)), top["count"], color=COLOURS[0])
    names_on_y(bars, top["word"].tolist(), LONGEST_WORD)
    bars.grid(axis="y", visible=False)
    bars.locator_params(axis="x", nbins=4, integer=True)
    bars.set(xlabel="Times written")
    counts = dict(zip(words["word"], words["count"], strict=True))
    picture, missing = _word_cloud(counts)
    cloud.imshow(picture, gid=INVERTED)
    cloud.axis("off")
    if missing:
        note = f"{plural(missing, 'word')} in other scripts:\nsee the table"
        cloud.set_title(note, fontsize=10)
    return figure


def _word_cloud(counts: dict[str, int]) -> tuple[NDArray[np.uint8], int]:
    """A word cloud, uint8 [height, width, 3], and how many words its font cannot write."""
    from matplotlib.ft2font import FT2Font
    from wordcloud import WordCloud
    from wordcloud.wordcloud import FONT_PATH

    def ink(*_: object, **__: object) -> str:
        return INK

    known = {chr(code) for code in FT2Font(FONT_PATH).get_charmap()}
    written = {}
    for word, count in counts.items():
        if known.issuperset(word):
            written[word] = count
    missing = len(counts) - len(written)
    if not written:
        return np.full((CLOUD[1], CLOUD[0], 3), 255, np.uint8), missing
    cloud = WordCloud(
        width=CLOUD[0],
        height=CLOUD[1],
        background_color="white",
        random_state=0,
        color_func=ink,
    )
    picture = cloud.generate_from_frequencies(written).to_array()
    return np.asarray(picture, np.uint8), missing


def describe_words(results: Results) -> Section:
    """Frequent words; their counts have no interval, so that none is called the first."""
    words = results.tables["fig1c"]
    rows = []
    for word, count, share in zip(
        words["word"], words["count"], words["share"], strict=True
    ):
        rows.append((word, count, percent(share)))
    header = ("Word", "Times", "Share of all words")
    unit = _unit(words)
    return Section(
        figure="Fig 1c",
        title="Words of the posts" if unit == "post" else "Words beside the images",
        claim=frequent_words(words["word"].head(SHOWN_WORDS)),
        basis=f"{plural(results.figures['fig1c']['n'], 'occurrence')} of {_most_frequent(len(words))}; "
        f"links, mentions, hashtags and English stopwords left out; each {unit} counted once; no interval, so in the "
        "order of the alphabet.",
        paper=f"Near the top: {listed(stated.WORDS)}.",
        alt="Bar chart and word cloud of the most frequent words: "
        f"{listed(words['word'].head(MOST_BARS))}.",
        tables=(table("Most frequent words", header, rows, folded=True),),
    )


def _most_frequent(words: int) -> str:
    """How many words were counted."""
    return (
        "the only frequent word" if words == 1 else f"the {words} most frequent words"
    )


# ------------------------------------------------------------------ what they need

# Its interval is over months.
FIG1B = Figure("fig1b", compute_posts, needs=("id", "created_at"), by_owners=False)
FIG1C = Figure("fig1c", compute_words, needs=("text",))
POSTS = Chapter(describe_posts, (FIG1B,), draw=draw_posts)
WORDS = Chapter(describe_words, (FIG1C,), draw=draw_words)
