"""The files of a fine-tuning set: pictures with a caption beside each, in the layouts that trainers read.

diffusers and `datasets` read `metadata.jsonl` (file_name, text), kohya's trainers the `.txt` beside a picture and
`kohya.toml`, WebDataset the tars. Written by `twigma liked`.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.finetuning.like_residuals import SPLITS
from twigma.core.files import atomic
from twigma.core.progress import progress_bar
from twigma.rehydrate.images.decode import open_image, read_header
from twigma.rehydrate.images.shards import list_shards, read_images

PER_FOLDER, PER_TAR = 1000, 1000
TRAINED_ON = (
    "jpg",
    "png",
    "webp",
)  # what every trainer opens; anything else becomes PNG
README = """---
license: other
configs:
- config_name: default
  description: content {content}
  data_files:
{data_files}
---
# Liked images, for fine-tuning

{counts}

Made by `twigma liked` from images whose likes are high among posts with as many followers in the same month. Captions
are BLIP's. The images belong to the people who made them: this folder is for your own use, not for publication.

    accelerate launch train_text_to_image_lora.py --train_data_dir {name}/train ...    # diffusers
    python sdxl_train_network.py --dataset_config {name}/kohya.toml ...                # kohya
    load_dataset("./{name}")                                                           # datasets

Splits follow each other in time and share no author. `MANIFEST.json` has the SHA-256 of every file.
"""


def write_files(
    work: Path,
    folder: Path,
    kept: pa.Table,
    *,
    name: str,
    content: str,
    webdataset: bool,
) -> None:
    """Write every picture of `kept` (image_name, split, all_captions, like_count) and what trainers need beside it.

    `name` is what the folder will be called, in the recipes and in `kohya.toml`; `content` stands in the header of
    README.md, which is all that `datasets` tells one set from another by.
    """
    rows = _places(kept)
    for split in SPLITS:
        (folder / split).mkdir(parents=True)
    with progress_bar(total=len(rows), desc="liked", unit="image") as bar:
        for image_name, data in _pictures(work, set(rows)):
            row = rows[image_name]
            picture, format = _for_trainers(data)
            row["file_name"] = f"{row['place']}/{image_name}.{format}"
            path = folder / row["split"] / row["file_name"]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(picture)
            path.with_suffix(".txt").write_text(row["text"] + "\n", "utf-8")
            bar.update()
    if lost := [
        image_name for image_name, row in rows.items() if "file_name" not in row
    ]:
        raise ValueError(
            f"{len(lost):,} images of {work} are in no shard, {lost[0]} among them: run `twigma rehydrate`"
        )
    for split in SPLITS:
        _write_split(
            folder,
            split,
            [row for row in rows.values() if row["split"] == split],
            webdataset,
        )
    _write_texts(folder, name, content, list(rows.values()))


def _places(kept: pa.Table) -> dict[str, dict[str, Any]]:
    """What is written of each image, by its name, in the order of the table; folders of PER_FOLDER."""
    counts = dict.fromkeys(SPLITS, 0)
    rows = {}
    for row in kept.select(
        ["image_name", "split", "all_captions", "like_count"]
    ).to_pylist():
        place = f"{counts[row['split']] // PER_FOLDER:03}"
        counts[row["split"]] += 1
        rows[row["image_name"]] = row | {
            "text": " ".join(row.pop("all_captions").split()),
            "place": place,
        }
    return rows


def _pictures(work: Path, names: set[str]) -> Iterator[tuple[str, bytes]]:
    """The stored images of these names, shard by shard; a shard that holds none of them is not read."""
    wanted = pa.array(sorted(names))
    for shard in list_shards(work):
        sidecar = pq.read_table(shard.sidecar, columns=["image_name", "status"])
        stored = sidecar.filter(pc.equal(sidecar["status"], "success"))["image_name"]
        if not pc.any(pc.is_in(stored, value_set=wanted)).as_py():
            continue
        for block in read_images(shard):
            for row in block.filter(
                pc.is_in(block["image_name"], value_set=wanted)
            ).to_pylist():
                yield row["image_name"], row["image"]


def _for_trainers(data: bytes) -> tuple[bytes, str]:
    format = read_header(data).format
    if format in TRAINED_ON:
        return data, format
    buffer = io.BytesIO()
    open_image(data).save(buffer, "PNG")
    return buffer.getvalue(), "png"


def _write_split(
    folder: Path, split: str, rows: list[dict[str, Any]], webdataset: bool
) -> None:
    fields = ("file_name", "text", "image_name", "like_count")
    with (folder / split / "metadata.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(
            json.dumps({name: row[name] for name in fields}, ensure_ascii=False) + "\n"
            for row in rows
        )
    if webdataset:
        for number, at in enumerate(range(0, len(rows), PER_TAR)):
            _write_tar(
                folder, f"webdataset/{split}-{number:05}.tar", rows[at : at + PER_TAR]
            )


def _write_tar(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    with ExitStack() as stack:
        partial = stack.enter_context(atomic(folder / name))
        tar = stack.enter_context(
            tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT)
        )
        for row in rows:
            picture = folder / row["split"] / row["file_name"]
            facts = json.dumps(
                {key: row[key] for key in ("image_name", "like_count")}
            ).encode()
            members = {
                picture.suffix: picture.read_bytes(),
                ".txt": row["text"].encode(),
                ".json": facts,
            }
            for suffix, data in members.items():
                member = tarfile.TarInfo(row["image_name"] + suffix)
                member.size, member.mode = len(data), 0o644
                tar.addfile(member, io.BytesIO(data))


def _write_texts(
    folder: Path, name: str, content: str, rows: list[dict[str, Any]]
) -> None:
    present = [split for split in SPLITS if any(row["split"] == split for row in rows)]
    endings = ("metadata.jsonl", *(f"**/*.{format}" for format in TRAINED_ON))
    lines = []
    for split in present:
        lines += [
            f"  - split: {split}",
            "    path:",
            *(f'    - "{split}/{ending}"' for ending in endings),
        ]
    counts = ", ".join(
        f"{sum(row['split'] == split for row in rows):,} in {split}"
        for split in present
    )
    text = README.format(
        data_files="\n".join(lines),
        counts=f"{len(rows):,} images: {counts}.",
        name=name,
        content=content,
    )
    (folder / "README.md").write_text(text, "utf-8")
    places = sorted({row["place"] for row in rows if row["split"] == "train"})
    subsets = [
        f'  [[datasets.subsets]]\n  image_dir = "{name}/train/{place}"\n  num_repeats = 1\n'
        for place in places
    ]
    head = '[general]\ncaption_extension = ".txt"\n\n[[datasets]]\nresolution = 512\nbatch_size = 1\n\n'
    (folder / "kohya.toml").write_text(head + "\n".join(subsets), "utf-8")
