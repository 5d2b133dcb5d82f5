"""Which hashtags to search by: candidates beside the seeds, posts to judge them on, and their precision.

`twigma hashtags` writes `candidates.csv` and `hashtags.csv`, a sheet of each candidate's first 20 posts. People write
yes or no in it; run again, what passes joins the seeds and brings its own candidates, until none is left to judge.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from scipy.stats import binomtest

from twigma.core import columns, lists
from twigma.core.lists import Sheet, saved_sheets
from twigma.core.safety import spreadsheet
from twigma.core.workspace import AnyWorkspace, Workspace, inventory

SEEDS = ("aiart", "dalle", "stablediffusion")  # those of the paper
FIRST = 20  # posts a candidate is judged on
LEAST = 5  # posts together with a seed below which a hashtag is no candidate
MOST = 40  # candidates a round
PASSED = (
    0.5  # a candidate passes when the interval of its precision lies above: 15 of 20
)
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
ANSWER = "about_ai_images"
Cells = dict[str, str]


def hashtags(
    work: AnyWorkspace, out: Path, *, seeds: Sequence[str] = SEEDS
) -> pd.DataFrame:
    """Read the posts of `work` and the judged sheet of `out`, write candidates.csv and the sheet with what is new.

    Returns
    -------
    The table of `curate`, one row per candidate. Answers in the sheet stay as they are; posts of a candidate once
    listed stay listed.
    """
    posts = read_posts(work)
    _require_ours(out / "candidates.csv")
    sheet = read_sheet(out / SHEET)
    table = curate(posts, seeds, sheet)
    unjudged = table.loc[table["judged"] == 0, "hashtag"]
    listed = set(sheet["hashtag"])
    additions = review_sheet(posts, [tag for tag in unjudged if tag not in listed])
    sheet = pd.concat([sheet, additions], ignore_index=True)
    spreadsheet.write_frame(out / SHEET, sheet, SHEET_ENCODING)
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
    Wilson's interval; lift = P(seed | h) / P(seed), which is 1 for all where every post came from a search for a seed;
    of those `judged`, how many are about AI images, precision with Wilson's interval; `passed` when `low` is above one
    half.
    """
    tags = _tags(posts)
    answers = judged(sheet)
    chosen = [_plain(tag) for tag in seeds]
    known: set[str] = set()
    rounds: list[pd.DataFrame] = []
    while True:
        table = candidates(tags, len(posts), chosen, known)
        table = table.assign(round=len(rounds) + 1)
        table = table.merge(answers, how="left", on="hashtag")
        rounds.append(table)
        known.update(table["hashtag"])
        passed = table.loc[table["low"] > PASSED, "hashtag"].tolist()
        if not passed:
            break
        chosen = chosen + passed
    result = pd.concat(rounds, ignore_index=True)
    result = result.astype({"judged": "Int64", "related": "Int64"})
    result = result.fillna({"judged": 0, "related": 0})
    result["passed"] = result["low"] > PASSED
    first = ["hashtag", "round"]
    return result[[*first, *result.columns.drop(first)]]


def candidates(
    tags: pd.DataFrame, posts: int, seeds: Sequence[str], known: Iterable[str] = ()
) -> pd.DataFrame:
    """Hashtags on at least 5 posts together with a seed, most often together first, at most 40 (of `posts` posts).

    Those of earlier rounds (`known`) are left out and take no place. `tags` has a row per post and hashtag (id,
    hashtag). Columns: hashtag, posts, together, p_seed, p_low, p_high, lift.
    """
    is_seed = tags["hashtag"].isin(list(seeds))
    seeded = tags.loc[is_seed, "id"].unique()
    others = tags[~is_seed]
    beside = others[others["id"].isin(seeded)]
    carry = others.groupby("hashtag")["id"].nunique().rename("posts")
    together = beside.groupby("hashtag")["id"].nunique().rename("together")
    table = pd.concat([carry, together], axis=1).dropna().astype(int).reset_index()
    table = table[table["together"] >= LEAST]
    table = table[~table["hashtag"].isin(list(known))]
    table = table.sort_values(["together", "hashtag"], ascending=[False, True])
    table = table.head(MOST)
    table["p_seed"] = table["together"] / table["posts"]
    table["p_low"], table["p_high"] = wilson(table["together"], table["posts"])
    share = len(seeded) / posts if posts else 0.0
    table["lift"] = table["p_seed"] / share if share else float("nan")
    return table.reset_index(drop=True)


def wilson(
    hits: Iterable[int], trials: Iterable[int]
) -> tuple[list[float], list[float]]:
    """Wilson's 95% intervals of hits/trials: their lower and upper ends, in the order of the input.

    >>> [round(ends[0], 2) for ends in wilson([18], [20])]
    [0.7, 0.97]
    """
    low, high = [], []
    for k, n in zip(hits, trials, strict=True):
        interval = binomtest(int(k), int(n)).proportion_ci(method="wilson")
        low.append(float(interval.low))
        high.append(float(interval.high))
    return low, high


def review_sheet(posts: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The first 20 posts that carry each hashtag, by time and then id, with an empty cell for the answer."""
    tags = _tags(posts)
    in_order = posts.sort_values(["created_at", "id"], kind="stable")
    frames = [pd.DataFrame(columns=SHEET_COLUMNS, dtype=object)]
    for name in names:
        carrying = tags.loc[tags["hashtag"] == name, "id"]
        rows = in_order[in_order["id"].isin(carrying)].head(FIRST)
        rows = rows.assign(
            hashtag=name,
            item=range(1, len(rows) + 1),
            created_at=rows["created_at"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            about_ai_images="",
        )
        frames.append(rows[SHEET_COLUMNS].astype(object))
    return pd.concat(frames, ignore_index=True)


def judged(sheet: pd.DataFrame) -> pd.DataFrame:
    """(hashtag, judged, related, precision, low, high) of the hashtags with at least one answer.

    ValueError for an answer that is neither yes nor no.
    """
    cells = sheet["about_ai_images"].fillna("").astype(str)
    answers = cells.str.strip().str.lower()
    wrong = answers[(answers != "") & ~answers.isin(list(ANSWERS))]
    if len(wrong):
        row = wrong.index[0]
        raise ValueError(
            f"{SHEET}: expected yes, no or nothing in about_ai_images, found {wrong[row]!r} for "
            f"#{sheet['hashtag'][row]}, item {sheet['item'][row]}; correct that cell"
        )
    rows = pd.DataFrame({"hashtag": sheet["hashtag"], "related": answers.map(ANSWERS)})
    groups = rows.dropna().astype({"related": int}).groupby("hashtag")["related"]
    table = groups.agg(judged="size", related="sum").reset_index()
    precision = table["related"] / table["judged"]
    low, high = wilson(table["related"], table["judged"])
    return table.assign(precision=precision, low=low, high=high)


# ------------------------------------------------------------------ files


def read_posts(work: AnyWorkspace) -> pd.DataFrame:
    """The posts of a working folder with their text, a row a post. ValueError where no post has a text."""
    work = Workspace(work)
    table = work.table()
    names = ["id", "text", "created_at", "hashtags"]
    columns.require(table, names, str(work.images_file))
    posts: pd.DataFrame = table.select(names).to_pandas().drop_duplicates("id")
    posts = posts.dropna(subset=["text"])
    if posts.empty:
        raise ValueError(
            f"hashtags: no post of {work} has a text; `twigma collect` or `twigma rehydrate` gets them"
        )
    return posts.reset_index(drop=True)


def read_sheet(path: Path) -> pd.DataFrame:
    """The sheet as people left it, one row per post to judge, every cell text; empty where there is no file.

    A sheet that a spreadsheet saved as another file, such as hashtags.xlsx, is read beside the .csv: its answers count.
    ValueError where an answer is neither yes nor no, or two files disagree.
    """
    rows: dict[tuple[str, str], Cells] = {}
    names = list(SHEET_COLUMNS)
    for file in saved_sheets(path):
        sheet = _read_answers(file)
        names += [name for name in sheet.names if name not in names]
        for line, cells in sheet.rows:
            row = dict.fromkeys(SHEET_COLUMNS, "") | cells
            key = (row["hashtag"], row["item"] or row["id"])
            known = rows.setdefault(key, row)
            _take_answer(known, row, sheet, line)
    table = pd.DataFrame(list(rows.values()), columns=names, dtype=object)
    return table.fillna("")


def _read_answers(path: Path) -> Sheet:
    """One file of the sheet, whose answers are yes, no or empty; ValueError otherwise."""
    sheet = lists.read_sheet(path, ("hashtag", ANSWER))
    if "item" not in sheet.names and "id" not in sheet.names:
        raise ValueError(
            f"{path}, line 1: expected the columns {SHEET_COLUMNS}, found {sheet.names}; name the columns as they were"
        )
    for line, cells in sheet.rows:
        answer = cells[ANSWER].strip().lower()
        if answer and answer not in ANSWERS:
            raise sheet.error(line, ANSWER, "yes, no or nothing", cells[ANSWER])
    return sheet


def _take_answer(known: Cells, row: Cells, sheet: Sheet, line: int) -> None:
    """Take over the answer of another file of the sheet; ValueError where it is the opposite."""
    answer = row[ANSWER].strip().lower()
    before = known[ANSWER].strip().lower()
    if answer and before and ANSWERS[answer] != ANSWERS[before]:
        expected = f"{known[ANSWER]!r}, as in another file of this sheet, or nothing"
        raise sheet.error(line, ANSWER, expected, row[ANSWER])
    known[ANSWER] = known[ANSWER] or row[ANSWER]


def _require_ours(path: Path) -> None:
    """FileExistsError when a file of the name of our table is something else: it is not written over."""
    if not path.exists():
        return
    first = path.read_bytes()[:200].decode("utf-8-sig", "replace").replace('"', "")
    if not first.startswith("hashtag,round"):
        raise FileExistsError(
            f"{path} is not a table of `twigma hashtags`: move it away, or name another folder"
        )


def _tags(posts: pd.DataFrame) -> pd.DataFrame:
    """(id, hashtag), one row for each hashtag of a post, as X marked it: a # in a link or a word is none."""
    tags = posts[["id", "hashtags"]].rename(columns={"hashtags": "hashtag"})
    return tags.explode("hashtag").dropna().drop_duplicates()


def _plain(tag: str) -> str:
    return tag.strip().lstrip("#＃").lower()
