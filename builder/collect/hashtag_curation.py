"""Which hashtags to search by: candidates beside the seeds, posts to judge them on, and their precision (section 2.1).

`twigma hashtags` writes `candidates.csv` and `hashtags.csv`, a sheet of each candidate's first 20 posts. People write
yes or no in it; run again, what passes joins the seeds and brings its own candidates, until none is left to judge.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from twigma.analysis.inference.proportions import wilson
from twigma.analysis.inputs.annotation_sheets import require_sheet
from twigma.core import columns, inventory
from twigma.core.safety import spreadsheet
from twigma.core.workspace import Workspace

SEEDS = ("aiart", "dalle", "stablediffusion")  # section 2.1
FIRST = 20  # posts a candidate is judged on
LEAST, MOST = (
    5,
    40,
)  # posts together with a seed below which a hashtag is no candidate; candidates a round
PASSED = 0.5  # a candidate passes when the whole interval of its precision is above: 15 of 20
SHEET = inventory.HASHTAG_SHEET
SHEET_ENCODING = "utf-8-sig"  # with a mark by which spreadsheets know it
ANSWERS = {
    "yes": True,
    "y": True,
    "1": True,
    "true": True,
    "no": False,
    "n": False,
    "0": False,
    "false": False,
}
SHEET_COLUMNS = list(inventory.HASHTAG_COLUMNS)


def hashtags(work: Path, out: Path, *, seeds: Sequence[str] = SEEDS) -> pd.DataFrame:
    """Read the posts of `work` and the judged sheet of `out`, write candidates.csv and the sheet with what is new.

    Returns
    -------
    The table of `curate`. Answers that are there stay as they are; posts of a candidate once listed stay listed.
    """
    posts = read_posts(work)
    _require_ours(out / "candidates.csv")
    sheet = read_sheet(out / SHEET)
    table = curate(posts, seeds, sheet)
    open_ = [
        tag
        for tag, judged in zip(table["hashtag"], table["judged"], strict=True)
        if judged == 0
    ]
    listed = set(sheet["hashtag"])
    fresh = review_sheet(posts, [tag for tag in open_ if tag not in listed])
    spreadsheet.write_frame(
        out / SHEET, pd.concat([sheet, fresh], ignore_index=True), SHEET_ENCODING
    )
    spreadsheet.write_frame(out / "candidates.csv", table, SHEET_ENCODING)
    return table


def curate(
    posts: pd.DataFrame, seeds: Sequence[str], sheet: pd.DataFrame
) -> pd.DataFrame:
    """Candidates of the seeds and of all that passed, each with its numbers, until no more pass.

    Parameters
    ----------
    posts : id, hashtags (lists in lower case, without #), a row a post.
    sheet : hashtag and about_ai_images (yes, no or empty), from `review_sheet`.

    Returns
    -------
    DataFrame (hashtag, round, posts, together, p_seed, p_low, p_high, lift, judged, related, precision, low, high,
    passed), a row per candidate: `posts` that carry it, `together` with a seed of that round; p_seed = P(seed | h) with
    Wilson's interval; lift = P(seed | h) / P(seed), which is 1 for all where every post was found by a seed; of those
    `judged`, how many are about AI images, precision with Wilson's interval; `passed` when `low` is above one half.
    """
    tags = _tags(posts)
    answers = judged(sheet)
    chosen, round_ = [_plain(tag) for tag in seeds], 0
    tables: list[pd.DataFrame] = []
    while True:
        round_ += 1
        known = {tag for table in tables for tag in table["hashtag"]}
        table = candidates(tags, len(posts), chosen)
        table = (
            table[~table["hashtag"].isin(known)]
            .assign(round=round_)
            .merge(answers, how="left", on="hashtag")
        )
        tables.append(table)
        passed = table.loc[table["low"] > PASSED, "hashtag"].tolist()
        if not passed:
            break
        chosen += passed
    found = pd.concat(tables, ignore_index=True)
    found = found.astype({"judged": "Int64", "related": "Int64"}).fillna(
        {"judged": 0, "related": 0}
    )
    found["passed"] = found["low"] > PASSED
    first = ["hashtag", "round"]
    return found[[*first, *found.columns.drop(first)]]


def candidates(tags: pd.DataFrame, posts: int, seeds: Sequence[str]) -> pd.DataFrame:
    """Hashtags on at least 5 posts together with a seed, most often together first, at most 40 (of `posts` posts).

    `tags` has a row per post and hashtag (id, hashtag). Columns: hashtag, posts, together, p_seed, p_low, p_high, lift.
    """
    seeded = tags.loc[tags["hashtag"].isin(list(seeds)), "id"].unique()
    others = tags[~tags["hashtag"].isin(list(seeds))]
    carry = others.groupby("hashtag")["id"].nunique().rename("posts")
    together = (
        others[others["id"].isin(seeded)]
        .groupby("hashtag")["id"]
        .nunique()
        .rename("together")
    )
    table = pd.concat([carry, together], axis=1).dropna().astype(int).reset_index()
    table = (
        table[table["together"] >= LEAST]
        .sort_values(["together", "hashtag"], ascending=[False, True])
        .head(MOST)
    )
    table["p_seed"] = table["together"] / table["posts"]
    table["p_low"], table["p_high"] = wilson(table["together"], table["posts"])
    table["lift"] = (
        table["p_seed"] / (len(seeded) / posts) if len(seeded) else float("nan")
    )
    return table.reset_index(drop=True)


def review_sheet(posts: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The first 20 posts that carry each hashtag, by time and then id, with an empty cell for the answer."""
    tags, order = _tags(posts), posts.sort_values(["created_at", "id"], kind="stable")
    frames = [pd.DataFrame(columns=SHEET_COLUMNS, dtype=object)]
    for name in names:
        rows = order[order["id"].isin(tags.loc[tags["hashtag"] == name, "id"])].head(
            FIRST
        )
        times = rows["created_at"].dt.strftime("%Y-%m-%d %H:%M:%S")
        rows = rows.assign(
            hashtag=name,
            item=range(1, len(rows) + 1),
            created_at=times,
            about_ai_images="",
        )
        frames.append(rows[SHEET_COLUMNS].astype(object))
    return pd.concat(frames, ignore_index=True)


def judged(sheet: pd.DataFrame) -> pd.DataFrame:
    """(hashtag, judged, related, precision, low, high) of the hashtags with at least one answer.

    ValueError for an answer that is neither yes nor no.
    """
    said = sheet["about_ai_images"].fillna("").astype(str).str.strip().str.lower()
    wrong = said[(said != "") & ~said.isin(list(ANSWERS))]
    if len(wrong):
        row = wrong.index[0]
        raise ValueError(
            f"{SHEET}: expected yes, no or nothing in about_ai_images, found {wrong[row]!r} for "
            f"#{sheet['hashtag'][row]}, item {sheet['item'][row]}; correct that cell"
        )
    rows = pd.DataFrame(
        {"hashtag": sheet["hashtag"], "related": said.map(ANSWERS)}
    ).dropna()
    table = (
        rows.astype({"related": int})
        .groupby("hashtag")["related"]
        .agg(judged="size", related="sum")
        .reset_index()
    )
    low, high = wilson(table["related"], table["judged"])
    return table.assign(
        precision=table["related"] / table["judged"], low=low, high=high
    )


# ------------------------------------------------------------------ files


def read_posts(work: Path) -> pd.DataFrame:
    """The posts of a working folder with their text, a row a post. ValueError where no post has a text."""
    table = Workspace(work).table()
    names = ["id", "text", "created_at", "hashtags"]
    columns.require(table, names, f"{work}/images.parquet")
    posts: pd.DataFrame = table.select(names).to_pandas().drop_duplicates("id")
    posts = posts.dropna(subset=["text"])
    if posts.empty:
        raise ValueError(
            f"hashtags: no post of {work} has a text; `twigma collect` or `twigma rehydrate` gets them"
        )
    return posts.reset_index(drop=True)


def read_sheet(path: Path) -> pd.DataFrame:
    """The sheet as people left it, every cell text; empty where there is none."""
    if not path.exists():
        return pd.DataFrame(columns=SHEET_COLUMNS, dtype=object)
    require_sheet(path)
    sheet = pd.read_csv(path, dtype=str, keep_default_na=False, encoding=SHEET_ENCODING)
    if lacking := [
        name for name in ("hashtag", "item", "about_ai_images") if name not in sheet
    ]:
        raise ValueError(
            f"{path}: expected the columns {SHEET_COLUMNS}, found no {lacking}; `twigma hashtags` wrote it"
        )
    return sheet.map(spreadsheet.original)


def _require_ours(path: Path) -> None:
    """FileExistsError when a file of the name of our table is something else: it is not written over."""
    if not path.exists():
        return
    first = path.read_bytes()[:200].decode("utf-8-sig", "replace").replace('"', "")
    if not first.startswith("hashtag,round"):
        raise FileExistsError(
            f"{path} is no table of `twigma hashtags`: move it away, or name another folder"
        )


def _tags(posts: pd.DataFrame) -> pd.DataFrame:
    """(id, hashtag), one row for each hashtag of a post, as X marked it: a # in a link or a word is none."""
    tags = posts[["id", "hashtags"]].rename(columns={"hashtags": "hashtag"})
    return tags.explode("hashtag").dropna().drop_duplicates()


def _plain(tag: str) -> str:
    return tag.strip().lstrip("#＃").lower()
