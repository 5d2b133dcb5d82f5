"""The files and folders to add: which are tars to register, and how the pictures of every other kind are read."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from twigma.core.safety.failures import Failures
from twigma.rehydrate.sources.pictures.contents import (
    TEXTS,
    Contents,
    Picture,
    look_through,
    read_pictures,
)
from twigma.rehydrate.sources.pictures.kinds import (
    ARCHIVES,
    HEAD,
    is_hidden,
    is_image_name,
    kind_of,
)
from twigma.rehydrate.sources.pictures.metadata import is_table_name
from twigma.rehydrate.sources.pictures.tables import (
    WITHOUT_IMAGE,
    dataset_pictures,
    holds_images,
    parquet_pictures,
)
from twigma.rehydrate.sources.pictures.trees import (
    FilesTree,
    FolderTree,
    LeftOut,
    TarTree,
    Tree,
    ZipTree,
    is_dataset,
    unpacked_tar,
)

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!large$|orig$)")  # as in `pipe:`
NESTED = "archives inside an archive"
OTHER_TABLE = "Parquet without a column of images"
EXPECTED = "an image, a folder, .tar, .tar.gz, .zip or .parquet"


@dataclass
class Input:
    """One thing to add: a `tar` to register; or `pictures` of a tree that was looked through, `zip`, `gz`, `parquet` or
    `dataset`, which are packed. `left_out` fills while it is read."""

    kind: str
    path: Path
    tree: Tree | None = None
    contents: Contents = field(default_factory=Contents)
    left_out: LeftOut = field(default_factory=dict)


def find_inputs(paths: Iterable[Path], failures: Failures) -> list[Input]:
    """What to add of these files and folders; one that is missing or of another kind goes to `failures`.

    Raises ValueError for an address, before anything else, and when there is nothing to add.
    """
    paths = [Path(path) for path in paths]
    for path in paths:
        if ADDRESS.match(str(path)) and not path.exists():
            raise ValueError(
                f"{path} is an address or a command, not a file: only local files are added"
            )
    inputs: list[Input] = []
    files: list[Path] = []
    for path in _each_once(paths):
        with failures.collect():
            if path.is_dir():
                inputs += _in_folder(path, failures)
            elif _is_picture(path) or _is_beside(path):
                files.append(path)
            else:
                inputs.append(_archive(path))
    if files:
        tree = FilesTree(files)
        contents = look_through(tree, failures)
        left_out = contents.left_out
        inputs.append(Input("pictures", files[0], tree, contents, left_out))
    if not any(_holds_anything(each) for each in inputs):
        failures.raise_any()
        names = ", ".join(map(str, paths))
        raise ValueError(f"no tars or images in {names}{_reasons(inputs)}")
    return inputs


def _each_once(paths: list[Path]) -> list[Path]:
    """The paths without those that come with a folder that is named too, or were named before."""
    places = {path: path.resolve() for path in paths}
    folders = {place for place in places.values() if place.is_dir()}
    chosen: dict[Path, Path] = {}
    for path, place in places.items():
        holders = folders.intersection(place.parents)
        # Of a folder, hidden files are left out.
        visible = [
            folder
            for folder in holders
            if not is_hidden(str(place.relative_to(folder)))
        ]
        if not visible:
            chosen.setdefault(place, path)
    return list(chosen.values())


def _is_picture(path: Path) -> bool:
    """Whether a file is a picture; FileNotFoundError where there is none."""
    if not path.exists():
        raise FileNotFoundError(f"no file or folder {path}")
    with path.open("rb") as file:
        kind = kind_of(file.read(HEAD))
    return (kind is not None and kind not in ARCHIVES) or is_image_name(path.name)


def _is_beside(path: Path) -> bool:
    """Whether a file is what stands beside pictures: `photos/*` names it together with them."""
    if is_table_name(path.name):
        return not (path.suffix.lower() == ".parquet" and holds_images(path))
    return path.suffix.lower() in TEXTS


def _archive(path: Path) -> Input:
    with path.open("rb") as file:
        kind = kind_of(file.read(HEAD))
    # An empty tar is zeros only; one that is damaged is refused when it is read.
    if path.suffix.lower() == ".tar":
        kind = "tar"
    if kind is None and path.suffix.lower() == ".parquet":
        kind = "parquet"
    if kind is None:
        raise ValueError(f"{path} is of no kind that can be added: expected {EXPECTED}")
    return Input(kind, path.resolve() if kind == "tar" else path)


def _in_folder(folder: Path, failures: Failures) -> list[Input]:
    if is_dataset(folder):
        return [Input("dataset", folder)]
    tree = FolderTree(folder)
    contents = look_through(tree, failures)
    inputs: list[Input] = []
    for name in contents.archives:
        with failures.collect():
            archive = _archive(folder / name)
            # As img2dataset puts one beside each tar.
            if archive.kind == "parquet" and not holds_images(archive.path):
                contents.leave_out(OTHER_TABLE, str(archive.path))
            else:
                inputs.append(archive)
    inputs += [Input("dataset", dataset) for dataset in tree.datasets]
    left_out = contents.left_out
    inputs.append(Input("pictures", folder, tree, contents, left_out))
    return inputs


def _holds_anything(input: Input) -> bool:
    return input.kind != "pictures" or bool(input.contents.pictures)


def _reasons(inputs: list[Input]) -> str:
    """Why files were left out, behind a sentence."""
    counts: dict[str, int] = {}
    for input in inputs:
        for reason, names in input.left_out.items():
            counts[reason] = counts.get(reason, 0) + len(names)
    return "".join(f"; {count:,} {reason}" for reason, count in counts.items())


# ------------------------------------------------------------------ reading


def pictures_of(
    input: Input,
    failures: Failures,
    scratch: Path,
    column: str | None,
    group: str | None,
) -> Iterator[Picture]:
    """The pictures of anything but a tar that is registered; what is left out is added to its `left_out`.

    `scratch` is a folder for a tar that has to be unpacked first; `column` and `group` are of tables.
    """

    def without(name: str) -> None:
        input.left_out.setdefault(WITHOUT_IMAGE, []).append(name)

    if input.kind == "parquet":
        yield from parquet_pictures(input.path, column, group, without)
    elif input.kind == "dataset":
        yield from dataset_pictures(input.path, column, group, without)
    elif input.kind == "zip":
        with ZipTree(input.path) as tree:
            yield from _of_tree(input, tree, failures)
    elif input.kind == "gz":
        with (
            unpacked_tar(input.path, scratch) as tar,
            TarTree(tar, input.path.name) as members,
        ):
            yield from _of_tree(input, members, failures)
    elif input.tree is not None:
        yield from read_pictures(input.tree, input.contents, failures)


def members_of(
    tar: Path, names: list[str], failures: Failures, left_out: LeftOut
) -> Iterator[Picture]:
    """The pictures of a tar that have to be converted, by the names of their members.

    What stands beside them and cannot be read is added to `left_out`.
    """
    with TarTree(tar, tar.name) as tree:
        # What is damaged beside them was named when the tar was looked through.
        contents = look_through(tree, Failures())
        wanted = set(names)
        contents.pictures = [name for name in contents.pictures if name in wanted]
        # The others were named then, too.
        contents.left_out = left_out
        yield from read_pictures(tree, contents, failures)


def _of_tree(input: Input, tree: Tree, failures: Failures) -> Iterator[Picture]:
    contents = look_through(tree, failures)
    if contents.archives:
        contents.left_out[NESTED] = list(contents.archives)
    # One dict from here on: what is beside a picture is read with it.
    input.left_out.update(contents.left_out)
    contents.left_out = input.left_out
    yield from read_pictures(tree, contents, failures)
