"""The share that was chosen, by followers and year: what shows whether the comparison of likes was fair."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twigma.builder.finetuning.row_keys import follower_counts

GROUPS = 10  # of the compared images by followers
UNKNOWN = "unknown"
Z_99 = 2.576  # 99 % of a normal distribution are within so many standard deviations


@dataclass(frozen=True)
class Stratum:
    """Compared images of one tenth by followers ("1" the fewest, or "unknown") and one year, and the chosen of them.

    `over_author` counts images that only the number of their author kept from being chosen, and `written` those in a
    split: fewer than chosen where an author's other images are in another split.
    """

    followers: str
    fewest_followers: int | None
    most_followers: int | None
    year: str
    images: int
    without_likes: int
    over_author: int
    chosen: int
    written: int

    @property
    def share(self) -> float:
        """Chosen of all images."""
        return self.chosen / self.images


def share_table(
    table: pa.Table,
    chosen: NDArray[np.bool_],
    over_author: NDArray[np.bool_],
    written: NDArray[np.bool_],
) -> list[Stratum]:
    """Every stratum that has images, by followers and then year.

    `table` holds the n images that were compared: like_count, follower_count, created_at; bool[n] each for the others.
    """
    followers = follower_counts(table)
    tenth = follower_tenths(followers)
    years = pc.fill_null(pc.strftime(table["created_at"], format="%Y"), UNKNOWN)
    year = np.asarray(years.to_pylist(), str)
    no_likes = table["like_count"].to_numpy() == 0
    strata = []
    for number in np.unique(tenth):
        in_tenth = tenth == number
        label, fewest, most = UNKNOWN, None, None
        if number < GROUPS:
            label = str(number + 1)
            fewest = int(followers[in_tenth].min())
            most = int(followers[in_tenth].max())
        for one_year in np.unique(year[in_tenth]):
            rows = in_tenth & (year == one_year)
            stratum = Stratum(
                followers=label,
                fewest_followers=fewest,
                most_followers=most,
                year=str(one_year),
                images=int(rows.sum()),
                without_likes=int(no_likes[rows].sum()),
                over_author=int(over_author[rows].sum()),
                chosen=int(chosen[rows].sum()),
                written=int(written[rows].sum()),
            )
            strata.append(stratum)
    return strata


def follower_tenths(followers: NDArray[np.float64]) -> NDArray[np.int64]:
    """0 to 9 by followers, equal numbers of them in one tenth, and GROUPS where unknown: int64[n]."""
    known = ~np.isnan(followers)
    tenth = np.full(len(followers), GROUPS)
    if known.any():
        cuts = np.quantile(followers[known], np.arange(1, GROUPS) / GROUPS)
        tenth[known] = np.searchsorted(cuts, followers[known], side="left")
    return tenth


def uneven_sentence(strata: Sequence[Stratum]) -> str:
    """Which tenths and years are further from the overall share than sampling explains; "" when none is.

    The 99 % interval of a binomial share is compared, for each tenth by followers and each year by itself.
    """
    overall = sum(each.chosen for each in strata) / sum(each.images for each in strata)
    uneven = []
    for label, members in _margins(strata):
        images = sum(each.images for each in members)
        share = sum(each.chosen for each in members) / images
        allowed = Z_99 * math.sqrt(overall * (1 - overall) / images) + 1 / images
        if abs(share - overall) > allowed:
            uneven.append(f"{share:.1%} of {label}{_why(members)}")
    if not uneven:
        return ""
    return f"chosen is {overall:.1%} of all images, but {'; '.join(uneven)}"


def have_followers(strata: Sequence[Stratum]) -> bool:
    """Whether the followers of any compared image are known."""
    return any(each.fewest_followers is not None for each in strata)


def have_dates(strata: Sequence[Stratum]) -> bool:
    """Whether the date of any compared image is known."""
    return any(each.year != UNKNOWN for each in strata)


def unknown_sentence(strata: Sequence[Stratum]) -> str:
    """What is not known of any compared image, and what it was compared by therefore; "" where both are known."""
    followers, dates = have_followers(strata), have_dates(strata)
    if followers and dates:
        return ""
    if dates:
        return "followers are not known, so compared by time alone"
    if followers:
        return "dates are not known, so compared by followers alone"
    return "neither followers nor dates are known, so compared with all others"


def _why(strata: Sequence[Stratum]) -> str:
    """What keeps images of these strata from being chosen, in brackets."""
    images = sum(each.images for each in strata)
    without_likes = sum(each.without_likes for each in strata) / images
    over_author = sum(each.over_author for each in strata) / images
    return f" ({without_likes:.0%} have no likes, {over_author:.0%} are over the number of their author)"


def margin_range(strata: Sequence[Stratum]) -> str:
    """The lowest and highest share in the tenths by followers, and in the years; of what is known of any image.

    Where neither is known, the share of all images.
    """
    ranges: dict[str, list[float]] = {}
    if have_followers(strata):
        ranges["tenths by followers"] = []
    if have_dates(strata):
        ranges["years"] = []
    if not ranges:
        chosen = sum(each.chosen for each in strata)
        return f"{chosen / sum(each.images for each in strata):.1%} of all images"
    for label, members in _margins(strata):
        images = sum(each.images for each in members)
        share = sum(each.chosen for each in members) / images
        name = "tenths by followers" if label.endswith("followers") else "years"
        if name in ranges:
            ranges[name].append(share)
    parts = []
    for name, shares in ranges.items():
        lowest, highest = f"{min(shares):.1%}", f"{max(shares):.1%}"
        each = lowest if lowest == highest else f"{lowest} to {highest}"
        parts.append(f"{each} in the {name}")
    return ", ".join(parts)


def markdown_table(strata: Sequence[Stratum]) -> str:
    """Chosen of images, a row a tenth by followers and a column a year; one of each where they are not known."""
    years = sorted({each.year for each in strata})
    heads = years if have_dates(strata) else ["images"]
    by_followers = have_followers(strata)
    corner = "followers" if by_followers else "chosen"
    lines = [
        f"| {corner} | {' | '.join(heads)} | share |",
        f"|---|{'---:|' * (len(years) + 1)}",
    ]
    for label in dict.fromkeys(each.followers for each in strata):
        members = [each for each in strata if each.followers == label]
        cells = dict.fromkeys(years, "–")
        for each in members:
            cells[each.year] = f"{each.chosen:,} of {each.images:,}"
        chosen = sum(each.chosen for each in members)
        share = chosen / sum(each.images for each in members)
        name = _follower_range(members[0]) if by_followers else "all"
        lines.append(f"| {name} | {' | '.join(cells.values())} | {share:.1%} |")
    return "\n".join(lines)


def _follower_range(stratum: Stratum) -> str:
    if stratum.fewest_followers is None:
        return UNKNOWN
    return f"{stratum.fewest_followers:,} to {stratum.most_followers:,}"


def _margins(strata: Sequence[Stratum]) -> Iterable[tuple[str, list[Stratum]]]:
    """Strata by followers and then by year, each group with what it is called."""
    for label in dict.fromkeys(each.followers for each in strata):
        members = [each for each in strata if each.followers == label]
        yield f"those with {_follower_range(members[0])} followers", members
    for year in sorted({each.year for each in strata}):
        yield f"those of {year}", [each for each in strata if each.year == year]
