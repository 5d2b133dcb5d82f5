"""`twigma.stream_images`: what it gives, its order, shares of processes and workers, and that it resumes exactly."""

import copy
import itertools
import json
import pickle
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from support import releasing
from torch.utils.data import DataLoader, IterableDataset
from torchdata.stateful_dataloader import StatefulDataLoader

import twigma
from twigma.builder.release.release import release
from twigma.dataset.streams import image_stream


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder of two shards with 29 images, and its release."""
    folder = tmp_path_factory.mktemp("streamed")
    releasing.make_work(folder / "work")
    release(folder / "work", folder / "twigma")
    return folder


@pytest.fixture
def stream(folder):
    def open_stream(**options):
        return twigma.stream_images(
            folder / "work", data_dir=str(folder / "twigma"), **options
        )

    return open_stream


def names(rows):
    return [row["image_name"] for row in rows]


def test_every_released_image_with_its_row(folder, stream):
    rows = list(stream(columns=["like_count", "created_at"]))
    released = twigma.open_release(folder / "twigma").metadata.to_pylist()
    expected = {row["image_name"]: row for row in released}
    images = twigma.open_images(folder / "work")
    assert sorted(names(rows)) == sorted(expected) and len(rows) == len(stream())
    for row in rows:
        name = row["image_name"]
        assert row["like_count"] == expected[name]["like_count"]
        assert row["created_at"] == expected[name]["created_at"]
        assert np.array_equal(row["image"], images.pixels(name))
        assert set(row) == {"image", "image_name", "like_count", "created_at"}


def test_one_column_may_be_named_by_itself(stream):
    one, same = list(stream(columns="like_count")), list(stream(columns=["like_count"]))
    assert [row["like_count"] for row in one] == [row["like_count"] for row in same]


def test_stored_bytes_where_nothing_is_to_be_decoded(folder, stream):
    images = twigma.open_images(folder / "work")
    for row in stream(decode=False):
        assert row["image"] == images.read(row["image_name"])


def test_without_a_release_the_rows_are_those_of_the_folder(folder, monkeypatch):
    monkeypatch.chdir(folder / "work")
    monkeypatch.delenv("TWIGMA_DATA_DIR", raising=False)
    rows = list(twigma.stream_images(folder / "work", columns=["text"]))
    assert sorted(names(rows)) == sorted(twigma.open_images(folder / "work"))
    assert all(row["text"] for row in rows)


def test_rows_are_filtered_and_transformed(stream):
    liked = stream(
        columns=["like_count"],
        filters=[("like_count", ">=", 200)],
        transform=lambda row: row["like_count"],
    )
    likes = list(liked)
    assert likes and min(likes) >= 200 and len(likes) == len(liked)


def test_the_order_is_that_of_the_seed_and_the_epoch(stream):
    in_order = names(stream())
    shuffled = stream(shuffle=True, seed=1)
    first = names(shuffled)
    assert sorted(first) == sorted(in_order) and first != in_order
    assert names(shuffled) == first == names(stream(shuffle=True, seed=1))
    shuffled.set_epoch(1)
    second = names(shuffled)
    assert second != first and names(stream(shuffle=True, seed=2)) != first
    shuffled.set_epoch(0)
    assert names(shuffled) == first


def test_a_state_between_two_epochs_is_the_beginning_of_the_next(stream):
    done = stream(shuffle=True, seed=3)
    list(done)
    done.set_epoch(1)
    resumed = stream(shuffle=True, seed=3)
    resumed.load_state_dict(done.state_dict())
    assert names(resumed) == names(done)
    assert len(names(done)) == len(done)


@pytest.mark.filterwarnings("ignore:.*fork", "ignore:'set_vital'")
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_that_stay_follow_the_epoch(stream, start):
    images = stream(shuffle=True, seed=3)
    loader = DataLoader(
        images,
        batch_size=None,
        num_workers=1,
        persistent_workers=True,
        multiprocessing_context=start,
    )
    first = names(loader)
    images.set_epoch(1)
    expected = stream(shuffle=True, seed=3)
    expected.set_epoch(1)
    assert names(loader) == names(expected) != first


@pytest.mark.parametrize("window", [1, None])
def test_a_window_mixes_so_many_shards(folder, stream, window):
    index = pq.read_table(next((folder / "work" / "shards").glob("*.parquet")))
    one_shard = set(index["image_name"].to_pylist())
    order = names(stream(shuffle=True, window=window))
    belongs = [name in one_shard for name in order]
    changes = sum(a != b for a, b in itertools.pairwise(belongs))
    assert (changes == 1) == (window == 1)


@pytest.mark.parametrize("stopped_after", [0, 1, 7, 20])
def test_a_shuffled_stream_resumes_with_the_next_image(stream, stopped_after):
    whole = stream(shuffle=True, seed=3)
    whole.set_epoch(2)
    expected = names(whole)
    stopped = stream(shuffle=True, seed=3)
    stopped.set_epoch(2)
    rows = iter(stopped)
    seen = [next(rows)["image_name"] for _ in range(stopped_after)]
    resumed = stream(shuffle=True, seed=3)
    resumed.load_state_dict(copy.deepcopy(stopped.state_dict()))
    assert seen + names(resumed) == expected
    assert names(resumed) == expected  # the next time from the beginning


@pytest.mark.filterwarnings("ignore:.*fork", "ignore:'set_vital'")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_data_loader_resumes_it(stream, workers):
    def loader():
        images = stream(shuffle=True, seed=3)
        return StatefulDataLoader(images, batch_size=None, num_workers=workers)

    expected = names(loader())
    stopped = loader()
    rows = iter(stopped)
    seen = [next(rows)["image_name"] for _ in range(9)]
    resumed = loader()
    resumed.load_state_dict(stopped.state_dict())
    assert seen + names(resumed) == expected


RUN = """
import json, os, pathlib, signal, sys
import twigma

saved, stop = pathlib.Path("state.json"), int(sys.argv[1])
stream = twigma.stream_images("work", data_dir="twigma", shuffle=True, seed=5)
done = []
if saved.exists():
    done, state = json.loads(saved.read_text())
    stream.load_state_dict(state)
for row in stream:
    done.append(row["image_name"])
    saved.write_text(json.dumps([done, stream.state_dict()]))
    if len(done) == stop:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_goes_on_with_the_images_it_has_not_seen(folder, stream, tmp_path):
    for name in ("work", "twigma"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "run.py").write_text(RUN)
    codes = []
    for stop in ("7", "19", "0"):
        command = [sys.executable, "run.py", stop]
        codes.append(subprocess.run(command, cwd=tmp_path).returncode)
    assert codes == [-signal.SIGKILL, -signal.SIGKILL, 0]
    done, _ = json.loads((tmp_path / "state.json").read_text())
    assert done == names(stream(shuffle=True, seed=5))


@pytest.mark.filterwarnings("ignore:.*fork")
def test_workers_and_processes_share_the_images(stream):
    everything = sorted(names(stream()))
    shares = []
    for rank in range(3):
        share = stream(shuffle=True, rank=rank, world_size=3)
        loader = DataLoader(share, batch_size=None, num_workers=2)
        shares.append(names(loader))
        assert len(shares[-1]) == len(share) == len(everything) // 3
    together = [name for share in shares for name in share]
    assert len(set(together)) == len(together) == len(everything) // 3 * 3
    assert set(together) <= set(everything)


def test_a_spawned_process_is_sent_little_and_opens_the_same_images(stream):
    opened = stream(shuffle=True, seed=3, columns=["like_count"])
    opened.set_epoch(2)
    sent = pickle.dumps(opened)
    # What fits into a pipe, so that workers start beside each other, however many images there are.
    assert len(sent) < 2_000
    again = pickle.loads(sent)
    assert names(again) == names(opened)
    loader = DataLoader(
        opened, batch_size=None, num_workers=2, multiprocessing_context="spawn"
    )
    assert sorted(names(loader)) == sorted(names(opened))


def test_a_process_that_finds_other_images_says_so(tmp_path):
    work = releasing.make_work(tmp_path / "work")
    sent = pickle.dumps(twigma.stream_images(work))
    sorted((work / "shards").glob("*.json"))[0].unlink()
    with pytest.raises(ValueError, match=r"had 29 images .*, and has \d+ now"):
        pickle.loads(sent)


STOPPED = """
import twigma

rows = iter(twigma.stream_images("work", data_dir="twigma"))
print(next(rows)["image_name"])
"""


def test_a_program_that_ends_in_the_middle_ends_in_silence(folder):
    command = [sys.executable, "-c", STOPPED]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr


def test_threads_and_one_after_the_other_give_the_same(stream, monkeypatch):
    monkeypatch.setattr(image_stream, "usable_cpus", lambda: 3)
    by_threads = list(stream(shuffle=True, seed=4, columns=["like_count"]))
    monkeypatch.setattr(image_stream, "_threads", lambda: 0)
    one_by_one = list(stream(shuffle=True, seed=4, columns=["like_count"]))
    assert names(by_threads) == names(one_by_one)
    for row, other in zip(by_threads, one_by_one, strict=True):
        assert row["like_count"] == other["like_count"]
        assert np.array_equal(row["image"], other["image"])


def test_a_state_of_other_images_is_refused(stream):
    state = stream(filters=[("like_count", ">", 100)]).state_dict()
    with pytest.raises(ValueError, match=r"a stream with images = .*set_epoch"):
        stream().load_state_dict(state)
    with pytest.raises(ValueError, match="a stream with seed = 1, not 0"):
        stream().load_state_dict(stream(seed=1).state_dict())
    with pytest.raises(ValueError, match="found no epoch, images, position, seed in"):
        stream().load_state_dict({})
    with pytest.raises(ValueError, match="of a stream returned, found None"):
        stream().load_state_dict(None)


@pytest.mark.parametrize(
    ("saved", "here", "difference"),
    [
        ({"shuffle": True}, {}, "shuffle = True, not False"),
        ({"shuffle": True}, {"shuffle": True, "window": 1}, "window = 8, not 1"),
        (
            {"rank": 0, "world_size": 4},
            {"rank": 0, "world_size": 8},
            "world_size = 4, not 8",
        ),
    ],
)
def test_a_state_of_another_order_or_share_is_refused(stream, saved, here, difference):
    stopped = stream(**saved)
    next(iter(stopped))
    with pytest.raises(ValueError, match=f"a stream with {difference}: .*set_epoch"):
        stream(**here).load_state_dict(stopped.state_dict())


def test_what_does_not_change_the_order_may_change(stream):
    stopped = stream(window=8, rank=0, world_size=2)
    rows = iter(stopped)
    seen = [next(rows)["image_name"] for _ in range(3)]
    resumed = stream(window=1, rank=0, world_size=2)
    resumed.load_state_dict(stopped.state_dict())
    assert seen + names(resumed) == names(stream(rank=0, world_size=2))


def test_a_state_of_an_earlier_version_is_resumed(stream):
    whole = stream(shuffle=True, seed=3)
    state = {"epoch": 2, "position": 5, "images": len(whole), "seed": 3}
    resumed = stream(shuffle=True, seed=3)
    resumed.load_state_dict(state)
    whole.set_epoch(2)
    assert names(resumed) == names(whole)[5:]


@pytest.mark.filterwarnings("ignore:.*fork", "ignore:'set_vital'")
def test_a_state_of_another_number_of_workers_is_refused(stream):
    stopped = stream()
    next(iter(stopped))
    resumed = stream()
    resumed.load_state_dict(stopped.state_dict())
    loader = DataLoader(resumed, batch_size=None, num_workers=2)
    with pytest.raises(ValueError, match="a stream with workers = 1, not 2"):
        next(iter(loader))


@pytest.mark.filterwarnings("ignore:.*fork", "ignore:'set_vital'")
def test_a_worker_saves_the_number_of_workers(stream):
    loader = DataLoader(StatesOfWorkers(stream()), batch_size=None, num_workers=2)
    states = list(loader)
    assert [state["workers"] for state in states] == [2, 2]
    with pytest.raises(ValueError, match="a stream with workers = 2, not 1"):
        stream().load_state_dict(states[0])


@pytest.mark.filterwarnings("ignore:.*fork", "ignore:'set_vital'")
def test_a_process_does_not_know_how_far_its_workers_are(stream):
    images = stream()
    loader = DataLoader(images, batch_size=None, num_workers=1)
    assert images.state_dict()["position"] == 0
    rows = iter(loader)
    next(rows)
    with pytest.raises(RuntimeError, match=r"epoch 0, .* StatefulDataLoader, whose"):
        images.state_dict()
    list(rows)
    images.set_epoch(1)
    assert images.state_dict()["position"] == 0
    list(loader)
    next(iter(images))
    assert images.state_dict()["position"] == 1


class StatesOfWorkers(IterableDataset):
    """The state of a stream after its first image, in every worker."""

    def __init__(self, images):
        self.images = images

    def __iter__(self):
        next(iter(self.images))
        yield self.images.state_dict()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"columns": ["likes"]}, "no column likes; it has id, image_name"),
        (
            {"filters": [("like_count", ">", 10**6)]},
            r"none of the 29 images .* the 0 rows of .* filters \(like_count > 1000000\)",
        ),
        ({"filters": [("id", "=", 7)]}, r"stream_images: .*found 7 \(int\): write '7'"),
        ({"filters": ("id", "=", "7")}, "stream_images: .* expected filters as a list"),
        ({"columns": 5}, "stream_images: .* expected columns as a list of names"),
        ({"window": 0}, "window as a number of shards, at least 1, .*found 0"),
        ({"window": -1}, "window as a number of shards, at least 1, .*found -1"),
        ({"window": 2.5}, "window as a number of shards, at least 1, .*found 2.5"),
        ({"seed": None}, "seed as a whole number of at least 0, found None"),
        ({"seed": -1}, "seed as a whole number of at least 0, found -1"),
        ({"rank": 1}, "rank and world_size together"),
        ({"rank": 2, "world_size": 2}, "a rank from 0 to 1, found 2"),
    ],
)
def test_what_cannot_be_streamed_is_said(stream, options, reason):
    with pytest.raises(ValueError, match=reason):
        stream(**options)


def test_a_folder_that_stores_no_image_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TWIGMA_DATA_DIR", raising=False)
    work = releasing.make_work(tmp_path / "work")
    for path in (work / "shards").iterdir():
        path.unlink()
    releasing.write_shard(work, "00000", [releasing.media_id(7)])  # which failed
    for options in ({}, {"filters": [("like_count", ">", 10)]}):
        with pytest.raises(
            ValueError, match=r"images in .*/work, found none: all 1 that"
        ):
            twigma.stream_images(work, **options)


def test_images_of_another_release_are_said_where_nothing_is_filtered(folder, tmp_path):
    work = releasing.make_work(tmp_path / "work", local=True)
    with pytest.raises(
        ValueError, match=r"none of the .* rows of .*: name the release"
    ):
        twigma.stream_images(work, data_dir=str(folder / "twigma"))


def test_a_flipped_bit_is_refused_by_the_name_of_its_shard(tmp_path):
    work = releasing.make_work(tmp_path / "work")
    stream = twigma.stream_images(work)
    tar = sorted((work / "shards").glob("*.tar"))[0]
    data = bytearray(tar.read_bytes())
    data[600] ^= 1
    tar.write_bytes(data)
    with pytest.raises(ValueError, match=rf"shard {tar.stem}: .* does not hold"):
        list(stream)
