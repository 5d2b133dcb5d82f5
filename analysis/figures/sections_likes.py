"""What the report says of likes and similarity (Fig 2d, Eq (1)); `twigma report` prints it."""

import pandas as pd

from twigma.analysis.page import drawing
from twigma.analysis.page.formatting import (
    Table,
    interval,
    listed,
    number,
    p_value,
    table,
)
from twigma.analysis.page.section import Results, Section, records
from twigma.analysis.paper import stated

ROLES = ("photographs", "paintings")
LIKES_HEADER = (
    "Reference",
    "Quintile",
    "n",
    "Mean likes [95%]",
    "By author [95%]",
    "Paper",
)


def likes(found: Results) -> Section:
    """Fig 2d."""
    roles = [role for role in ROLES if f"fig2d_{role}" in found.figures]
    claims, rows = [], []
    for role in roles:
        ends = [found.interval(f"likes/{role}/{q}") for q in (1, 5)]
        claims.append(
            f"images least similar to {role} got {ends[0]} likes on average, the most similar {ends[1]}"
        )
        means = records(found.tables[f"fig2d_{role}"])
        rows += [
            (
                role,
                r.quintile,
                r.n,
                interval(r.mean, r.low, r.high),
                interval(r.mean, r.robust_low, r.robust_high),
                _stated(stated.LIKES[role].get(r.quintile)),
            )
            for r in means
        ]
    levels = [f"{role} {found.interval(f'similarity/{role}')}" for role in roles]
    sentence = "; ".join(claims) + "."
    return Section(
        "Fig 2d",
        "Likes and similarity to human images",
        sentence[0].upper() + sentence[1:],
        f"{number(found.figures[f'fig2d_{roles[0]}']['n'])} images with a like count; mean ± 1.96 sd/√n. "
        f"Mean similarity to {listed(levels)}.",
        "The least similar fifth got more likes: 30.1 against 23.8 (LAION), 31.9 against 24.1 (ArtBench).",
        "Similarity is the mean of the five largest cosines, by exact search in references of equal size. "
        "The drawn intervals take images as independent, as the paper does; those by author (by post where authors "
        "are not known) and Eq (1) below do not.",
        drawing.fig2d(found.tables),
        "Mean likes with intervals for the five quintiles of similarity, one panel for each reference set.",
        (table("Mean likes by quintile", LIKES_HEADER, rows, True),),
    )


def _stated(known: tuple[float, float | None, float | None] | None) -> str | None:
    return None if known is None else interval(*known)


def regression(found: Results) -> Section:
    """Eq (1)."""
    roles = [role for role in ROLES if f"eq1_{role}" in found.figures]
    robust = {role: found.values[f"eq1/{role}/robust/quintile 1"] for role in roles}
    claims = [
        f"images least similar to {role} got {interval(r['value'], r['low'], r['high'])} times the likes"
        for role, r in robust.items()
    ]
    first = robust[roles[0]]
    spread = listed(
        [f"{number(r['dispersion'])} ({role})" for role, r in robust.items()]
    )
    return Section(
        "Eq (1)",
        "Likes, given followers",
        f"Compared with the most similar fifth, {listed(claims)}.",
        f"{number(first['n'])} images; Pearson dispersion {spread}, 1 for Poisson counts; "
        f"intervals {first['se_kind']} over {number(first['clusters'])} clusters.",
        "Printed beside ours in the table; its intervals are naive Poisson ones.",
        "The rate ratios are the paper's Poisson regression. Likes vary far more than Poisson counts and together "
        "within an author, so the naive interval is too narrow; the robust one sums the scores of each author.",
        drawing.eq1(found.tables),
        "Rate ratios of likes for quintiles 1 to 4 with naive and robust intervals, and the paper's values.",
        (
            *(_rates(found.tables[f"eq1_{role}"], role) for role in roles),
            *_sensitivity(found),
        ),
    )


def _rates(rates: pd.DataFrame, role: str) -> Table:
    by_mode = {mode: rows.set_index("term") for mode, rows in rates.groupby("mode")}
    naive, robust = by_mode["paper"], by_mode["robust"]
    rows = [
        (
            term,
            interval(r.irr, r.low, r.high),
            interval(naive["irr"][term], naive["low"][term], naive["high"][term]),
            p_value(r.p),
            _stated(stated.EQ1[role].get(_quintile(str(term)))),
        )
        for term, r in ((term, robust.loc[term]) for term in robust.index)
    ]
    header = ("Term", "Rate ratio [95%, robust]", "Naive [95%]", "p (robust)", "Paper")
    return table(
        f"Eq (1) with similarity to {role}; the reference is quintile 5 and under 500 followers",
        header,
        rows,
    )


def _quintile(term: str) -> int:
    return int(term.removeprefix("quintile ")) if term.startswith("quintile ") else 0


def _sensitivity(found: Results) -> list[Table]:
    """Eq (1) under other assumptions, one folded table a reference."""
    tables = []
    for role in ROLES:
        if (rates := found.tables.get(f"eq1_{role}_sensitivity")) is not None:
            rates = rates.assign(
                text=[interval(r.irr, r.low, r.high) for r in records(rates)]
            )
            wide = rates.pivot(index="variant", columns="term", values="text").loc[
                list(dict.fromkeys(rates["variant"]))
            ]
            rows = [
                [name, *(None if pd.isna(x) else x for x in row)]
                for name, *row in records(wide.reset_index())
            ]
            caption = f"Eq (1) under other assumptions, similarity to {role}"
            tables.append(
                table(caption, ("Variant", *map(str, wide.columns)), rows, folded=True)
            )
    return tables
