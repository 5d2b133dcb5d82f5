"""What the architecture says may be deleted of a working folder is made again by the command that it names."""

import re
import shlex
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import twigma
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.embed import embed_shards
from twigma.builder.stages.nsfw import nsfw_parts
from twigma.cli import main
from twigma.core.workspace import Workspace
from twigma.demo.demo import CLIP, NSFW, TOKEN
from twigma.demo.platform.server import Platform
from twigma.demo.training.lessons import one_thread

from .pages import ROOT

TABLE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROW = re.compile(
    r"^\| `(?P<path>[^`]+)` \| [^|]+ \| (?P<may>yes[^|]*) \| (?P<command>[^|]*) \|$",
    re.MULTILINE,
)
ROWS = {row["path"]: row["command"].strip("` ") for row in ROW.finditer(TABLE)}
del ROWS[
    "columns/caption/"
]  # made as the other columns are, by a model that loads for long
# A model is named where the default one would be downloaded.
OPTIONS = {
    "twigma embed": ["--model", str(CLIP)],
    "twigma nsfw": ["--detector", str(NSFW)],
    "twigma cluster": ["--clusters", "3"],
}
TABLES = ("nsfw", "dedupe", "cluster")


@pytest.fixture(scope="module")
def service(tiny_world):
    with Platform(tiny_world) as platform:
        yield platform


@pytest.fixture(scope="module")
def run(service):
    """Runs a command against the loopback service."""
    environment = {
        "X_BEARER_TOKEN": TOKEN,
        "TWIGMA_X_URL": service.api_url,
        "TWIGMA_IMAGE_URL": service.image_url,
    }

    def command(*words):
        done = CliRunner().invoke(main, words, env=environment)
        assert done.exit_code == 0, done.output
        return done

    return command


@pytest.fixture(scope="module")
def built(tiny_world, tmp_path_factory, run):
    """A working folder of sixty posts, with embeddings, scores and duplicates."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copy(tiny_world / "ids.csv", folder)
    work = str(folder / "work")
    run("rehydrate", "--ids", str(folder / "ids.csv"), "--work", work)
    with one_thread():
        embed_shards(work, str(CLIP))
        nsfw_parts(work, NSFW)
        dedupe(work)
    twigma.open_images(work)
    (Path(work) / "shards" / ".attempts" / "00000-left").mkdir(parents=True)
    return folder


def state(work: Path) -> dict[str, pa.Table]:
    """The images table, the columns and the outcomes of the ids."""
    there = filter(Workspace(work).has, TABLES)
    found = {name: Workspace(work).read(name) for name in there}
    found["images"] = pq.read_table(work / "images.parquet")
    return {name: table.replace_schema_metadata() for name, table in found.items()}


def test_the_table_has_what_there_is():
    assert len(ROWS) >= 9
    assert {"ledger.sqlite", "pages/parsed/", "models/cluster/"} <= set(ROWS)


@pytest.fixture
def here_copy(built, tmp_path, monkeypatch):
    """A copy of that folder, in which commands run."""
    folder = shutil.copytree(built, tmp_path / "copy")
    monkeypatch.chdir(folder)
    return folder


def _case(path):
    """A row; the map of the clusters takes half a minute to compile."""
    marks = [pytest.mark.slow] if "cluster" in path else []
    return pytest.param(path, marks=marks)


@pytest.mark.parametrize("path", [_case(path) for path in ROWS])
def test_it_is_made_again(path, here_copy, run, service):
    work = here_copy / "work"
    if "cluster" in path:
        run("cluster", *OPTIONS["twigma cluster"])
    before, outcomes = state(work), (work / "outcomes.csv").read_text()
    billed = sum(service.billed.values())
    target = work / path
    assert target.exists(), "the table names what is not there"
    if path.endswith("/"):
        shutil.rmtree(target)
    else:
        target.unlink()

    words = shlex.split(ROWS[path].partition(",")[0])
    if words[:1] == ["twigma"]:
        run(*words[1:], *OPTIONS.get(" ".join(words[:2]), []))
    assert len(twigma.open_images(work)) > 20

    for name, table in state(work).items():
        assert table.equals(before[name]), name
    assert (work / "outcomes.csv").read_text() == outcomes
    assert sum(service.billed.values()) == billed  # no id is bought twice
    if path != "shards/.attempts/":
        assert target.exists()
