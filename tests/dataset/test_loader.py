"""Images and liked images as rows: joined to metadata, streamed, split over workers, resumed, refused if damaged."""

import os
import pickle
import shutil
import tarfile

import datasets
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from support import mapped, releasing
from torch.utils.data import DataLoader

import twigma
from twigma.builder.finetuning.liked import liked
from twigma.builder.release.release import release
from twigma.builder.removals.removals import removals
from twigma.core import columns
from twigma.core.files import write_parquet

IN_FORKS = pytest.mark.filterwarnings(
    "ignore:This process.*is multi-threaded:DeprecationWarning"
)


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """A release of 56 images in five shards beside its working folder and a set of liked images; not to be changed."""
    folder = tmp_path_factory.mktemp("five")
    releasing.make_work(folder / "work", posts=60)
    table = pq.read_table(folder / "work/images.parquet")
    authors = [
        str(i) for i in range(len(table))
    ]  # one each, so that no split takes all
    write_parquet(folder / "work/images.parquet", columns.add(table, author_id=authors))
    for path in (folder / "work/shards").iterdir():
        path.unlink()
    media = [
        releasing.media_id(i) for i in range(61) if i != 11
    ]  # post 11 repeats image 3
    for number in range(5):
        releasing.write_shard(folder / "work", f"{number:05d}", media[number::5])
    release(folder / "work", folder / "twigma")
    liked(
        folder / "work",
        folder / "liked",
        quantile=0.0,
        nsfw_threshold=1.0,
        acknowledge_x_terms=True,
    )
    return folder


@pytest.fixture
def there(five, tmp_path, monkeypatch):
    """That folder as the working directory, with a cache of its own."""
    monkeypatch.chdir(five)
    monkeypatch.delenv("TWIGMA_DATA_DIR", raising=False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return five


def load(name="images", split="train", **options):
    return datasets.load_dataset("twigma", name, split=split, **options)


def names(rows):
    return [row["image_name"] for row in rows]


def stored(work):
    """Every image of the tars by name, read with tarfile."""
    found = {}
    for path in (work / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            found |= {
                member.name.removesuffix(".jpg"): tar.extractfile(member).read()
                for member in tar
            }
    return found


@pytest.mark.parametrize("options", [{}, {"streaming": True}, {"num_proc": 2}])
def test_images_are_joined_to_their_metadata(there, options):
    rows = load(**options).cast_column("image", datasets.Image(decode=False))
    rows = {row["image_name"]: row for row in rows}
    released = releasing.read(there / "twigma").to_pylist()
    assert len(released) == len(rows) == 56
    images = stored(there / "work")
    for row in released:
        image = rows[row["image_name"]].pop("image")
        assert image == {"bytes": images[row["image_name"]], "path": row["image_name"]}
        assert rows[row["image_name"]] == row


def test_images_of_some_rows_and_columns_of_a_release_elsewhere(here):
    (here / "work").rename(here / "mine")
    (here / "twigma").rename(here / "elsewhere")
    where = {"shards": "mine", "data_dir": "elsewhere"}
    rows = load(**where, columns=["like_count"], filters=[("like_count", ">=", 200)])
    assert (
        rows.column_names == ["image", "image_name", "like_count"]
        and min(rows["like_count"]) >= 200
    )
    assert rows[0]["image"].size == (24, 16)
    stream = load(**where, streaming=True)
    assert (
        stream.num_shards == stream.reshard().num_shards == 2
        and len(list(stream.reshard())) == 26
    )
    assert (
        len(list(load("embeddings", data_dir="elsewhere", streaming=True).reshard()))
        == 26
    )


@pytest.mark.parametrize("table", ["images.parquet", "sidecars"])
def test_images_without_a_release_are_those_of_the_folder(here, monkeypatch, table):
    """Nothing is asked of Zenodo."""
    monkeypatch.setenv("TWIGMA_ZENODO_URL", "http://127.0.0.1:9")  # nobody answers
    shutil.rmtree(here / "twigma")
    (here / "work").rename(here / "mine")
    images = stored(here / "mine")
    if table == "sidecars":
        (here / "mine/images.parquet").unlink()
    rows = twigma.load_dataset("images", shards="mine", split="train")
    assert sorted(rows["image_name"]) == sorted(images) and len(images) == 29
    assert rows[0]["image"].size == (24, 16)
    assert ("retweet_count" in rows.column_names) is (table == "images.parquet")
    stream = load(shards="mine", streaming=True, columns=["url"])
    assert sorted(names(stream)) == sorted(images)


def test_a_table_is_cached_in_as_many_pieces_as_are_read(there, tmp_path):
    mapped.write_release(tmp_path / "large", mapped.planted_table(5000, odd=0))
    rows = load("metadata", data_dir=tmp_path / "large")
    assert len(rows.data.table.to_batches()) == 1


@pytest.mark.parametrize("name", ["metadata", "images"])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    "asked",
    [
        {"columns": ["likes"]},
        {"filters": [("likes", ">", 1)]},
        {"filters": [[("like_count", ">", 1)], [("likes", "==", 1)]]},
    ],
)
def test_a_column_that_there_is_not_is_named(there, name, streaming, asked):
    with pytest.raises(ValueError, match="twigma has no column likes; it has id, im"):
        load(name, streaming=streaming, **asked)


def test_the_picture_may_be_named_among_the_columns(there):
    rows = load(columns=["image", "like_count"], filters=pc.field("like_count") >= 0)
    assert rows.column_names == ["image", "image_name", "like_count"]


def test_a_damaged_tar_is_refused(here):
    path = here / "work/shards/00001.tar"
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    with pytest.raises(datasets.exceptions.DatasetGenerationError) as error:
        load()
    assert "shard 00001" in str(error.value.__cause__)
    with pytest.raises(ValueError, match="shard 00001"):
        list(load(streaming=True))
    with pytest.raises(FileNotFoundError, match="no finished shards"):
        load(shards="nowhere")


def test_a_later_epoch_hashes_a_tar_again_only_if_it_was_written(here):
    path = here / "work/shards/00001.tar"
    stream = load(streaming=True)
    first = names(stream)
    before = path.stat()
    damaged = bytearray(path.read_bytes())
    damaged[600] ^= 1
    with path.open("r+b") as file:
        file.write(damaged)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(stream) == first
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(ValueError, match="shard 00001"):
        list(stream)


def test_images_removed_since_are_in_no_cache(here):
    name = names(load())[3]
    assert name in names(load())
    removals(here / "work", [name])
    assert (
        name not in names(load())
        and len(load()) == len(list(load(streaming=True))) == 25
    )


def test_a_configuration_that_there_is_not_is_named(there):
    with pytest.raises(
        ValueError,
        match=r"no configuration 'image': expected one of metadata, .*, liked",
    ):
        load("image")


# ----------------------------------------------------------------- streams


def test_a_stream_has_the_order_of_the_rows_and_can_be_shuffled(there):
    rows, stream = names(load()), load(streaming=True)
    assert names(stream) == rows and names(stream.skip(20).take(5)) == rows[20:25]
    shuffled = names(stream.shuffle(seed=1, buffer_size=10))
    assert shuffled != rows and sorted(shuffled) == sorted(rows)
    tables = list(stream.with_format("arrow").iter(16))
    assert [len(table) for table in tables] == [16, 16, 16, 8]
    assert [
        name for table in tables for name in table["image_name"].to_pylist()
    ] == rows


@pytest.mark.parametrize(
    ("name", "stop"), [("images", 1), ("images", 13), ("images", 30), ("liked", 13)]
)
def test_a_stream_goes_on_where_it_was(there, name, stop):
    """In the middle of a shard and in another; shuffled by shards, so that no buffer is lost."""
    for make in (
        lambda: load(name, streaming=True),
        lambda: load(name, streaming=True).shuffle(3, buffer_size=1),
    ):
        whole, stream = names(make()), make()
        rows = iter(stream)
        before = [next(rows)["image_name"] for _ in range(stop)]
        again = make()
        again.load_state_dict(stream.state_dict())
        assert before + names(again) == whole


def test_a_stream_of_tables_goes_on_where_it_was(there):
    stream, again = (load(streaming=True).with_format("arrow") for _ in range(2))
    tables = stream.iter(16)
    before = [next(tables) for _ in range(2)]
    again.load_state_dict(stream.state_dict())
    found = [
        name
        for table in [*before, *again.iter(16)]
        for name in table["image_name"].to_pylist()
    ]
    assert found == names(load())


@IN_FORKS
@pytest.mark.parametrize("name", ["images", "liked"])
def test_the_workers_of_a_data_loader_share_the_rows(there, name):
    rows = names(load(name))
    stream = load(name, streaming=True).shuffle(seed=0, buffer_size=4)
    assert sorted(names(DataLoader(stream, batch_size=None, num_workers=2))) == sorted(
        rows
    )
    batches = DataLoader(
        load(name).select_columns(["image", "image_name"]).with_format("torch"),
        4,
        num_workers=2,
    )
    found = list(batches)
    assert [each for batch in found for each in batch["image_name"]] == rows
    assert found[0]["image"].shape == (4, 3, 16, 24)


def test_a_process_is_not_sent_the_metadata(there):
    builder = datasets.load_dataset_builder("twigma", "images")
    assert (
        len(list(builder.as_streaming_dataset("train"))) == 56
        and builder._rows is not None
    )
    sent = pickle.loads(pickle.dumps(builder))
    assert sent._rows is None and len(list(sent.as_streaming_dataset("train"))) == 56


# --------------------------------------------------------------- by name


@IN_FORKS
def test_metadata_rows_take_their_images_from_the_tars_and_nothing_is_copied(there):
    """The recipe of docs/howto/load.md, in a map-style dataset with workers."""
    images = twigma.open_images("work")

    def with_image(batch):
        return batch | {"image": [images[name] for name in batch["image_name"]]}

    rows = (
        load("metadata")
        .filter(lambda name: name in images, input_columns="image_name")
        .with_transform(with_image)
    )
    found = list(DataLoader(rows, batch_size=None, shuffle=True, num_workers=2))
    assert sorted(names(found)) == sorted(load("metadata")["image_name"][:]) and found[
        0
    ]["image"].size == (24, 16)


# ------------------------------------------------------------------ liked


def test_liked_images_have_the_splits_of_their_set(there):
    counts = {
        split: count
        for split, count in twigma.read_liked("liked")["splits"].items()
        if count
    }
    rows = datasets.load_dataset("twigma", "liked")
    assert {split: len(rows[split]) for split in rows} == counts and len(counts) > 1
    assert rows["train"].column_names == ["image", "text", "image_name", "like_count"]
    for split in counts:
        assert names(load("liked", split=split, streaming=True)) == names(rows[split])


def test_a_liked_set_that_lost_a_picture_is_refused(there, tmp_path):
    copy = shutil.copytree(there / "liked", tmp_path / "liked")
    lost = next((copy / "train").rglob("*.jpg"))
    lost.unlink()
    with pytest.raises(
        ValueError, match=rf"is incomplete: .*{lost.name} is missing; .*`twigma liked`"
    ):
        load("liked", liked=str(copy))
