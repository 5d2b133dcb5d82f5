"""What a search found: hashtags, posts, posts with photos, from the working folder of `twigma collect`.

`twigma analyze --work` holds them against the paper's, whose own collection is only told in its text.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from twigma.core.workspace import AnyWorkspace, Workspace
from twigma.rehydrate.accounting import read_image_rows
from twigma.rehydrate.ledger.reader import view_ledger
from twigma.rehydrate.posts.page_content import EXISTS


@dataclass(frozen=True)
class Collected:
    """Hashtags that were searched, posts that were found, and those of them that show photos."""

    hashtags: int
    posts: int
    posts_with_photos: int


def collected(work: AnyWorkspace) -> Collected | None:
    """What the searches of a folder found; None where none was run, one is not complete, or a list was looked up.

    A list of ids in the folder brings posts that no search found, so its posts count nothing.
    """
    work = Workspace(work)
    if work.ids_file.exists() or not work.ledger_file.exists():
        return None
    ledger = view_ledger(work)
    if not ledger.collections or ledger.open:
        return None
    hashtags: set[str] = set()
    for search in ledger.searches:
        hashtags.update(search.tags)
    found = pc.is_in(ledger.ids["outcome"], value_set=pa.array(EXISTS))
    rows = read_image_rows(work)
    # What was added by hand stands on no post.
    of_posts = rows.filter(pc.invert(rows["local"]))
    return Collected(
        hashtags=len(hashtags),
        posts=pc.sum(found).as_py() or 0,
        posts_with_photos=len(pc.unique(of_posts["id"])),
    )
