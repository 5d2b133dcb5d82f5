"""The tars and images among the files and folders to add. Links that lead out of a folder are not followed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from twigma.core.safety.failures import Failures

IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".gif"}
LINK = "links out of the folder, not followed"
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")  # such as `https:` or `pipe:`


@dataclass
class ImagePaths:
    """Tars, loose images, and links that were not followed; in the order of the arguments, folders sorted."""

    tars: list[Path] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)


def find_images(paths: Iterable[Path], failures: Failures) -> ImagePaths:
    """What to add of these files and folders; one that is missing or of another kind goes to `failures`.

    Raises ValueError for an address, before anything else, and when there is nothing to add.
    """
    paths = list(paths)
    for path in paths:
        if ADDRESS.match(str(path)):
            raise ValueError(
                f"{path} is an address or a command, not a file: only local tars and images are added"
            )
    result = ImagePaths()
    for path in paths:
        with failures.collect():
            _add_path(result, path)
    if not result.tars and not result.images:
        failures.raise_any()
        skipped = f"; {len(result.links)} {LINK}" if result.links else ""
        raise ValueError(f"no tars or images in {', '.join(map(str, paths))}{skipped}")
    return result


def _add_path(result: ImagePaths, path: Path) -> None:
    """Add a file or folder that was named; FileNotFoundError, or ValueError for a file of another kind."""
    if not path.exists():
        raise FileNotFoundError(f"no file or folder {path}")
    if path.is_dir():
        _add_folder(result, path)
    elif not _add_file(result, path):
        raise ValueError(
            f"{path} is neither an uncompressed .tar nor an image ({', '.join(sorted(IMAGES))})"
        )


def _add_folder(result: ImagePaths, folder: Path) -> None:
    for file in sorted(folder.rglob("*")):
        is_candidate = _is_tar_or_image(file) or file.is_dir()
        if is_candidate and leads_out(file, folder):
            result.links.append(file)
        else:
            _add_file(result, file)


def _add_file(result: ImagePaths, file: Path) -> bool:
    """Add a tar or an image; False for anything else."""
    if not file.is_file() or not _is_tar_or_image(file):
        return False
    if file.suffix.lower() == ".tar":
        result.tars.append(file.resolve())
    else:
        result.images.append(file)
    return True


def _is_tar_or_image(file: Path) -> bool:
    kind = file.suffix.lower()
    return kind == ".tar" or kind in IMAGES


def leads_out(file: Path, folder: Path) -> bool:
    """Whether a file below a folder is in truth elsewhere: by a link on the way to it, or as one itself."""
    try:
        return not file.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link to nothing, or in a circle
        return True
