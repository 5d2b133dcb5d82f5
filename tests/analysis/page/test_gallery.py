"""Galleries: which images are drawn, what may be sensitive and cannot be made out, and the page that shows them."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from twigma.analysis.page.gallery import SIDE, SQUARES, drawn_images, sensitive, tile
from twigma.analysis.report import report


def picture(seed, width=90, height=60):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST)


def shown(address):
    return Image.open(
        io.BytesIO(base64.b64decode(address.removeprefix("data:image/jpeg;base64,")))
    )


def test_ten_of_each_cluster_at_random():
    names = [str(i) for i in range(60)] + ["0"]  # one image on two posts
    table = pa.table(
        {
            "image_name": names,
            "label_10_cluster": pa.array(
                [*([1] * 30 + [2] * 25 + [None] * 5), 1], pa.int32()
            ),
        }
    )
    found = drawn_images(table)
    assert found["cluster"].tolist() == [1] * 10 + [2] * 10
    assert found["image_name"].is_unique
    times = sum(
        "0" in drawn_images(table, seed=seed)["image_name"].tolist()
        for seed in range(90)
    )
    assert 15 < times < 45  # a third: its second post gives no second chance
    pd.testing.assert_frame_equal(found, drawn_images(table))
    assert len(drawn_images(table, 100)) == 55
    with pytest.raises(ValueError, match="twigma cluster"):
        drawn_images(table.slice(55, 5))


def test_what_may_be_sensitive():
    score = pa.array([0.9, 0.1, None, None, 0.2, None], pa.float32())
    flag = pa.array([False, False, True, False, True, None], pa.bool_())
    table = pa.table({"nsfw_score": score, "possibly_sensitive": flag})
    assert sensitive(table).tolist() == [True, False, True, False, True, True]
    assert sensitive(pa.table({"image_name": ["1", "2"]})).tolist() == [
        True,
        True,
    ]  # nobody has looked


def test_a_sensitive_picture_cannot_be_made_out():
    rng = np.random.default_rng(0)
    image = np.asarray(Image.effect_noise((90, 60), 60).convert("RGB")) + 0
    blocks = image.reshape(4, 15, 6, 15, 3).transpose(0, 2, 1, 3, 4).reshape(24, 225, 3)
    shuffled = (
        rng.permuted(blocks, axis=1)
        .reshape(4, 6, 15, 15, 3)
        .transpose(0, 2, 1, 3, 4)
        .reshape(60, 90, 3)
    )
    images = {"1": Image.fromarray(image), "2": Image.fromarray(shuffled)}
    clear = [tile(images, name, "a").src for name in "12"]
    coarse = [tile(images, name, "a", coarse=True) for name in "12"]
    one, other = (np.asarray(shown(each.src)).astype(int) for each in coarse)
    assert (
        clear[0] != clear[1] and np.abs(one - other).max() <= 6
    )  # 24 mean colours, rounded, are all that is left
    assert coarse[0].coarse and shown(coarse[0].src).size == (
        6 * (SIDE // SQUARES),
        4 * (SIDE // SQUARES),
    )
    assert max(shown(clear[0]).size) == SIDE and len(clear[0]) < 12_000


def test_pictures_are_small_the_same_every_time_and_bare():
    image = picture(2, 3000, 20)
    image.info["exif"] = b"Exif\x00\x00secret"
    first, second = tile({"1": image}, "1", "a"), tile({"1": image}, "1", "a")
    assert first == second and shown(first.src).size == (SIDE, 1)
    assert b"secret" not in base64.b64decode(first.src.split(",")[1])
    assert (
        tile({}, "7", "Image 7").src == ""
        and tile({}, "7", "Image 7").alt == "Image 7: not stored"
    )
    assert shown(tile({"1": Image.new("RGBA", (5, 5))}, "1", "a").src).mode == "RGB"


def test_the_page_shows_clusters_and_pairs(analysed, planted, tmp_path):
    out = tmp_path / "report"
    out.mkdir()
    for path in ("results.json", "results"):
        (out / path).symlink_to(analysed.out / path)
    names = [
        *planted.names,
        *(str(i) for start in (1, 1001, 2001) for i in range(start, start + 150)),
    ]
    images = {name: picture(int(name)) for name in names}
    drawn = pd.read_parquet(out / "results" / "cluster_images.parquet")
    gone = drawn["image_name"].iloc[0]
    ours = {name: image for name, image in images.items() if name != gone}
    page = report(out, {"twigma": ours, "paintings": images}).read_text("utf-8")
    pictures = re.findall(
        r'<img src="data:image/jpeg;base64,[^"]+" alt="([^"]*)"', page
    )
    assert (
        len(pictures) == len(drawn) - 1 + 2 * 10
    )  # four clusters of ten, and ten pairs with one reference set
    assert f"Image {gone}: not stored" in page
    coarse = {
        name
        for name, hidden in zip(drawn["image_name"], drawn["sensitive"], strict=True)
        if hidden
    } - {gone}
    told = {
        alt.split()[1].strip(",")
        for alt in pictures[: len(drawn) - 1]
        if alt.endswith("made coarse")
    }
    assert (
        told == coarse and len(coarse) >= 9
    )  # the fourth cluster is planted as sensitive
    text = re.sub(r'src="[^"]*"', "", page)
    assert (
        "potential inspiration" in text
        and "copied from" not in text
        and "Most similar to paintings" in text
    )
    assert "Most similar to photographs" not in text  # their pictures were not given
    assert (
        len(page) - sum(map(len, re.findall(r'src="data:image/svg[^"]*"', page)))
        < 600_000
    )
