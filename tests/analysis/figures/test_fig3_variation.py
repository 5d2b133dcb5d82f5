"""What Fig 3a and 3b are computed from: images by artist and prompt, and what depends on one another."""

from dataclasses import replace

import pyarrow as pa
import pytest

from twigma.analysis.figures.fig3_variation import dependent_blocks, grouped_sets
from twigma.analysis.inputs import load
from twigma.analysis.inputs.requirements import Settings


def test_blocks_and_groups_are_those_of_the_images(planted):
    data = load.load(planted.release, planted.work, planted.references)
    with pytest.warns(UserWarning, match="below 30 they may be") as warned:
        blocks = dependent_blocks(data)
    texts = [str(warning.message) for warning in warned]
    assert [text.split()[3] for text in texts] == ["paintings", "prompts"]
    assert "come from 6 different values of artist or prompt" in texts[0]
    assert set(blocks) == {"twigma", "paintings", "prompts"}
    assert len(blocks["twigma"]) == len(data.images.rows)
    groups = grouped_sets(data, Settings())
    shapes = {name: embedding.shape for name, (embedding, _) in groups.items()}
    assert shapes == {"same artist": (150, 32), "same prompt": (150, 32)}


def test_a_set_of_one_author_says_that_its_intervals_take_images_as_independent(
    planted,
):
    data = load.load(planted.release, planted.work, {})
    place = data.images.table.column_names.index("author_id")
    one = pa.array(["ada"] * len(data.images.table))
    table = data.images.table.set_column(place, "author_id", one)
    by_one = replace(data, images=replace(data.images, table=table))
    with pytest.warns(UserWarning, match="All images of twigma have one author"):
        assert dependent_blocks(by_one) == {}
