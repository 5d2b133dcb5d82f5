"""The files of a fine-tuning set: pictures with a caption beside each, in the layouts that trainers read.

diffusers and `datasets` read `metadata.jsonl` (file_name, text), kohya's trainers the `.txt` beside a picture and
`kohya.toml`, WebDataset the tars. Written by `twigma liked`.
"""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.finetuning.like_residuals import SPLITS
from twigma.core.files import atomic
from twigma.core.progress import progress_bar
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.images.decode import open_image, read_header
from twigma.rehydrate.images.shards import list_shards, read_images

PER_FOLDER = 1000  # pictures in a folder
PER_TAR = 1000  # pictures in a tar
TRAINED_ON = ("jpg", "png", "webp")  # every trainer opens these; others become PNG
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
KOHYA = """[general]
caption_extension = ".txt"

[[datasets]]
resolution = 512
batch_size = 1

"""
KOHYA_SUBSET = """  [[datasets.subsets]]
  image_dir = "{name}/train/{place}"
  num_repeats = 1
"""


class Row(TypedDict):
    """What is written of an image; `file_name` is set when its picture has been."""

    image_name: str
    split: str
    text: str
    like_count: int
    place: str  # the folder in its split
    file_name: str


def write_files(
    work: AnyWorkspace,
    folder: Path,
    selected: pa.Table,
    *,
    name: str,
    content: str,
    webdataset: bool,
) -> None:
    """Write every selected picture (image_name, split, all_captions, like_count) and what trainers need beside it.

    `name` is what the folder will be called, in the recipes and in `kohya.toml`; `content` is for the header of
    README.md, by which alone `datasets` distinguishes one set from another.
    """
    rows = _rows(selected)
    for split in SPLITS:
        (folder / split).mkdir(parents=True)
    with progress_bar(total=len(rows), desc="liked", unit="image") as bar:
        for image_name, data in _pictures(Workspace(work), set(rows)):
            row = rows[image_name]
            picture, format = _for_trainers(data)
            row["file_name"] = f"{row['place']}/{image_name}.{format}"
            path = folder / row["split"] / row["file_name"]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(picture)
            path.with_suffix(".txt").write_text(row["text"] + "\n", "utf-8")
            bar.update()
    _require_written(rows, work)
    for split in SPLITS:
        in_split = [row for row in rows.values() if row["split"] == split]
        _write_split(folder, split, in_split, webdataset)
    _write_texts(folder, name, content, list(rows.values()))


def _require_written(rows: Mapping[str, Row], work: AnyWorkspace) -> None:
    missing = [image_name for image_name, row in rows.items() if not row["file_name"]]
    if missing:
        raise ValueError(
            f"{len(missing):,} images of {work} are in no shard, {missing[0]} among them: run `twigma rehydrate`"
        )


def _rows(selected: pa.Table) -> dict[str, Row]:
    """What is written of each image, by its name, in the order of the table; folders of PER_FOLDER."""
    counts = dict.fromkeys(SPLITS, 0)
    names = ["image_name", "split", "all_captions", "like_count"]
    rows: dict[str, Row] = {}
    for values in selected.select(names).to_pylist():
        split = values["split"]
        rows[values["image_name"]] = Row(
            image_name=values["image_name"],
            split=split,
            text=" ".join(values["all_captions"].split()),
            like_count=values["like_count"],
            place=f"{counts[split] // PER_FOLDER:03}",
            file_name="",
        )
        counts[split] += 1
    return rows


def _pictures(work: Workspace, names: set[str]) -> Iterator[tuple[str, bytes]]:
    """The stored images of these names, shard by shard; a shard that holds none of them is not read."""
    wanted = pa.array(sorted(names))
    for shard in list_shards(work.path):
        sidecar = pq.read_table(shard.sidecar, columns=["image_name", "status"])
        stored = sidecar.filter(pc.equal(sidecar["status"], "success"))["image_name"]
        if not pc.any(pc.is_in(stored, value_set=wanted)).as_py():
            continue
        for block in read_images(shard):
            selected = pc.is_in(block["image_name"], value_set=wanted)
            for row in block.filter(selected).to_pylist():
                yield row["image_name"], row["image"]


def _for_trainers(data: bytes) -> tuple[bytes, str]:
    format = read_header(data).format
    if format in TRAINED_ON:
        return data, format
    buffer = io.BytesIO()
    open_image(data).save(buffer, "PNG")
    return buffer.getvalue(), "png"


def _write_split(folder: Path, split: str, rows: list[Row], webdataset: bool) -> None:
    with (folder / split / "metadata.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            line = {
                "file_name": row["file_name"],
                "text": row["text"],
                "image_name": row["image_name"],
                "like_count": row["like_count"],
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    if not webdataset:
        return
    for number, first in enumerate(range(0, len(rows), PER_TAR)):
        path = folder / f"webdataset/{split}-{number:05}.tar"
        _write_tar(path, folder, rows[first : first + PER_TAR])


def _write_tar(path: Path, folder: Path, rows: list[Row]) -> None:
    with (
        atomic(path) as partial,
        tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for row in rows:
            picture = folder / row["split"] / row["file_name"]
            facts = {"image_name": row["image_name"], "like_count": row["like_count"]}
            members = {
                picture.suffix: picture.read_bytes(),
                ".txt": row["text"].encode(),
                ".json": json.dumps(facts).encode(),
            }
            for suffix, data in members.items():
                member = tarfile.TarInfo(row["image_name"] + suffix)
                member.size = len(data)
                member.mode = 0o644
                tar.addfile(member, io.BytesIO(data))


def _write_texts(folder: Path, name: str, content: str, rows: list[Row]) -> None:
    """Write README.md, whose header `datasets` reads, and kohya.toml."""
    numbers = Counter(row["split"] for row in rows)
    present = [split for split in SPLITS if numbers[split]]
    listed = ", ".join(f"{numbers[split]:,} in {split}" for split in present)
    text = README.format(
        data_files="\n".join(map(_data_files, present)),
        counts=f"{len(rows):,} images: {listed}.",
        name=name,
        content=content,
    )
    (folder / "README.md").write_text(text, "utf-8")
    places = {row["place"] for row in rows if row["split"] == "train"}
    subsets = [KOHYA_SUBSET.format(name=name, place=place) for place in sorted(places)]
    (folder / "kohya.toml").write_text(KOHYA + "\n".join(subsets), "utf-8")


def _data_files(split: str) -> str:
    """The lines of the YAML header that name the files of a split."""
    lines = [f"  - split: {split}", "    path:", f'    - "{split}/metadata.jsonl"']
    for format in TRAINED_ON:
        lines.append(f'    - "{split}/**/*.{format}"')
    return "\n".join(lines)
