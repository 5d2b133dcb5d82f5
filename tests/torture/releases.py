"""What a release must not hold: what was taken out on request, and what is nobody's business. Rows 34 and 35."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from twigma.builder.release.privacy_check import check_privacy
from twigma.builder.release.release import release
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.embed import embed_shards

from ..support import releasing, staging
from ..support.searching import mentioned
from .runs import finish, last_words, settle
from .table import Measured, row

LEFT_OUT = ("caption", "nsfw", "cluster")
READ = """
import sys, datasets, twigma
images = datasets.load_dataset("twigma", "images", data_dir=sys.argv[1], shards=sys.argv[2], split="train")
print(len(images), len(twigma.open_images(sys.argv[2])))
"""


@row(
    34,
    "takedown of 1,000 ids",
    "absent from every artefact, report, cache",
    quick=None,
    default=1000,
    long=1000,
)
def taken_down(count: int, folder: Path) -> Measured:
    town = settle(folder, count * 2)
    work, out, asked = folder / "clean", folder / "twigma", folder / "requests.txt"
    clip = staging.tiny_clip(folder / "clip")
    _derive(work, out, folder, clip)
    table = pq.read_table(work / "images.parquet").to_pydict()
    rng = Random(34)
    posts = set(rng.sample(sorted(set(table["id"])), count // 2))
    photos = set(rng.sample(sorted(set(table["image_name"])), count - len(posts)))
    gone = (
        posts
        | photos
        | {
            name
            for post, name in zip(table["id"], table["image_name"], strict=True)
            if post in posts
        }
    )
    asked.write_text("\n".join(posts | photos))
    before = len(mentioned(folder / "clean", gone))
    _twigma(
        folder,
        "removals",
        asked,
        "--work",
        work,
        "--derived",
        out,
        "--derived",
        folder / "report",
    )
    asked.unlink()
    faults = [f"{name} is still named" for name in sorted(_named(folder, gone))[:3]]
    with town.platform() as platform:
        if code := finish(work, platform, town.ids_file):
            faults.append(f"exit code {code}: {last_words(work)}")
    _derive(work, out, folder, clip)
    faults += [f"{name} came back" for name in sorted(_named(folder, gone))[:3]]
    figures = f"{len(gone)} ids and photos, {before} named before, {len(_named(folder, gone))} after two full runs"
    return Measured(not faults and before == len(gone), "; ".join([figures, *faults]))


def _derive(work: Path, out: Path, folder: Path, clip: Path) -> None:
    """Everything that is made of a working folder: columns, release, report, index, the cache of `datasets`."""
    embed_shards(work, str(clip))
    dedupe(work, near=None)
    release(work, out, without=LEFT_OUT)
    _twigma(folder, "analyze", out, "--out", folder / "report", "--work", work)
    _twigma(folder, "report", folder / "report")
    subprocess.run(
        [sys.executable, "-c", READ, out, work],
        check=True,
        capture_output=True,
        env=_environment(folder),
    )


def _twigma(folder: Path, *words: Any) -> None:
    code = "from twigma.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=_environment(folder)
    )
    if done.returncode:
        raise RuntimeError(f"twigma {words[0]}: {done.stderr.strip().splitlines()[-1]}")


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        "HF_HOME": str(folder / "cache"),
        "TQDM_DISABLE": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _named(folder: Path, gone: set[str]) -> set[str]:
    """Those that any file names: the world itself and its list apart, which are not ours to change."""
    places = [folder / name for name in ("clean", "twigma", "report", "cache")]
    return {
        name for place in places if place.exists() for name in mentioned(place, gone)
    }


# ------------------------------------------------------------------ row 35


@row(
    35,
    "release scan",
    "0 image bytes, post text, user ids",
    quick=16,
    default=200,
    long=1000,
)
def scanned(count: int, folder: Path) -> Measured:
    work = releasing.make_work(folder / "work")
    release(work, folder / "twigma")
    texts = pa.chunked_array([releasing.read(folder / "twigma")["image_name"]])
    check_privacy(folder / "twigma", texts)  # as it is, nothing is wrong with it
    rng, passed = Random(35), []
    for at in range(count):
        plant = PLANTS[at % len(PLANTS)]
        spoilt = shutil.copytree(folder / "twigma", folder / f"spoilt{at}")
        plant(spoilt, rng)
        try:
            check_privacy(spoilt, texts)
            passed.append(plant.__name__.lstrip("_"))
        except ValueError:
            pass
        shutil.rmtree(spoilt)
    return Measured(
        not passed,
        f"{count - len(passed)} of {count} refused, in {len(PLANTS)} kinds; passed: {passed[:3]}",
    )


def _metadata(folder: Path) -> Path:
    return next(folder.glob("metadata-*.parquet"))


def _change(folder: Path, **values: Any) -> None:
    path = _metadata(folder)
    table = pq.read_table(path)
    for name, value in values.items():
        column = pa.array(value(table), pa.binary() if name == "image" else None)
        at = table.schema.get_field_index(name)
        table = (
            table.append_column(name, column)
            if at < 0
            else table.set_column(at, name, column)
        )
    pq.write_table(table, path)


def _picture(folder: Path, rng: Random) -> None:
    (folder / f"{rng.getrandbits(60)}.jpg").write_bytes(releasing.jpeg("1000"))


def _picture_in_a_folder(folder: Path, rng: Random) -> None:
    (folder / "metadata").mkdir()
    (folder / "metadata" / f"{rng.getrandbits(60)}.png").write_bytes(
        staging.encode(staging.pixels(1), "PNG")
    )


def _picture_under_a_known_name(folder: Path, rng: Random) -> None:
    (folder / rng.choice(["README.md", "removals.txt", "croissant.json"])).write_bytes(
        releasing.jpeg("1000")
    )


def _picture_in_the_card(folder: Path, rng: Random) -> None:
    with (folder / "README.md").open("a") as file:
        file.write("![one](data:image/png;base64,iVBORw0KGgo=)")


def _picture_column(folder: Path, rng: Random) -> None:
    _change(folder, image=lambda table: [releasing.jpeg("1000")] * len(table))


def _private_column(folder: Path, rng: Random) -> None:
    _change(
        folder,
        **{
            rng.choice(["author_id", "text", "url", "username"]): lambda table: (
                ["1001"] * len(table)
            )
        },
    )


def _handle_for_an_id(folder: Path, rng: Random) -> None:
    _change(folder, id=lambda table: ["@somebody", *table["id"].to_pylist()[1:]])


def _text_for_a_caption(folder: Path, rng: Random) -> None:
    _change(
        folder, all_captions=lambda table: table["image_name"].to_pylist()
    )  # what the row passes as texts


def _link_in_a_caption(folder: Path, rng: Random) -> None:
    _change(
        folder,
        all_captions=lambda table: [
            "see https://t.co/abc",
            *table["all_captions"].to_pylist()[1:],
        ],
    )


def _foreign_file(folder: Path, rng: Random) -> None:
    (folder / "notes.json").write_text(json.dumps({"author": rng.getrandbits(60)}))


def _link_to_elsewhere(folder: Path, rng: Random) -> None:
    (folder / "metadata-train-00009-of-00010.parquet").symlink_to(_metadata(folder))


PLANTS = (
    _picture,
    _picture_in_a_folder,
    _picture_under_a_known_name,
    _picture_in_the_card,
    _picture_column,
    _private_column,
    _handle_for_an_id,
    _text_for_a_caption,
    _link_in_a_caption,
    _foreign_file,
    _link_to_elsewhere,
)
