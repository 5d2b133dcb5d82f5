"""The files of a fine-tuning set: one flat folder a split, a caption beside each picture.

    train/<image_name>.jpg  train/<image_name>.txt  train/metadata.parquet  train/README.md

Trainers look for pictures directly in the folder they are given: OneTrainer and sd-scripts read no subfolders. The
`.txt` are for them and for ai-toolkit, `metadata.parquet` (file_name, text) for diffusers and `datasets`, `kohya.jsonl`
for sd-scripts, the tars for WebDataset. Written by `twigma liked`.
"""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twigma.builder.finetuning.splits import SPLITS
from twigma.core.files import atomic, write_parquet
from twigma.core.progress import progress_bar
from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.dataset.liked_rows import LIST, LISTED
from twigma.rehydrate.images.decode import open_image, read_header
from twigma.rehydrate.images.normalize import normalize_image
from twigma.rehydrate.images.shards import list_shards, read_images

PER_TAR = 1000  # pictures in a tar
TRAINED_ON = ("jpg", "png", "webp")  # every trainer opens these; others become PNG


@dataclass(frozen=True)
class TrainingImage:
    """An image that was written, and what is written of it."""

    image_name: str
    split: str
    text: str
    like_count: int | None
    file_name: str  # in the folder of its split
    width: int  # pixels
    height: int


def write_images(
    work: AnyWorkspace, folder: Path, selected: pa.Table
) -> list[TrainingImage]:
    """Write every selected picture (image_name, split, training_text, like_count) with its text; in their order.

    Raises ValueError when one is in no shard.
    """
    for split in selected["split"].unique().to_pylist():
        (folder / split).mkdir(parents=True)
    names = selected["image_name"].to_pylist()
    row_of = {name: row for row, name in enumerate(names)}
    images: list[TrainingImage | None] = [None] * len(names)
    with progress_bar(total=len(names), desc="liked", unit="image") as bar:
        for name, data in _stored_images(Workspace(work), set(names)):
            row = row_of[name]
            values = selected.slice(row, 1).to_pylist()[0]
            images[row] = _write_image(folder, values, data)
            bar.update()
    return _require_written(images, names, work)


def _write_image(folder: Path, values: Mapping[str, Any], data: bytes) -> TrainingImage:
    picture, suffix, size = _for_trainers(data)
    image = TrainingImage(
        image_name=values["image_name"],
        split=values["split"],
        text=values["training_text"],
        like_count=values["like_count"],
        file_name=f"{values['image_name']}.{suffix}",
        width=size[0],
        height=size[1],
    )
    path = folder / image.split / image.file_name
    path.write_bytes(picture)
    path.with_suffix(".txt").write_text(image.text + "\n", "utf-8")
    return image


def _for_trainers(data: bytes) -> tuple[bytes, str, tuple[int, int]]:
    """Bytes, extension and (width, height) of a picture: as stored where every trainer reads that right.

    Trainers ignore the turn that EXIF asks for, and differ on 16 bits, animations and rare formats. The images of
    `rehydrate` are upright already; those of `add` are as they were.
    """
    stored = normalize_image(data)
    header = stored.header
    if header.format in TRAINED_ON and not header.animated:
        written = read_header(stored.data)  # of the turned image
        return stored.data, header.format, (written.width, written.height)
    buffer = io.BytesIO()
    image = open_image(data)
    image.save(buffer, "PNG")
    return buffer.getvalue(), "png", image.size


def _require_written(
    images: Sequence[TrainingImage | None], names: Sequence[str], work: AnyWorkspace
) -> list[TrainingImage]:
    written = [image for image in images if image is not None]
    if len(written) < len(names):
        missing = names[images.index(None)]
        raise ValueError(
            f"{len(names) - len(written):,} images of {work} are in no shard, {missing} among them: "
            "run `twigma rehydrate`"
        )
    return written


def _stored_images(work: Workspace, names: set[str]) -> Iterator[tuple[str, bytes]]:
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


# ------------------------------------------------------------------ lists and tars


def write_lists(folder: Path, images: Sequence[TrainingImage]) -> None:
    """Write the `metadata.parquet` of every split that has images, and `kohya.jsonl` of the images to train on."""
    for split in SPLITS:
        in_split = [image for image in images if image.split == split]
        if in_split:
            # `datasets` infers other types from lines of JSON where no image of a split has likes.
            rows = pa.Table.from_pylist(list(map(asdict, in_split)), LISTED)
            write_parquet(folder / split / LIST, rows)
    with (folder / "kohya.jsonl").open("w", encoding="utf-8") as file:
        for image in images:
            if image.split == "train":
                line = json.dumps(_kohya_line(image), ensure_ascii=False)
                file.write(line + "\n")


def _kohya_line(image: TrainingImage) -> dict[str, Any]:
    """As sd-scripts reads it (library/train_util.py, FineTuningDataset); the path is joined to --train_data_dir."""
    return {
        "image_path": image.file_name,
        "caption": image.text,
        "image_size": [image.width, image.height],
    }


def write_tars(folder: Path, images: Sequence[TrainingImage]) -> None:
    """Write WebDataset tars of every split: picture, .txt and .json.

    `datasets` reads tars only where all samples have the same names and types: so every picture is named as most are,
    whatever its format, which readers know by its content, and likes are left out unless all images have them.
    """
    suffixes = Counter(Path(image.file_name).suffix for image in images)
    have_likes = all(image.like_count is not None for image in images)
    for split in SPLITS:
        in_split = [image for image in images if image.split == split]
        for number, first in enumerate(range(0, len(in_split), PER_TAR)):
            path = folder / f"webdataset/{split}-{number:05}.tar"
            samples = []
            for image in in_split[first : first + PER_TAR]:
                about: dict[str, Any] = {"image_name": image.image_name}
                if have_likes:
                    about["like_count"] = image.like_count
                samples.append((image, about))
            _write_tar(path, folder, samples, suffixes.most_common(1)[0][0])


def _write_tar(
    path: Path,
    folder: Path,
    samples: Sequence[tuple[TrainingImage, Mapping[str, Any]]],
    suffix: str,
) -> None:
    with (
        atomic(path) as partial,
        # PAX: the names of some image sets are longer than the 100 bytes of USTAR.
        tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for image, about in samples:
            picture = folder / image.split / image.file_name
            # WebDataset takes a name up to its first dot as the key of a sample.
            key = image.image_name.replace(".", "~")
            _add_member(tar, key + suffix, picture.read_bytes())
            _add_member(tar, key + ".txt", image.text.encode())
            _add_member(tar, key + ".json", json.dumps(about).encode())


def _add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(data))
