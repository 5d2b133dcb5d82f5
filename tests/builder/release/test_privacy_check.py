"""What a release may not hold is refused, wherever it stands."""

import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import releasing

from twigma.builder.release.privacy_check import check_privacy
from twigma.builder.release.release import release
from twigma.core import columns
from twigma.core.parts import read_part, write_part


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "text",
            lambda t: t.append_column("text", pa.array(["words"] * len(t))),
            "are public",
        ),
        (
            "author",
            lambda t: t.append_column("author_id", pa.array(["7"] * len(t))),
            "are public",
        ),
        (
            "bytes",
            lambda t: t.set_column(0, "id", pa.array([b"\xff"] * len(t))),
            "is declared",
        ),
        (
            "id",
            lambda t: t.set_column(0, "id", pa.array(["@ada"] * len(t))),
            "id is not an id: '@ada' and 25 more",
        ),
        (
            "link",
            lambda t: columns.add(t, all_captions=["see https://t.co/x"] * len(t)),
            "holds a link",
        ),
    ],
)
def test_the_scan_refuses_what_is_private(made, tmp_path, name, change, message):
    folder = shutil.copytree(made / "twigma", tmp_path / "twigma")
    check_privacy(folder)
    path = next(folder.glob("metadata-*.parquet"))
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(ValueError, match=message):
        check_privacy(folder)


def test_the_scan_refuses_files_that_have_no_place(made, tmp_path):
    folder = shutil.copytree(made / "twigma", tmp_path / "twigma")
    image = releasing.jpeg("001")
    for name in (
        "twigma.py",
        "shards/00000.tar",
        "metadata/metadata-train-00000-of-00001.parquet",
        "images-train-00000-of-00001.parquet",
        ".hidden",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(image)
        with pytest.raises(ValueError, match="has no place in a release"):
            check_privacy(folder)
        (folder / name).unlink()
    (folder / "link").symlink_to(made)
    with pytest.raises(ValueError, match="has no place in a release"):
        check_privacy(folder)
    (folder / "link").unlink()
    (folder / "README.md").write_bytes(image)
    with pytest.raises(ValueError, match="is not text"):
        check_privacy(folder)
    (folder / "README.md").write_text("![x](data:image/png;base64,AAAA)")
    with pytest.raises(ValueError, match="embedded image"):
        check_privacy(folder)


def test_captions_that_are_the_posts_text_are_not_released(made, work, tmp_path):
    out = shutil.copytree(made / "twigma", tmp_path / "twigma")
    before = releasing.contents(out)
    texts = (
        pq.read_table(work / "images.parquet", columns=["image_name", "text"])
        .to_pandas()
        .set_index("image_name")
    )
    for part in (work / "columns/caption").glob("*.arrow"):
        names = read_part(part)["image_name"].to_pylist()
        copied = [texts["text"].groupby(level=0).first()[name] for name in names]
        write_part(
            part,
            pa.table({"image_name": names, "all_captions": copied}),
            {"model": "leak"},
        )
    with pytest.raises(ValueError, match="captions are the text of their post"):
        release(work, out)
    assert releasing.contents(out) == before and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("copied", "refused"), [(2, False), (3, True)])
def test_one_caption_in_a_hundred_may_be_the_text_of_its_post(
    tmp_path, copied, refused
):
    work = releasing.make_work(tmp_path / "work", posts=250)
    images = pq.read_table(
        work / "images.parquet", columns=["image_name", "text"]
    ).to_pylist()
    texts = {row["image_name"]: row["text"] for row in images[20 : 20 + copied]}
    for part in (work / "columns/caption").glob("*.arrow"):
        names = read_part(part)["image_name"].to_pylist()
        captions = [texts.get(name, "a picture") for name in names]
        write_part(
            part,
            pa.table({"image_name": names, "all_captions": captions}),
            {"model": "blip"},
        )
    if refused:
        with pytest.raises(
            ValueError, match="3 of 246 captions are the text of their post"
        ):
            release(work, tmp_path / "twigma")
    else:
        release(work, tmp_path / "twigma")


def test_no_private_value_is_in_any_byte_of_the_release(made):
    for name, data in releasing.contents(made / "twigma").items():
        assert not re.search(rb"secret words|pbs\.twimg\.com|\xff\xd8\xff", data), name
    for path in (made / "twigma").rglob("*.parquet"):
        for column in pq.read_table(path).columns:
            if pa.types.is_string(column.type):
                assert not {"900", "901", "902", "903"} & set(column.to_pylist())
