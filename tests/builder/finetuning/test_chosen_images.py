"""A fine-tuning set of chosen images: only these are compared and taken, and the set says so."""

import json

import pyarrow.parquet as pq
import pytest
from support import releasing

from twigma.builder.finetuning.liked import liked

ALL = {"everything": True, "nsfw_threshold": 1.0, "acknowledge_x_terms": True}


def names_of(folder):
    listed = []
    for path in folder.glob("*/metadata.parquet"):
        listed += pq.read_table(path)["image_name"].to_pylist()
    return set(listed)


def select(path, *images):
    path.write_text("image_name\n" + "\n".join(map(releasing.media_id, images)))
    return path


def test_only_chosen_images_are_in_it(work, tmp_path):
    wanted = select(tmp_path / "mine.csv", 1, 2, 3, 4, 5, 6, 9, 30)
    found = liked(work, tmp_path / "liked", **ALL, select=wanted)
    chosen = {releasing.media_id(i) for i in (1, 2, 3, 4, 5, 6, 9, 30)}
    assert names_of(tmp_path / "liked") <= chosen
    assert releasing.media_id(1) in names_of(tmp_path / "liked")
    whole = liked(work, tmp_path / "whole", **ALL)
    assert found.dropped["not selected"] > 10
    assert "not selected" not in whole.dropped
    assert sum(found.splits.values()) < sum(whole.splits.values())
    manifest = json.loads((tmp_path / "liked/MANIFEST.json").read_text())
    assert len(manifest["selection"]) == 64
    sentence = "somebody selected by hand"
    texts = [(tmp_path / name / "README.md").read_text() for name in ("liked", "whole")]
    assert [sentence in " ".join(text.split()) for text in texts] == [True, False]


def test_likes_are_compared_among_the_chosen(work, tmp_path):
    """The most liked of the least liked: none of them is liked among all."""
    options = {**ALL, "everything": False, "quantile": 0.5, "per_author": 100}
    images = [i for i in range(1, 31) if i % 7 and i % 5 and i not in (9, 10, 11)]
    few = images[:6]
    wanted = select(tmp_path / "mine.csv", *few)
    liked(work, tmp_path / "liked", **options, select=wanted)
    chosen = names_of(tmp_path / "liked")
    assert chosen and chosen < {releasing.media_id(i) for i in few}


def test_another_selection_is_another_set(work, tmp_path):
    first = liked(
        work, tmp_path / "liked", **ALL, select=select(tmp_path / "a.csv", 1, 2, 3)
    )
    again = liked(
        work, tmp_path / "liked", **ALL, select=select(tmp_path / "b.csv", 3, 2, 1)
    )
    assert again.sha256 == first.sha256
    other = liked(
        work, tmp_path / "liked", **ALL, select=select(tmp_path / "c.csv", 1, 2)
    )
    assert other.sha256 != first.sha256


def test_nothing_of_it_here_is_said(work, tmp_path):
    (tmp_path / "mine.txt").write_text("elsewhere\n")
    with pytest.raises(ValueError, match=r"selects no image of .*work"):
        liked(work, tmp_path / "liked", **ALL, select=tmp_path / "mine.txt")
    assert not (tmp_path / "liked").exists()
