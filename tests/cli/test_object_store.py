"""Commands on a working folder and a release in an object store: what they leave there is what they leave on a disk."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pandas
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support.object_store import contents, serving
from support.staging import encode, pixels

import twigma
from twigma.builder.clusters.cluster import cluster
from twigma.builder.clusters.fit import read_fit
from twigma.builder.removals.removals import removals
from twigma.cli import main
from twigma.cli.options.folders import LocalPath, StoreFolder
from twigma.core.storage.address import mirror_folder, parse
from twigma.core.storage.mirrors import local_copy, mirrored
from twigma.core.workspace import Workspace
from twigma.demo.demo import BLIP, CLIP, NSFW
from twigma.demo.platform.server import Platform

from ..docs.pages import ROOT, blocks_of

WORK, RELEASE = "s3://lab/ai/work", "s3://lab/released/twigma"
PICTURES = 20


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A server with the working folder and the release of the whole flow; the same in `local/work` and `twigma`."""
    folder = tmp_path_factory.mktemp("flow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with serving(patch, folder / "machine") as server:
            draw_pictures(Path("photos"), range(PICTURES))
            flow("local/work", "twigma")
            server.requests.clear()
            flow(WORK, RELEASE)
            server.fetched = server.reads(".tar")
            yield server


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """This process is another machine, with mirrors of its own."""
    monkeypatch.setenv("TWIGMA_MIRRORS", str(tmp_path / "elsewhere"))


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, (words, result.output, result.exception)
    return result


def draw_pictures(folder, numbers):
    folder.mkdir()
    for number in numbers:
        (folder / f"{number:03}.png").write_bytes(encode(pixels(number), "PNG"))


def flow(work, release):
    run("add", "photos", "--work", work, "--shard-size", 8)
    run("embed", "--work", work, "--model", CLIP, "--precision", "fp32")
    run("caption", "--work", work, "--model", BLIP)
    run("nsfw", "--work", work, "--detector", NSFW)
    run("dedupe", "--work", work)
    run("cluster", "--work", work, "--clusters", 2)
    run("release", "--work", work, "--out", release)


def test_the_whole_flow_leaves_the_same_bytes(store):
    there, here = store.files("ai/work"), contents(Path("local/work"))
    assert there.keys() == here.keys()
    assert [name for name in here if here[name] != there[name]] == []
    assert store.files("released/twigma") == contents(Path("twigma"))


def test_each_tar_was_fetched_once_a_stage_and_none_is_left(store):
    tars = {f"ai/work/shards/{number:05}.tar" for number in range(3)}
    assert store.fetched == dict.fromkeys(tars, 2)  # by embed and by caption
    assert not list(mirror_folder(parse(WORK)).rglob("*.tar"))


def test_status_sees_tars_that_are_not_here(store, elsewhere):
    facts = json.loads(run("status", "--work", WORK, "--json").stdout)
    assert facts["damaged"] == [] and facts["shards"]["finished"] == 3
    assert facts["stages"]["embed"]["done"] == PICTURES
    # The path of the mirror is the same folder.
    folder = mirror_folder(parse(WORK))
    again = json.loads(run("status", "--work", folder, "--json").stdout)
    assert again["damaged"] == []


def test_messages_and_facts_name_the_address(store, elsewhere):
    place = str(mirror_folder(parse(WORK)).parent)
    asked = run("status", "--work", WORK)
    facts = run("status", "--work", WORK, "--json")
    assert json.loads(facts.stdout)["work"] == WORK
    assert place not in asked.stdout + facts.stdout and WORK in asked.stdout
    made = run("release", "--work", WORK, "--out", "s3://lab/released/again")
    assert "in s3://lab/released/again" in made.stdout and place not in made.stdout
    assert f"no {WORK}/dataset.toml" in made.stderr


def test_a_mistyped_address_leaves_no_mirror(store, elsewhere):
    result = run("status", "--work", "s3://lab/mistyped", code=1)
    assert "no working folder at s3://lab/mistyped" in result.stderr
    run("status", "--work", "s3://nobody/work", code=1)
    assert not list(mirror_folder(parse(WORK)).parent.parent.glob("*"))


def test_a_release_loads_from_the_store(store, elsewhere, monkeypatch):
    local = twigma.open_release("twigma")
    release = twigma.open_release(RELEASE)
    assert release.metadata.equals(local.metadata)
    assert release.embeddings.equals(local.embeddings)
    loaded = twigma.load_dataset("metadata", data_dir=RELEASE, split="train")
    assert loaded["image_name"][:] == local.metadata["image_name"].to_pylist()
    (name,) = [name for name in local.manifest["files"] if name.startswith("metadata")]
    assert len(pandas.read_parquet(f"{RELEASE}/{name}")) == PICTURES
    monkeypatch.setenv("TWIGMA_DATA_DIR", RELEASE)
    assert len(twigma.open_release()) == len(local)


def test_the_python_of_the_page_runs(store, elsewhere):
    (block,) = blocks_of(ROOT / "docs" / "howto" / "object_store.md", "python")
    found = {}
    exec(block.code, found)
    data = contents(Path("photos"))["000.png"]
    assert found["data"] == data and len(found["release"]) == PICTURES
    with pytest.raises(FileNotFoundError, match="is in a store: use the folder within"):
        twigma.open_images(found["work"]).read("000")


def test_an_image_by_name_takes_its_bytes_and_no_tar(store, elsewhere):
    with local_copy(WORK) as work:
        images = twigma.open_images(work)
        store.requests.clear()
        assert images.read("013") == twigma.open_images("local/work").read("013")
        assert sum(store.reads(".tar").values()) == 1
        assert not list(work.rglob("*.tar"))


def test_a_dataset_of_images_fetches_each_tar_once(store, elsewhere):
    with local_copy(WORK) as work:
        store.requests.clear()
        rows = twigma.load_dataset(
            "images", shards=work, data_dir="twigma", split="train", streaming=True
        )
        assert len(list(rows)) == PICTURES
        tars = {f"ai/work/shards/{number:05}.tar" for number in range(3)}
        assert store.reads(".tar") == dict.fromkeys(tars, 1)


def test_figures_and_pictures_from_the_store(store, elsewhere, tmp_path):
    report = tmp_path / "report"
    run("analyze", RELEASE, "--work", WORK, "--out", report)
    run("report", report, "--work", WORK)
    found = run("search", "a cat", "--release", RELEASE, "--model", CLIP, "--json")
    assert len(json.loads(found.stdout)["images"]) == PICTURES


KILLED = """
import sys
from twigma.builder.engine import in_process
add = in_process._added_columns
def slowly(block, stage):
    if "010" in block["image_name"].to_pylist():  # of the second shard
        print("now", flush=True)
        import time; time.sleep(60)
    return add(block, stage)
in_process._added_columns = slowly
from twigma.cli import main
main(sys.argv[1:])
"""


def test_a_killed_stage_resumes_and_ends_equal(store, tmp_path):
    work = "s3://lab/killed/work"
    run("add", "photos", "--work", work, "--shard-size", 8)
    words = ["embed", "--work", work, "--model", CLIP, "--precision", "fp32"]
    command = [sys.executable, "-c", KILLED, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout.readline() == b"now\n"
        wait_for(lambda: "columns/embed/00000.arrow" in store.files("killed/work"))
        process.send_signal(signal.SIGKILL)
    there = store.files("killed/work")
    assert not {"columns/embed/00001.arrow", "columns/embed/00002.arrow"} & set(there)
    store.requests.clear()
    run(*words)
    fetched = set(store.reads(".tar"))
    assert fetched == {f"killed/work/shards/{number:05}.tar" for number in (1, 2)}
    parts = {name for name in store.files("killed/work") if "columns" in name}
    local = contents(Path("local/work"))
    assert parts == {f"columns/embed/{number:05}.arrow" for number in range(3)}
    for name, data in store.files("killed/work").items():
        assert data == local.get(name), name


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_tars_of_ones_own_are_copied_to_the_store(store, elsewhere):
    work = "s3://lab/own/work"
    tar = shutil.copy("local/work/shards/00000.tar", "mine.tar")
    run("add", tar, "--work", work)
    assert store.files("own/work")["shards/00000.tar"] == Path(tar).read_bytes()
    run("embed", "--work", work, "--model", CLIP)
    again = run("add", tar, "--work", work, "--json")
    assert json.loads(again.stdout)["files"][0]["known"] == 8


def test_what_is_removed_is_removed_in_the_store(store, tmp_path):
    work, release = "s3://lab/removed/work", "s3://lab/removed/twigma"
    with mirrored(work) as folder:
        shutil.copytree("local/work", folder)
    with mirrored(release) as folder:
        shutil.copytree("twigma", folder)
    requests = tmp_path / "requests.txt"
    requests.write_text("003\n", "utf-8")
    before = store.files("removed")
    run("removals", requests, "--work", work, "--derived", release)
    after = store.files("removed")
    assert not [path for path in after if path.startswith("twigma/")]
    for path in ("shards/00000.tar", "shards/00000.parquet", "images.parquet"):
        assert after[f"work/{path}"] != before[f"work/{path}"]
    with mirrored(work) as folder:
        assert "003" not in twigma.open_images(folder)
        assert "003" not in read_names(folder)
        assert len(twigma.open_images(folder)) == PICTURES - 1


PAUSED = KILLED.replace("import time; time.sleep(60)", "sys.stdin.readline()")


def test_what_is_removed_while_another_machine_embeds_does_not_come_back(
    store, tmp_path, monkeypatch
):
    work = "s3://lab/meanwhile/work"
    with mirrored(work) as folder:
        shutil.copytree("local/work", folder)
        shutil.rmtree(folder / "columns")
    requests = tmp_path / "requests.txt"
    requests.write_text("010\n", "utf-8")
    words = ["embed", "--work", work, "--model", CLIP, "--precision", "fp32"]
    command = [sys.executable, "-c", PAUSED, *map(str, words)]
    there = os.environ | {"TWIGMA_MIRRORS": str(tmp_path / "there")}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env=there, text=True, **pipes) as process:
        assert process.stdout.readline() == "now\n"
        run("removals", requests, "--work", work)
        _, errors = process.communicate("go on\n")
    assert process.returncode == 1
    assert "images were removed from s3://lab/meanwhile/work while this" in errors
    monkeypatch.setenv("TWIGMA_MIRRORS", str(tmp_path / "there"))
    assert "columns/embed/00001.arrow" not in store.files("meanwhile/work")
    run(*words)
    with mirrored(work) as folder:
        names = read_names(folder)
    assert "010" not in names and len(names) == PICTURES - 1


def test_a_removal_erases_what_was_sent_since_it_began(store, monkeypatch, tmp_path):
    work = "s3://lab/since/work"
    with mirrored(work) as folder:
        shutil.copytree("local/work", folder)
        shutil.rmtree(folder / "columns")
    with mirrored(work) as here:
        with monkeypatch.context() as other:
            other.setenv("TWIGMA_MIRRORS", str(tmp_path / "there"))
            run("embed", "--work", work, "--model", CLIP)
        removals(here, ["003"])
    monkeypatch.setenv("TWIGMA_MIRRORS", str(tmp_path / "third"))
    with mirrored(work) as folder:
        names = read_names(folder)
    assert "003" not in names and len(names) == PICTURES - 1


def read_names(folder):
    return Workspace(folder).read("embed")["image_name"].to_pylist()


def test_of_two_clusterings_at_once_the_second_runs_again(store, tmp_path, monkeypatch):
    work = "s3://lab/race/work"
    with mirrored(work) as folder:
        shutil.copytree("local/work", folder)
        shutil.rmtree(folder / "columns/cluster")
        shutil.rmtree(folder / "models/cluster")
    with (
        pytest.raises(RuntimeError, match="changed by another machine"),
        mirrored(work) as here,
    ):
        with monkeypatch.context() as other:
            other.setenv("TWIGMA_MIRRORS", str(tmp_path / "there"))
            run("cluster", "--work", work, "--clusters", 3)
        cluster(here, k=2)
    assert run("status", "--work", work).exit_code == 0
    run("cluster", "--work", work, "--clusters", 2)
    there = store.files("race/work")
    assert (
        there["columns/cluster/all.arrow"]
        == contents(folder)["columns/cluster/all.arrow"]
    )
    with mirrored(work) as here:
        assert len(read_fit(here).centroids) == 2


def test_freed_pictures_are_freed_in_the_store(store):
    work = "s3://lab/freed/work"
    with mirrored(work) as folder:
        shutil.copytree("local/work", folder)
    run("free", "--work", work, "--go")
    assert not [name for name in store.files("freed/work") if name.endswith(".tar")]
    facts = json.loads(run("status", "--work", work, "--json").stdout)
    assert facts["damaged"] == [] and facts["shards"]["freed"] == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("status --work s3://nobody/work", "s3://nobody/work: there is no such bucket"),
        ("embed --work s3://lab", "expected s3://BUCKET/FOLDER or gs://BUCKET/FOLDER"),
        ("embed --work s3://lab", "name a folder in the bucket, s3://lab/FOLDER"),
        ("nsfw --work s3://lab/a?token=secret", "s3://lab/a has the option token"),
        ("nsfw --work s3://ME:secret@lab/work", "credentials are read from the"),
        ("dedupe --work s3://lab/nothing", "no working folder s3://lab/nothing"),
        ("report x --reference a=s3://lab/refs", "a folder of this machine, found the"),
        ("analyze s3://lab/nothing", "`twigma release` writes a release folder"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(store, elsewhere, words, sentence):
    result = run(*words.split(), code=1)
    assert sentence in result.stderr and "Traceback" not in result.output
    assert "secret" not in result.output


@pytest.mark.parametrize("words", ["status --work s3:/lab/x", "analyze gs:lab/x"])
def test_an_address_without_two_slashes_is_refused(words):
    result = run(*words.split(), code=2)
    assert "://BUCKET/FOLDER or a folder of this machine, found" in result.stderr


def test_a_place_for_mirrors_that_cannot_be_is_named_with_its_variable(
    store, monkeypatch
):
    monkeypatch.setenv("TWIGMA_MIRRORS", "/proc/nope")
    result = run("status", "--work", WORK, code=1)
    assert "let TWIGMA_MIRRORS name a folder that you" in result.stderr


def test_the_store_refuses_half_way_and_the_next_run_makes_up_for_it(store, elsewhere):
    work = "s3://lab/refused/work"
    run("add", "photos", "--work", work, "--shard-size", 8)
    words = ["embed", "--work", work, "--model", CLIP, "--precision", "fp32"]
    store.refuses = "columns/embed/00001"
    result = run(*words, code=1)
    assert "embed/00001.arrow: access is denied: check the credentials" in result.stderr
    store.refuses = ""
    store.requests.clear()
    run(*words)
    there, local = store.files("refused/work"), contents(Path("local/work"))
    parts = [f"columns/embed/{number:05}.arrow" for number in range(3)]
    assert [there[name] for name in parts] == [local[name] for name in parts]


# ------------------------------------------------------------------ every command


def folders(command, name=""):
    """Each parameter of a command, and of those below it, that takes a path: (words, parameter, type)."""
    for below, each in getattr(command, "commands", {}).items():
        yield from folders(each, f"{name} {below}".strip())
    for parameter in command.params:
        if isinstance(parameter.type, LocalPath):
            yield name, parameter.name, parameter.type


# What a folder in a store would be used for; every other path of a command is of this machine.
IN_A_STORE = {
    "write": "init add embed caption texts nsfw dedupe choose-k cluster assign build release liked free "
    "publish-hub publish-zenodo",
    "pages": "hashtags collect import rehydrate removals",
    "read": "status sheets label analyze report explore search",
}


def test_each_command_works_in_a_store_or_refuses_it():
    uses = {}
    for name, parameter, kind in folders(main):
        if parameter == "work":
            assert isinstance(kind, StoreFolder), name
            uses.setdefault(kind.use, set()).add(name.replace(" ", "-"))
    assert uses == {use: set(names.split()) for use, names in IN_A_STORE.items()}
    others = {
        (name, parameter, kind.use)
        for name, parameter, kind in folders(main)
        if parameter != "work" and isinstance(kind, StoreFolder)
    }
    assert others == {
        ("release", "out", "write"),
        ("removals", "derived", "write"),
        ("publish hub", "release", "read"),
        ("publish zenodo", "release", "read"),
        ("sheets", "release", "read"),
        ("analyze", "release", "read"),
        ("explore", "release", "read"),
        ("explore", "before", "read"),
        ("search", "release", "read"),
    }


def test_photos_are_fetched_into_the_store(store, tiny_world, tmp_path, monkeypatch):
    posts = pq.read_table(tiny_world / "posts.parquet", columns=["id"])
    ids = tmp_path / "ids.csv"
    ids.write_text("\n".join(["id", *posts["id"].to_pylist()[:24]]), "utf-8")
    monkeypatch.setenv("X_BEARER_TOKEN", "token")
    work, local = "s3://lab/fetched/work", tmp_path / "work"
    with Platform(tiny_world) as platform:
        monkeypatch.setenv("TWIGMA_X_URL", platform.api_url)
        monkeypatch.setenv("TWIGMA_IMAGE_URL", platform.image_url)
        monkeypatch.setenv("TWIGMA_ALLOW_HOSTS", urlsplit(platform.image_url).netloc)
        words = ["rehydrate", "--ids", ids, "--budget", 5, "--shard-size", 6]
        run(*words, "--work", local)
        billed = sum(platform.billed.values())
        run(*words, "--work", work)
        run(*words, "--work", work)  # everything is there: nothing is bought or fetched
        assert sum(platform.billed.values()) == 2 * billed
    there = store.files("fetched/work")
    tars = [name for name in there if name.endswith(".tar")]
    assert len(tars) > 2
    for name in tars:
        assert there[name] == (local / name).read_bytes()
    assert there["images.parquet"] == (local / "images.parquet").read_bytes()
    assert not [name for name in there if name.startswith(("pages/", "ledger"))]
    assert not list(mirror_folder(parse(work)).rglob("*.tar"))


def test_pages_stay_on_the_machine_that_has_them(store, monkeypatch, tmp_path):
    work = "s3://lab/pages/work"
    archive = tmp_path / "posts.jsonl"
    archive.write_text(
        '{"data": [{"id": "1480000000000000001", "text": "a", "author_id": "1"}]}\n'
    )
    result = run("import", archive, "--work", work)
    assert "raw pages and the ledger stay on this machine, in" in result.stderr
    names = set(store.files("pages/work"))
    assert "pages.json" in names
    assert not [name for name in names if name.startswith(("pages/", "ledger"))]
    monkeypatch.setenv("TWIGMA_MIRRORS", str(tmp_path / "elsewhere"))
    refused = run("import", archive, "--work", work, code=1)
    assert "the pages and the ledger of s3://lab/pages/work are on" in refused.stderr
    run("status", "--work", work)
