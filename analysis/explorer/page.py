"""The explorer as one HTML file that asks for nothing: `twigma explore RELEASE --out explore.html`.

Program, style and data are inside it. The data are arrays one after the other, compressed, in base64; a browser draws
them on a plain canvas, which needs no graphics processor. The content security policy allows this script, this style
and no request.
"""

import base64
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from twigma.analysis.explorer.channels import Channel
from twigma.analysis.explorer.comparison import Comparison, read_comparison
from twigma.analysis.explorer.points import Points, read_points
from twigma.analysis.page.own_pages import csp_hash, refuse_other_pages, templates
from twigma.builder.release.identity import identity_of_release
from twigma.core.files import atomic
from twigma.dataset.opened_release import Release, open_release
from twigma.dataset.release_folder import AnyPath
from twigma.dataset.selections import FORMAT, release_hash

HERE = Path(__file__).parent
IDS_UP_TO = 200_000  # images whose ids the page holds without being asked: 8 bytes each
COMPRESSION = 6
# The program, one file a noun, in the order in which it is put together.
PROGRAM = (
    "state",
    "data",
    "colours",
    "map",
    "filters",
    "selection",
    "saving",
    "details",
    "comparison",
    "moving",
)
SERVED = ("service", "pictures", "similar")  # of the page that a server stands behind
START = "start"
MOVES_SHOWN = 50  # rows of the table of moves between clusters


@dataclass(frozen=True)
class Explored:
    """What was written."""

    path: Path
    images: int
    unplaced: int  # images without a place on the map
    bytes: int
    with_ids: bool
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Explorer:
    """What a page shows: a release, its points, and what changed since an earlier release."""

    release: Release
    points: Points
    comparison: Comparison | None = None


def explore(
    release: AnyPath | None = None,
    out: AnyPath = "explore.html",
    *,
    ids: bool | None = None,
    before: AnyPath | None = None,
) -> Explored:
    """Write the explorer of a release as one HTML file.

    Parameters
    ----------
    release : release folder, as for `open_release`.
    out : the file; one of an earlier run is replaced.
    ids : whether the page holds the ids of the images, which a selection then names. None: up to `IDS_UP_TO` images.
    before : an earlier release, whose map is shown in turn with this one.

    Raises
    ------
    ValueError when a release has no map, or `out` is a file that is not an explorer.
    """
    path = Path(out)
    refuse_other_pages(
        path, "twigma explore", "not an explorer of ours", "explore.html"
    )
    explorer = read_explorer(release, before)
    points = explorer.points
    with_ids = len(points) <= IDS_UP_TO if ids is None else ids
    html = render(explorer, with_ids=with_ids)
    with atomic(path) as beside:
        beside.write_text(html, "utf-8")
    return Explored(
        path=path,
        images=len(points),
        unplaced=points.unplaced,
        bytes=len(html.encode()),
        with_ids=with_ids,
        comparison=explorer.comparison,
    )


def read_explorer(release: AnyPath | None, before: AnyPath | None = None) -> Explorer:
    """What the page of a release shows; ValueError where it, or the earlier one, has no map."""
    opened = open_release(release)
    if before is None:
        return Explorer(opened, read_points(opened))
    points, comparison = read_comparison(opened, open_release(before))
    return Explorer(opened, points, comparison)


def render(explorer: Explorer, *, with_ids: bool, served: bool = False) -> str:
    """The page: equal releases give equal bytes. A `served` one also asks its server for pictures and neighbours."""
    release, points = explorer.release, explorer.points
    header: dict[str, Any] = {
        "format": FORMAT,
        "release": release_hash(release),
        "n": len(points),
        "kept": len(points) - points.gone,
        "step": points.step,
        "channels": [_described(channel) for channel in points.channels],
    }
    if with_ids:
        header["image_name"] = points.image_names
    header["arrays"], packed = _packed(points.arrays)
    page = templates(HERE).get_template("explorer.html.j2")
    return page.render(
        title=_title(release),
        count=f"{len(points):,}",
        unplaced=points.unplaced,
        version=release.manifest.get("version", ""),
        comparison=explorer.comparison,
        moves_shown=MOVES_SHOWN,
        served=served,
        script=_script(served),
        style=_style(),
        policy=f"default-src 'none'; {content_policy(served=served)}",
        header=_compressed(json.dumps(header, ensure_ascii=False).encode()),
        data=_compressed(packed),
    )


def _script(served: bool) -> str:
    """The program in one piece."""
    names = [*PROGRAM, *(SERVED if served else ()), START]
    files = [HERE / "program" / f"{name}.js" for name in names]
    return "\n".join(file.read_text("utf-8") for file in files)


def _style() -> str:
    return (HERE / "explorer.css").read_text("utf-8")


def content_policy(*, served: bool) -> str:
    """What the page may do beyond nothing: its own program and style, and ask its own server if it has one."""
    allowed = [
        f"script-src '{csp_hash(_script(served))}'",
        f"style-src '{csp_hash(_style())}'",
    ]
    if served:
        allowed += ["img-src 'self'", "connect-src 'self'"]
    return "; ".join(allowed)


def _title(release: Release) -> str:
    try:
        return identity_of_release(release.folder).title
    except ValueError:
        # Not every release says so: the table of TWIGMA's authors does not.
        return release.folder.name


def _described(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        "title": channel.title,
        "kind": channel.kind,
        "names": channel.names,
        "steps": channel.steps,
        "missing": channel.missing,
    }


def _packed(arrays: dict[str, NDArray[Any]]) -> tuple[list[dict[str, Any]], bytes]:
    """The arrays one after the other, little-endian, the widest numbers first; and where each one is."""
    described, packed, at = [], [], 0
    # A typed array of JavaScript begins at a multiple of its width.
    for name, values in sorted(arrays.items(), key=lambda item: -item[1].itemsize):
        little = values.astype(values.dtype.newbyteorder("<"))
        described.append({"name": name, "bits": 8 * values.itemsize, "at": at})
        packed.append(little.tobytes())
        at += little.nbytes
    return described, b"".join(packed)


def _compressed(content: bytes) -> str:
    """Gzip in base64, without a time."""
    squeezed = gzip.compress(content, COMPRESSION, mtime=0)
    return base64.b64encode(squeezed).decode("ascii")
