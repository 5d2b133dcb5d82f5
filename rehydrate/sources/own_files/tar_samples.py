"""The samples of a WebDataset tar that anyone may have made: image members, and the JSON and text beside each.

Nothing in a tar is unpacked, unpickled or run; an image is decoded once, to know that it can be.
"""

import hashlib
import mmap
import tarfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from twigma.core.safety.failures import Failures
from twigma.core.values import clean_text
from twigma.rehydrate.images import decode_memory
from twigma.rehydrate.images.decode import BadImage, check
from twigma.rehydrate.images.tar_places import names_after_end, tar_members
from twigma.rehydrate.sources.facts.columns import Facts, Unread
from twigma.rehydrate.sources.pictures.beside import (
    CAPTION,
    DAMAGED,
    MAX_TEXT,
    columns_beside,
    group_of,
    notes_on,
    read_json,
    read_text,
)
from twigma.rehydrate.sources.pictures.contents import (
    LONE,
    MAX_IMAGE,
    OTHER,
    TEXTS,
)
from twigma.rehydrate.sources.pictures.kinds import (
    CONVERTED,
    HEAD,
    STORED,
    is_hidden,
    is_image_name,
    kind_of,
    missing_package,
)
from twigma.rehydrate.sources.pictures.metadata import (
    MOST_TABLE,
    by_distance,
    is_table_name,
    table_facts,
)
from twigma.rehydrate.sources.pictures.trees import (
    HIDDEN,
    NO_FILE,
    REPEATED,
    LeftOut,
)

UNSAFE = "with a path that leads out"
AFTER_END = "behind the end mark of the tar"

Data = mmap.mmap | bytes  # the bytes of a whole tar


@dataclass
class Sample:
    """An image member of a tar, and the JSON and text members beside it."""

    key: str
    image: tarfile.TarInfo
    json: tarfile.TarInfo | None = None
    text: tarfile.TarInfo | None = None


class SampleRow(NamedTuple):
    """The sidecar row of a sample, the values beside it that cannot be read, and the name of its JSON if it cannot."""

    row: dict[str, Any]
    unread: list[Unread]
    damaged: str | None


@dataclass
class Scan:
    """The members of a tar by class: samples in its order, names of pictures to convert, counts of those left out.

    `facts` has what the `tables` of an ImageFolder say of each sample, by the name of its image.
    """

    samples: list[Sample] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    tables: dict[str, bytes] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=dict)

    def leave_out(self, reason: str, *names: str) -> None:
        """Leave members out for a reason."""
        if names:
            self.left_out.setdefault(reason, []).extend(names)

    def leave_out_damaged(self, name: str | None) -> None:
        """Leave out the JSON of a sample, where it has one that cannot be read."""
        if name is not None:
            self.leave_out(DAMAGED, name)

    def is_foreign(self) -> bool:
        """Whether there are members, and none is a picture; a tar without any member is an empty one."""
        has_others = bool(self.left_out or self.tables)
        return not self.samples and not self.converted and has_others


def scan(tar: Path, data: Data, failures: Failures) -> Scan:
    """The members of a tar, mapped as `data`; ValueError where it is damaged. A damaged table in it is a failure."""
    result = Scan()
    texts: dict[tuple[str, str], tarfile.TarInfo] = {}
    others: list[tarfile.TarInfo] = []
    members = list(tar_members(tar, others))
    for member in _last_of_each_name(members, result):
        path = PurePosixPath(member.name)
        kind = path.suffix.lower()
        # A key is the path up to the first dot, as WebDataset has it.
        key = str(path.parent / path.name.partition(".")[0])
        if path.is_absolute() or ".." in path.parts:
            result.leave_out(UNSAFE, member.name)
        elif is_hidden(member.name):
            result.leave_out(HIDDEN, member.name)
        elif kind in TEXTS:
            texts[key, kind] = member
        elif is_table_name(member.name):
            result.tables[member.name] = content(data, member, MOST_TABLE + 1)
        else:
            _classify(result, key, member, data)
    _read_tables(result, tar.name, failures)
    for sample in result.samples:
        sample.json = texts.get((sample.key, ".json"))
        sample.text = texts.get((sample.key, ".txt"))
    keys = {sample.key for sample in result.samples}
    for name in result.converted:
        path = PurePosixPath(name)
        keys.add(str(path.parent / path.name.partition(".")[0]))
    lone = [text.name for (key, _), text in texts.items() if key not in keys]
    result.leave_out(LONE, *lone)
    result.leave_out(NO_FILE, *[member.name for member in others])
    result.leave_out(AFTER_END, *names_after_end(tar, [*members, *others]))
    return result


def _last_of_each_name(
    members: list[tarfile.TarInfo], result: Scan
) -> list[tarfile.TarInfo]:
    """The members that unpacking the tar would leave: a later one replaces those of its name, which are left out."""
    last = {member.name: member for member in members}
    replaced = [member.name for member in members if last[member.name] is not member]
    result.leave_out(REPEATED, *replaced)
    return [member for member in members if last[member.name] is member]


def _read_tables(result: Scan, tar: str, failures: Failures) -> None:
    """Note what the tables of an ImageFolder say of the images."""
    pictures = [sample.image.name for sample in result.samples]
    pictures += result.converted
    for table in by_distance(result.tables):
        with failures.collect():
            content = result.tables[table]
            facts = table_facts(content, table, tar, pictures, result.leave_out)
            result.facts.update(facts)


def _classify(result: Scan, key: str, member: tarfile.TarInfo, data: Data) -> None:
    kind = kind_of(content(data, member, HEAD))
    missing = missing_package(kind) if kind is not None else None
    if missing is not None:
        result.leave_out(missing, member.name)
    elif kind in CONVERTED:
        result.converted.append(member.name)
    elif kind in STORED or is_image_name(member.name):
        result.samples.append(Sample(key, member))
    else:
        result.leave_out(OTHER, member.name)


def sidecar_row(
    data: Data, sample: Sample, known: Facts, tar: str, group_key: str | None
) -> SampleRow:
    """The sidecar row of one image but for its name; the image is decoded to its last byte.

    `tar` is the name of the tar. What stands beside the image, or is `known` from a table, fills our columns; `group`
    is the field `group_key`.
    """
    facts, notes = _facts(data, sample, known)
    damaged = sample.json.name if sample.json is not None and notes else None
    values, unread = columns_beside(facts)
    notes += notes_on(unread)
    row: dict[str, Any] = {
        **values,
        "member": sample.image.name,
        "path": clean_text(f"{tar}/{sample.image.name}"),
        "group": group_of(facts, group_key),
    }
    try:
        header = _check(data, sample.image)
    except BadImage as error:
        row["status"] = error.status
        row["error"] = str(error)
        row["note"] = "; ".join(notes) or None
        return SampleRow(row, unread, damaged)
    row["width"] = header.width
    row["height"] = header.height
    row["status"] = "success"
    row["sha256"] = hashlib.sha256(content(data, sample.image)).hexdigest()
    if header.warning is not None:
        notes.insert(0, header.warning)
    row["note"] = "; ".join(notes) or None
    return SampleRow(row, unread, damaged)


def _check(data: Data, member: tarfile.TarInfo) -> Any:
    if member.size > MAX_IMAGE:
        raise BadImage(
            "too_large", f"{member.size:,} bytes, at most {MAX_IMAGE:,} are read"
        )
    image = content(data, member)
    with decode_memory.room(image):
        return check(image)


def _facts(data: Data, sample: Sample, known: Facts) -> tuple[Facts, list[str]]:
    """What stands beside an image, and notes on what of it cannot be read."""
    facts: dict[str, Any] = dict(known)
    notes: list[str] = []
    if sample.json is not None:
        read, note = read_json(content(data, sample.json, MAX_TEXT + 1))
        facts.update(read)
        if note is not None:
            notes.append(note)
    if sample.text is not None:
        caption = read_text(content(data, sample.text, MAX_TEXT))
        if caption is not None:
            facts.setdefault(CAPTION, caption)
    return facts, notes


def content(data: Data, member: tarfile.TarInfo, most: int | None = None) -> bytes:
    """The first `most` bytes of a member, or all of them."""
    start = member.offset_data
    size = member.size if most is None else min(member.size, most)
    return data[start : start + size]
