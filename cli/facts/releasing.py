"""Facts of the commands that write and publish datasets: `init` to `removals`, as --json prints them."""

from typing import Annotated, NotRequired, TypedDict


class InitFacts(TypedDict):
    """`twigma init`."""

    file: Annotated[str, "dataset.toml, to be filled in"]


class ReleaseFacts(TypedDict):
    """`twigma release`."""

    folder: str
    written: Annotated[bool, "false when it was up to date"]
    rows: Annotated[int, "of the images table"]
    left_out: Annotated[dict[str, int], "rows by reason"]
    released: Annotated[int, "images"]
    posts: Annotated[int, "of these images"]
    embeddings: Annotated[int, "images with one"]


class SettingFacts(TypedDict):
    """A setting of a repository."""

    now: Annotated[str, "empty before there is one"]
    then: Annotated[str, "after publishing"]


class PlaceFacts(TypedDict):
    """A tag, branch or commit that still holds rows removed on request."""

    name: str
    rows: int
    remedy: Annotated[str, "what to do; empty where --erase-history does it"]


class SpaceFacts(TypedDict):
    """The Space that shows the explorer."""

    space: Annotated[str, "NAMESPACE/NAME"]
    version: Annotated[str, "of the release that it shows"]
    sent: Annotated[bool, "false for a dry run, and when it was up to date"]
    current: Annotated[bool, "whether it shows this version"]
    files: Annotated[dict[str, str], "new, changed, removed or unchanged, by path"]
    bytes: Annotated[int, "sent, or to be sent"]
    visibility: SettingFacts
    forgotten: Annotated[int, "earlier commits there"]
    others: Annotated[list[str], "references that somebody else made there"]


class HubFacts(TypedDict):
    """`twigma publish hub`."""

    repo: str
    sent: Annotated[bool, "false for a dry run, and when it was up to date"]
    current: Annotated[bool, "whether this version is published there"]
    exists: Annotated[bool, "whether the repository was there before"]
    tag: Annotated[str, "of this version"]
    tags: Annotated[list[str], "in the repository"]
    files: Annotated[dict[str, str], "new, changed, removed or unchanged, by path"]
    bytes: Annotated[int, "sent, or to be sent"]
    access: SettingFacts
    visibility: SettingFacts
    removed_rows: Annotated[list[PlaceFacts], "still to be downloaded from there"]
    erased: Annotated[int, "stored files deleted now"]
    space: NotRequired[Annotated[SpaceFacts, "with --space"]]


class ZenodoFacts(TypedDict):
    """`twigma publish zenodo`."""

    server: str
    record: Annotated[str | None, "null for a new one"]
    version: str
    doi: Annotated[str | None, "null before it is published"]
    published: bool
    files: Annotated[dict[str, str], "new, changed, removed or unchanged, by path"]
    bytes: Annotated[int, "sent, or to be sent"]
    removed_rows: Annotated[bool, "whether earlier versions may hold removed rows"]


class ShareRow(TypedDict):
    """Compared images of one tenth by followers and one year."""

    followers: Annotated[str, "tenth, 1 the fewest; or unknown"]
    fewest_followers: int | None
    most_followers: int | None
    year: str
    images: int
    without_likes: int
    over_author: Annotated[int, "left out only for the number of their author"]
    chosen: int
    written: Annotated[int, "in a split"]


class LikedFacts(TypedDict):
    """`twigma liked`."""

    folder: str
    splits: Annotated[dict[str, int], "images by split"]
    left_out: Annotated[dict[str, int], "rows by reason"]
    shares: Annotated[list[ShareRow], "what was chosen of each group"]
    warnings: list[str]
    sha256: Annotated[str, "of MANIFEST.json, which names the set"]


class RemovalsFacts(TypedDict):
    """`twigma removals`."""

    file: str
    when: Annotated[str, "UTC"]
    listed: Annotated[int, "ids"]
    posts: Annotated[int, "taken out"]
    images: Annotated[int, "taken out"]
    other_actions: Annotated[dict[str, int], "lines that ask for something else"]
    unmatched: Annotated[list[str], "ids that match nothing"]
    changed: Annotated[dict[str, int], "what was taken out of where"]
    deleted: Annotated[list[str], "folders and caches"]
    left: Annotated[list[str], "what is not ours to change"]
    next: Annotated[list[str], "commands to run"]
    published: Annotated[
        list[str], "what shows them elsewhere, with the command that mends it"
    ]


class KnownSet(TypedDict):
    """A set of the catalogue."""

    name: str
    kind: Annotated[str, "images, embeddings or texts"]
    use: str
    origin: str
    licence: str
    download: Annotated[str, "size, in words"]
    role: Annotated[str | None, "whose place it takes in the figures"]
    note: str


class ReferenceSet(TypedDict):
    """A set that is in the folder."""

    folder: str
    kind: Annotated[str, "images, embeddings or texts; unknown where nothing says so"]
    origin: list[str]
    licence: str
    model: Annotated[str | None, "null when it is not embedded"]
    note: str


class ListedSet(ReferenceSet):
    """A set of `twigma reference list`."""

    problem: Annotated[
        str | None, "why it cannot be used, and what to do; null where it can"
    ]


class ReferenceListFacts(TypedDict):
    """`twigma reference list`."""

    known: list[KnownSet]
    here: list[ListedSet]


class ReferenceAddFacts(ReferenceSet):
    """`twigma reference add`."""

    counts: Annotated[dict[str, int], "what was added now; empty: nothing to do"]
    notes: list[str]
