"""The comparison of planted and recovered truths: right answers pass, each wrong one is named."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from twigma.demo.truths.compare import Row, summary, truths

THEMES = ["cat", "city"]
TRUTH: dict[str, Any] = {
    "outcomes": {"found": 40, "not_found": 2},
    "rows": 41,
    "photos": 44,
    "fetched": 40,
    "answers": {"ok": 40, "404": 4},
    "duplicates": {"media_id": 1, "identical": 1, "reencoded": 1},
    "nsfw_share": 0.25,
    "rising": ["cat"],
    "falling": ["city"],
    "growth_per_month": 0.1,
    "kl_posts_prompts": 0.5,
    "quintile_irr": {"1": 1.2, "2": 1.1, "3": 1.0, "4": 1.0, "5": 1.0},
    "follower_irr": {"<500": 1.0, "500-5000": 1.5, ">5000": 2.6},
    "distances": {"posts": 1.0, "prompts": 0.9},
    "within_between": 0.5,
}
IRRS = {"quintile 1": 1.2, "quintile 2": 1.1, "quintile 3": 1.0, "quintile 4": 1.0}
IRRS |= {"followers 500-5000": 1.5, "followers > 5000": 2.6}


def recovered() -> dict[str, Any]:
    names = [str(number) for number in range(40)]
    theme = [THEMES[number % 2] for number in range(40)]
    photos = pd.DataFrame(
        {
            "image_name": names,
            "theme": theme,
            "nsfw": [number % 4 == 0 for number in range(40)],
        }
    )
    photos["caption"], photos["duplicate_of"], photos["duplicate_kind"] = (
        "a cat",
        None,
        None,
    )
    photos.loc[38, ["duplicate_of", "duplicate_kind"]] = ["2", "identical"]
    photos.loc[39, ["duplicate_of", "duplicate_kind"]] = ["3", "reencoded"]
    images = pd.DataFrame({"id": [*names, "40"], "image_name": [*names, "0"]})
    images["all_captions"] = [f"a {one}" for one in [*theme, "cat"]]
    images["nsfw_score"] = [0.9 if number % 4 == 0 else 0.1 for number in range(41)]
    images["cluster"] = [1 + number % 2 for number in range(41)]
    images["duplicate_of"], images["duplicate_reason"] = None, None
    for row, of, reason in (
        (38, "2", "embedding"),
        (39, "3", "near"),
        (40, "0", "media_id"),
    ):
        images.loc[row, ["duplicate_of", "duplicate_reason"]] = [of, reason]
    values: dict[str, Any] = {
        "growth": {"value": np.expm1(0.1)},
        "trend/1": {"arrow": "↑"},
        "trend/2": {"arrow": "↓"},
        "kl/twigma/prompts": {"value": 0.51, "low": 0.47, "high": 0.55},
        "distance/twigma": {"value": 1.0},
        "distance/prompts": {"value": 0.9},
        "ratio/same prompt": {"value": 0.5},
    }
    values |= {
        f"eq1/paintings/robust/{term}": {"value": irr, "se": 0.02}
        for term, irr in IRRS.items()
    }
    return {"photos": photos, "images": images, "values": values}


def compare(**changed: Any) -> list[Row]:
    given = (
        recovered()
        | {
            "fetched": {"success": 40, "http_404": 4},
            "outcomes": {"found": 40, "not_found": 2},
        }
        | changed
    )
    return truths(
        TRUTH,
        given["photos"],
        given["images"],
        given["fetched"],
        given["outcomes"],
        values=given["values"],
    )


def missed(rows: list[Row]) -> list[str]:
    return [row.truth for row in rows if not row.ok]


def test_what_was_planted_passes() -> None:
    rows = compare()
    assert missed(rows) == []
    assert f"{len(rows)} of {len(rows)} planted truths recovered" in summary(rows)


@pytest.mark.parametrize(
    ("key", "entry", "name"),
    [
        ("growth", {"value": 0.2}, "growth per month"),
        ("trend/1", {"arrow": "→"}, "cat is rising"),
        (
            "eq1/paintings/robust/quintile 1",
            {"value": 1.0, "se": 0.02},
            "Eq (1), quintile 1",
        ),
        (
            "kl/twigma/prompts",
            {"value": 0.9, "low": 0.85, "high": 0.95},
            "KL(posts‖prompts)",
        ),
        ("ratio/same prompt", {"value": 0.7}, "same/different prompt"),
    ],
)
def test_a_wrong_number_is_named(key: str, entry: dict[str, Any], name: str) -> None:
    assert missed(compare(values=recovered()["values"] | {key: entry})) == [name]


def test_an_absent_number_is_a_miss() -> None:
    rows = compare(values={})
    assert "growth per month" in missed(rows)
    assert " NO" in summary(rows)


def test_lost_photos_and_ids_are_named() -> None:
    assert missed(compare(fetched={"success": 39, "http_404": 5})) == [
        "photos fetched",
        "photos lost",
        "photos gone (404)",
    ]
    assert missed(compare(outcomes={"found": 40, "absent": 2})) == [
        "ids not_found",
        "ids absent",
    ]


def test_unfound_copies_and_wrong_captions_are_named() -> None:
    images = recovered()["images"]
    images.loc[39, ["duplicate_of", "duplicate_reason"]] = [None, None]
    images["all_captions"] = "nothing"
    assert missed(compare(images=images)) == [
        "reencoded copies under a new media id",
        "captions name the subject",
    ]
