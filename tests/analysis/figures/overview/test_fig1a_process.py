"""The process: counts that follow from the manifest, reasons beside the step that they belong to."""

from types import SimpleNamespace

import pandas as pd

from twigma.analysis.figures.overview import fig1a_process
from twigma.analysis.inputs.collection import PostCounts
from twigma.analysis.inputs.requirements import Settings, has_counts
from twigma.analysis.page.section import Results

COUNTS = {
    "rows": 100,
    "dropped": {
        "not fetched: http_404": 20,
        "not fetched: timeout": 3,
        "duplicate: near": 7,
        "nsfw_score above 0.9": 2,
    },
    "released": 68,
    "posts": 50,
}


def computed(manifest, posts):
    data = SimpleNamespace(manifest=manifest, posts=posts)
    return fig1a_process.compute_process(data, Settings())


def test_every_step_is_counted():
    result = computed({"counts": COUNTS}, PostCounts(95, 90, 80, 60))
    steps = dict(
        zip(
            result.tables["fig1a"]["step"], result.tables["fig1a"]["count"], strict=True
        )
    )
    assert steps == {
        "Posts listed": 95,
        "Posts asked for": 90,
        "Posts found": 80,
        "Posts with photos": 60,
        "Images on them": 100,
        "Images downloaded": 77,
        "Images without duplicates": 70,
        "Images released": COUNTS["released"],
        "Posts released": 50,
    }
    left_out = result.tables["fig1a_left_out"].groupby("step")["count"].sum()
    assert left_out.to_dict() == {
        "Images downloaded": 23,
        "Images without duplicates": 7,
        "Images released": 2,
    }
    assert result.values["process/Posts found"] == {"value": 80}


def test_what_is_not_known_is_left_out():
    result = computed({"counts": COUNTS}, None)
    assert result.tables["fig1a"]["step"].iloc[0] == "Images listed"
    result = computed(None, PostCounts(80, 80, 80, 60))
    assert result.tables["fig1a"]["step"].tolist() == [
        "Posts found",
        "Posts with photos",
    ]
    for manifest, posts, there in (
        (None, None, False),
        ({"files": {}}, None, False),
        ({"counts": COUNTS}, None, True),
        (None, PostCounts(1, 1, 1, 1), True),
    ):
        assert has_counts(SimpleNamespace(manifest=manifest, posts=posts)) == there


def test_the_rarest_reasons_are_added_up():
    reasons = [f"not fetched: {i}" for i in range(9)]
    table = pd.DataFrame({"reason": reasons, "count": range(1, 10)})
    assert fig1a_process._reasons(table) == [
        "− 9  not fetched: 8",
        "− 8  not fetched: 7",
        "− 7  not fetched: 6",
        "− 21  other reasons",
    ]
    assert fig1a_process._reasons(table.head(0)) == []


def test_the_section_tells_the_counts():
    tables = computed({"counts": COUNTS}, None).tables
    section = fig1a_process.describe_process(Results(tables, {}, {}))
    assert section.claim.startswith("100 images listed, 77 images downloaded")
    assert section.claim.endswith("68 images released and 50 posts released.")


def test_images_added_by_hand_are_on_no_posts():
    tables = computed({"counts": COUNTS | {"posts": 0}}, None).tables
    assert "posts" not in set(tables["fig1a"]["unit"])
    section = fig1a_process.describe_process(Results(tables, {}, {}))
    assert section.claim == (
        "100 images listed, 77 images downloaded, 70 images without duplicates and 68 images released."
    )
