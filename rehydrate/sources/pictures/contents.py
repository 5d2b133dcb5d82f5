"""Pictures one after the other, of whatever holds them, each with what stands beside it. Every file is in one class.

A folder, a zip, a tar or single files are looked through once: what is a picture, an archive, or beside a picture, and
what is left out, with the reason.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from twigma.core.safety.bounded import load_json
from twigma.core.safety.failures import Failures
from twigma.core.values import clean_text
from twigma.rehydrate.sources.facts.columns import Facts
from twigma.rehydrate.sources.pictures.beside import (
    CAPTION,
    DAMAGED,
    DIFFUSIONDB,
    read_json,
    read_text,
)
from twigma.rehydrate.sources.pictures.kinds import (
    ARCHIVES,
    HEAD,
    is_image_name,
    kind_of,
    missing_package,
    stem_of,
)
from twigma.rehydrate.sources.pictures.metadata import (
    MOST_TABLE,
    UNMATCHED,
    by_distance,
    holds_pictures,
    is_table_name,
    match_facts,
    table_facts,
)
from twigma.rehydrate.sources.pictures.trees import LeftOut, Tree

MAX_IMAGE = 200_000_000  # bytes of an image, encoded
OTHER = "of another kind"
EMPTY = "empty"
LONE = "text or JSON beside no picture"
_PART = re.compile(
    r"part-\d+\.json", re.IGNORECASE
)  # of DiffusionDB: the prompts of a thousand files
_MAX_PART = 8_000_000  # bytes
TEXTS = (".json", ".txt", ".cls")


@dataclass(frozen=True)
class Picture:
    """A picture as its owner has it: where it was, its bytes, what stands beside it, and notes on that."""

    path: str
    data: bytes
    facts: Facts = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What the image is named after."""
        return stem_of(PurePosixPath(self.path).name)

    @property
    def stem(self) -> str:
        """What tells it from others of the same key: the name of its folder."""
        return PurePosixPath(self.path).parent.name


@dataclass
class Contents:
    """The files of a tree by class; `archives` maps the name of one to its kind.

    `texts` maps a name to that of the file, whose ending may be in capitals: `A.txt` to `A.TXT`.
    `facts` has what is said of each picture by the `tables` of an ImageFolder, or the JSON of a part of DiffusionDB.
    """

    pictures: list[str] = field(default_factory=list)
    archives: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=dict)

    def leave_out(self, reason: str, name: str) -> None:
        """Leave a file out for a reason."""
        self.left_out.setdefault(reason, []).append(name)

    def add_text(self, name: str) -> None:
        """Add a text or JSON; of `A.txt` and `A.TXT` the first counts."""
        ending = PurePosixPath(name).suffix
        called = name.removesuffix(ending) + ending.lower()
        if called == name:
            self.texts[called] = name
        else:
            self.texts.setdefault(called, name)


def look_through(tree: Tree, failures: Failures) -> Contents:
    """Which files of a tree are pictures, which archives, what is left out; one that cannot be read is a failure."""
    contents = Contents()
    for reason, names in tree.left_out.items():
        contents.left_out[reason] = list(names)
    for name in tree.names:
        if PurePosixPath(name).suffix.lower() in TEXTS:
            contents.add_text(name)
            continue
        with failures.collect():
            if is_table_name(name) and _is_table(tree, name):
                contents.tables.append(name)
            else:
                _classify(contents, name, tree.read(name, HEAD))
    _read_facts(tree, contents, failures)
    beside = _beside_any(contents)
    for name in sorted(contents.texts.keys() - beside):
        contents.leave_out(LONE, contents.texts[name])
    return contents


def _is_table(tree: Tree, name: str) -> bool:
    return not holds_pictures(tree.read(name, MOST_TABLE + 1))


def _read_facts(tree: Tree, contents: Contents, failures: Failures) -> None:
    """Note what tables say of the pictures; one that is damaged is a failure."""

    def leave_out(reason: str, name: str) -> None:
        # Of single files, the table may be of the whole folder.
        if tree.is_whole or reason != UNMATCHED:
            contents.leave_out(reason, name)

    parts = [name for name in contents.texts.values() if _is_part(name)]
    for name in sorted(parts):
        with failures.collect():
            settings = part_settings(tree.read(name, _MAX_PART + 1), name)
            facts = match_facts(settings.items(), name, contents.pictures, leave_out)
            contents.facts.update(facts)
    for table in by_distance(contents.tables):
        with failures.collect():
            data = tree.read(table, MOST_TABLE + 1)
            pictures = contents.pictures
            facts = table_facts(data, table, tree.label, pictures, leave_out)
            contents.facts.update(facts)


def _is_part(name: str) -> bool:
    return _PART.fullmatch(PurePosixPath(name).name) is not None


def _classify(contents: Contents, name: str, head: bytes) -> None:
    kind = kind_of(head)
    # An empty tar is zeros only.
    if kind is None and name.lower().endswith(".tar"):
        kind = "tar"
    missing = missing_package(kind) if kind is not None else None
    if missing is not None:
        contents.leave_out(missing, name)
    elif kind in ARCHIVES and _is_archive_name(name):
        contents.archives[name] = str(kind)
    elif (kind is not None and kind not in ARCHIVES) or is_image_name(name):
        # With the name of a picture and other bytes it becomes a row that failed.
        contents.pictures.append(name)
    else:
        contents.leave_out(OTHER if head else EMPTY, name)


def _is_archive_name(name: str) -> bool:
    """Documents of many programs are zips inside, and so are not looked into."""
    endings = (".zip", ".tar", ".tar.gz", ".tgz", ".parquet")
    return name.lower().endswith(endings)


def _beside_any(contents: Contents) -> set[str]:
    """The names of the texts that stand beside a picture, or hold the prompts of its folder."""
    beside: set[str] = set()
    folders = set()
    for name in contents.pictures:
        beside.update(_names_beside(name, ".json"))
        beside.update(_names_beside(name, ".txt"))
        beside.update(_names_beside(name, ".cls"))
        folders.add(PurePosixPath(name).parent)
    for name in contents.texts:
        if _is_part(name) and PurePosixPath(name).parent in folders:
            beside.add(name)
    return beside


def _names_beside(name: str, ending: str) -> tuple[str, str]:
    """The two names that a text beside a picture may have, but for capitals in its ending."""
    last = PurePosixPath(name).name
    # As it is written: the members of a tar may begin with ./
    folder = name.removesuffix(last)
    return f"{name}{ending}", f"{folder}{stem_of(last)}{ending}"


# ------------------------------------------------------------------ reading


def read_pictures(
    tree: Tree, contents: Contents, failures: Failures
) -> Iterator[Picture]:
    """The pictures of a tree in its order; one whose file cannot be read is a failure.

    JSON beside one that cannot be read is left out.
    """
    for name in contents.pictures:
        picture = None
        with failures.collect():
            picture = _read(tree, name, contents)
        if picture is not None:
            yield picture


def _read(tree: Tree, name: str, contents: Contents) -> Picture:
    """A picture; what is in files of its own counts before what is known from a table."""
    # One byte more shows that it is too large.
    data = tree.read(name, MAX_IMAGE + 1)
    facts = dict(contents.facts.get(name, {}))
    texts = contents.texts
    notes: list[str] = []
    for text in _names_beside(name, ".json"):
        if text in texts:
            read, note = read_json(tree.read(texts[text], 2 * _MAX_PART))
            facts.update(read)
            if note is not None:
                notes.append(note)
                contents.leave_out(DAMAGED, texts[text])
            break
    for text in _names_beside(name, ".txt"):
        if text in texts:
            caption = read_text(tree.read(texts[text], _MAX_PART))
            if caption is not None:
                facts.setdefault(CAPTION, caption)
            break
    path = PurePosixPath(name).name
    if tree.label:
        path = f"{tree.label}/{name}"
    return Picture(clean_text(path), data, facts, tuple(notes))


def part_settings(data: bytes, where: str) -> dict[str, Facts]:
    """Prompt and settings by file name, in the JSON of a part of DiffusionDB; ValueError where it is something else."""
    if len(data) > _MAX_PART:
        raise ValueError(
            f"{where} has over {_MAX_PART:,} bytes: no part of DiffusionDB"
        )
    try:
        texts = load_json(data)
    except RecursionError as error:
        raise ValueError(f"{where}: JSON that is nested too deeply") from error
    is_table = isinstance(texts, dict)
    if not is_table or not all(isinstance(text, dict) for text in texts.values()):
        raise ValueError(
            f"{where}: expected the settings of each image, found other JSON"
        )
    settings: dict[str, Facts] = {}
    for name, text in texts.items():
        settings[name] = {long: text.get(short) for short, long in DIFFUSIONDB.items()}
    return settings
