"""Files and answers that cost far more than they weigh, and links to what is elsewhere (rows 40 to 43)."""

import time
from pathlib import Path

import h5py

from twigma.builder.references import file_readers
from twigma.rehydrate.images import shards
from twigma.rehydrate.sources.own_files.add_images import add_tars
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.refusals import ApiError

from ..builder.references import test_hdf5
from ..core.services.test_deadline import answering
from ..support.peaks import run_commands
from ..support.unpacking import archive_bombs, gzip_bomb, list_bombs
from ..support.worlds import photo
from .table import Measured, row

MOST = 400  # MB

# ------------------------------------------------------------------ 40: lists and archives


@row(
    40,
    "lists and archives of gigabytes",
    "memory ≤ 400 MB; one sentence each",
    quick=None,
    default=6,
    long=60,
)
def unpacking(count: int, folder: Path) -> Measured:
    """Of `count` MB of gzip each, and smaller ones of every format."""
    large = folder / "large.csv.gz", folder / "large.jsonl.gz"
    large[0].write_bytes(gzip_bomb(b"id\n", b"1" * 1024, count << 20))
    large[1].write_bytes(gzip_bomb(b"", b"A" * 1024, count << 20))
    lists, archives = (
        [large[0], *list_bombs(folder)],
        [large[1], *archive_bombs(folder)],
    )
    commands = [["ids", str(path)] for path in lists]
    commands += [["import", "--work", f"{path}-work", str(path)] for path in archives]
    ran = run_commands(commands)
    wrong = [
        result
        for result in ran.results
        if result[0] != "1" or not result[1].startswith("twigma: ")
    ]
    figures = f"{len(commands)} files, the largest of {count} MB: {len(wrong)} without a sentence {wrong[:2] or ''}"
    return Measured(not wrong and ran.peak <= MOST, f"{figures}; peak {ran.peak:,} MB")


# ------------------------------------------------------------------ 41: HDF5


@row(
    41,
    "HDF5 of other files, or of numbers that are not there",
    "all refused",
    quick=9,
    default=9,
    long=900,
)
def pointing_files(count: int, folder: Path) -> Measured:
    made = [
        test_hdf5.external,
        test_hdf5.virtual,
        test_hdf5.link,
        test_hdf5.soft_link,
        test_hdf5.filled,
    ]
    made += [
        test_hdf5.sparse,
        test_hdf5.wide,
        test_hdf5.one_chunk,
        test_hdf5.lying_chunk,
    ]
    taken = []
    for at in range(count):
        path = folder / f"{at}.h5"
        with h5py.File(path, "w") as file:
            made[at % len(made)](file)
        try:
            taken.append(sum(len(block) for _, block in file_readers.vectors(path)))
        except ValueError:
            continue
    return Measured(not taken, f"{count} files, {len(taken)} of them read")


# ------------------------------------------------------------------ 42: answers


@row(
    42,
    "answers that drip, or unpack to gigabytes",
    "given up in time, with a sentence",
    quick=4,
    default=4,
    long=100,
)
def endless_answers(count: int, folder: Path) -> Measured:
    head = "Content-Encoding: gzip\r\n"
    bomb = gzip_bomb(b"{", b" ", 3 << 20)
    began, said = time.monotonic(), 0
    for at in range(count):
        kinds = (
            answering(b"{", drip=b" "),
            answering(b"", raw=b"H"),
            answering(bomb, head=head),
        )
        with kinds[at % 3] as (url, _):
            client = XClient(
                url,
                "a-token-of-some-length",
                deadline=1,
                attempts=2,
                sleep=lambda _: None,
            )
            try:
                client.lookup(["1"])
            except ApiError as error:
                said += "run again" in str(error)
            client.close()
    seconds = time.monotonic() - began
    return Measured(
        said == count and seconds < 10 * count,
        f"{count} services, {said} given up; {seconds:.1f} s",
    )


# ------------------------------------------------------------------ 43: links


@row(
    43,
    "links out of a folder that is added",
    "0 private files in the shards",
    quick=20,
    default=500,
    long=20_000,
)
def leading_links(count: int, folder: Path) -> Measured:
    private, given_, work = folder / "private", folder / "photos", folder / "work"
    private.mkdir()
    given_.mkdir()
    for at in range(count):
        secret = private / f"{at}.jpg"
        secret.write_bytes(photo(at))
        targets = (
            secret,
            Path("..") / "private" / secret.name,
            given_ / ".." / "private" / secret.name,
        )
        (given_ / f"private{at}.jpg").symlink_to(targets[at % 3])
    (given_ / "own.jpg").write_bytes(photo(1))
    report = add_tars(work, [given_]).to_pylist()
    names = [
        name
        for shard in shards.list_shards(work)
        for name in shards.tar_places(shard.tar)
    ]
    counted = sum(each["count"] for each in report[-1]["left_out"])
    figures = (
        f"{count} links, {len(names) - 1} of them in the shards, {counted} counted"
    )
    return Measured(names == ["own.jpg"] and counted == count, figures)
