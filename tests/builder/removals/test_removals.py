"""Removal on request: a folder made by the real stages, every file of it searched afterwards, nothing comes back."""

import json
import re
import shutil
import tarfile
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support import releasing, staging
from support.searching import mentioned

from twigma.analysis.analyze import analyze
from twigma.analysis.report import report
from twigma.builder.collect.collect import collect
from twigma.builder.release.release import release
from twigma.builder.removals import removals as module
from twigma.builder.removals.removals import removals
from twigma.builder.stages.caption import caption_shards
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.stages.embed import embed_shards
from twigma.cli import main
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import read_part
from twigma.core.workspace import Workspace
from twigma.demo.platform.server import Platform
from twigma.rehydrate.fetch.fetch import fetch
from twigma.rehydrate.images import shards
from twigma.rehydrate.sources.own_files.add_images import add_tars
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup

SPAN = (date(2022, 1, 1), date(2022, 12, 31))


def rehydrate(world: Path, work: Path, ids: list[str]) -> None:
    with Platform(world, slow_seconds=0.1) as platform:
        with XClient(
            platform.api_url, "loopback", search_pace=0, sleep=lambda _: None
        ) as x:
            collect(work, ["aiart"], *SPAN, x, followers=True)
            lookup(work, ids, x, followers=True)
        fetch(work, image_base_url=platform.image_url, processes=1, rows_per_shard=20)


def stages(work: Path, clip: Path, blip: Path) -> int:
    done = embed_shards(work, str(clip)) + caption_shards(work, str(blip))
    dedupe(work)
    return done


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return staging.tiny_clip(folder / "clip"), staging.tiny_blip(folder / "blip")


@pytest.fixture(scope="module")
def ids(tiny_world):
    return pq.read_table(tiny_world / "posts.parquet")["id"].to_pylist()


@pytest.fixture(scope="module")
def whole(tiny_world, ids, models, tmp_path_factory):
    """A working folder after every stage, its release and its report; not to be changed."""
    out = tmp_path_factory.mktemp("whole")
    rehydrate(tiny_world, out / "work", ids)
    mine = out / "mine.tar"
    with tarfile.open(mine, "w") as tar:
        for name in ("private-1", "private-2"):
            staging_add(tar, name)
    add_tars(out / "work", [mine])
    stages(out / "work", *models)
    release(out / "work", out / "twigma", without=("nsfw", "cluster"))
    analyze(out / "twigma", out / "report", work=out / "work", references={})
    report(out / "report")
    return out


def staging_add(tar: tarfile.TarFile, name: str) -> None:
    import io

    data = staging.encode(staging.pixels(len(name) + ord(name[-1])))
    member = tarfile.TarInfo(f"{name}.jpg")
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


@pytest.fixture
def made(whole, tmp_path):
    for part in ("work", "twigma", "report"):
        shutil.copytree(whole / part, tmp_path / part)
    return tmp_path


@pytest.fixture
def chosen(made):
    """A post with two photos, one of them on another post too; and a photo of its own."""
    table = pq.read_table(made / "work/images.parquet").to_pandas()
    table = table[table["source"] == "x"]
    counts = table.groupby("id")["image_name"].size()
    post = counts[counts == 2].index[0]
    other = table[~table["id"].isin(counts[counts == 2].index)]["image_name"].iloc[5]
    names = {post, *table[table["id"] == post]["image_name"], other}
    return [post, other], names


def test_the_chosen_are_everywhere_before(made, chosen):
    assert mentioned(made / "work", chosen[1]) == chosen[1]
    assert mentioned(made / "twigma", chosen[1])


def test_what_is_removed_is_in_no_file_and_does_not_come_back(
    made, chosen, tiny_world, ids, models
):
    listed, names = chosen
    work = made / "work"
    rows = set(
        zip(
            *pq.read_table(work / "images.parquet")
            .select(["id", "image_name"])
            .to_pydict()
            .values(),
            strict=True,
        )
    )
    receipt = removals(work, listed, [made / "twigma", made / "report"])
    assert (receipt.listed, receipt.posts, receipt.images) == (2, 1, 3)
    assert mentioned(made, names) == set()
    rehydrate(tiny_world, work, ids)
    assert (
        stages(work, *models) == 0
    )  # every embedding and caption of the others still counts
    release(work, made / "twigma", without=("nsfw", "cluster"))
    analyze(made / "twigma", made / "report", work=work, references={})
    report(made / "report")
    assert mentioned(made, names) == set()
    left = set(
        zip(
            *pq.read_table(work / "images.parquet")
            .select(["id", "image_name"])
            .to_pydict()
            .values(),
            strict=True,
        )
    )
    assert left == {(post, image) for post, image in rows if not {post, image} & names}


def stored(work: Path) -> dict[str, bytes]:
    blocks = [
        block
        for shard in shards.list_shards(work)
        for block in shards.read_images(shard)
    ]
    return {
        row["image_name"]: row["image"] for block in blocks for row in block.to_pylist()
    }


def test_shards_stay_whole_and_keep_their_other_images(made, chosen):
    before = stored(made / "work")
    removals(made / "work", chosen[0])
    assert stored(made / "work") == {
        name: data for name, data in before.items() if name not in chosen[1]
    }


def test_a_part_that_names_none_of_them_is_not_written_again(made, chosen):
    listed, names = chosen
    parts = sorted((made / "work/columns/embed").glob("*.arrow"))
    others = [
        part
        for part in parts
        if names.isdisjoint(read_part(part)["image_name"].to_pylist())
    ]
    before = {part: part.stat().st_ino for part in parts}
    removals(made / "work", listed)
    after = [part for part in parts if part.stat().st_ino == before[part]]
    assert after == others
    assert 0 < len(others) < len(parts)


def test_twice_is_as_once_and_a_stopped_run_is_finished(made, chosen, monkeypatch):
    work = made / "work"
    monkeypatch.setattr(
        module.erase_shards,
        "shards_and_columns",
        lambda *_: (_ for _ in ()).throw(OSError("stopped")),
    )
    with pytest.raises(OSError, match="stopped"):
        removals(work, chosen[0])
    assert not (work / "receipts").exists()
    monkeypatch.undo()
    removals(work, sorted(chosen[1]))
    first = releasing.contents(work / "columns") | releasing.contents(work / "shards")
    assert mentioned(work, chosen[1]) == set()
    again = removals(work, sorted(chosen[1]))
    assert set(again.changed.values()) == {0}
    assert (
        releasing.contents(work / "columns") | releasing.contents(work / "shards")
        == first
    )


def test_a_tar_of_yours_is_not_changed_but_named(made, whole):
    work, mine = made / "work", whole / "mine.tar"
    before = mine.read_bytes()
    receipt = removals(work, ["private-1"])
    assert receipt.images == 1 and receipt.left == [
        f"{mine}: your own tar, still holds 1 of the images"
    ]
    assert mine.read_bytes() == before
    assert add_tars(work, [mine])["images"].to_pylist() == [0]
    with tarfile.open(made / "again.tar", "w") as tar:
        for name in ("private-1", "private-3"):
            staging_add(tar, name)
    assert add_tars(work, [made / "again.tar"])["images"].to_pylist() == [1]
    assert (
        "private-1"
        not in pq.read_table(work / "images.parquet")["image_name"].to_pylist()
    )
    assert (
        "private-2" in pq.read_table(work / "images.parquet")["image_name"].to_pylist()
    )


def test_the_receipt_proves_it_without_naming_anyone(made, chosen):
    from twigma.rehydrate.posts.removed_ids import hash_of, read_removed

    work = made / "work"
    removals(work, chosen[0])
    (path,) = (work / "receipts").iterdir()
    receipt = json.loads(path.read_text())
    salt = read_removed(work).salt
    assert receipt["hashes"] == sorted(hash_of(salt, name) for name in chosen[1])
    assert receipt["changed"]["pages"] > 0 and receipt["changed"]["images"] > 0
    assert receipt["next"][0].startswith("twigma dedupe")


def test_a_padded_id_is_the_post_without_its_zeros(made, chosen):
    """As an export writes it that pads ids to one width."""
    post, other = chosen[0]
    listed = [f"00{post}", f"0{other}", "0017"]
    receipt = removals(made / "work", listed)
    assert (receipt.listed, receipt.posts, receipt.images) == (3, 1, 3)
    assert receipt.unmatched == ["0017"]
    table = pq.read_table(made / "work/images.parquet")
    assert post not in table["id"].to_pylist()
    assert other not in table["image_name"].to_pylist()
    (path,) = (made / "work/receipts").iterdir()
    assert json.loads(path.read_text())["unmatched"] == 1
    again = removals(made / "work", listed)
    assert again.unmatched == [] and again.posts == 0


def test_an_image_whose_name_begins_with_zeros_is_itself(tmp_path):
    with tarfile.open(tmp_path / "mine.tar", "w") as tar:
        for name in ("3", "003", "5"):
            staging_add(tar, name)
    add_tars(tmp_path / "work", [tmp_path / "mine.tar"])
    assert removals(tmp_path / "work", ["003", "005"]).unmatched == ["005"]
    left = pq.read_table(tmp_path / "work/images.parquet")["image_name"]
    assert left.to_pylist() == ["3", "5"]


def test_an_image_is_named_by_the_address_it_was_fetched_from(tmp_path):
    with tarfile.open(tmp_path / "mine.tar", "w") as tar:
        for name in ("3", "5"):
            staging_add(tar, name)
    work = tmp_path / "work"
    add_tars(work, [tmp_path / "mine.tar"])
    images = pq.read_table(work / "images.parquet")
    urls = [
        f"https://example.org/a?{name}" for name in images["image_name"].to_pylist()
    ]
    write_parquet(work / "images.parquet", columns.add(images, url=urls))
    with pytest.raises(
        ValueError,
        match=r"no image was fetched from https://example.org/b: .* nothing was taken",
    ):
        removals(work, ["https://example.org/a?3", "https://example.org/b"])
    assert removals(work, ["https://example.org/a?3"]).unmatched == []
    left = pq.read_table(work / "images.parquet")["image_name"]
    assert left.to_pylist() == ["5"]


def test_a_reference_set_is_no_folder_of_ours_to_delete(made, chosen):
    with pytest.raises(ValueError, match=r"run `twigma removals FILE --work .*other`"):
        shutil.copytree(made / "work", made / "other")
        removals(made / "work", [chosen[0][0]], derived=[made / "other"])


def test_where_nothing_matches_nothing_is_to_be_done(made):
    file = made / "requests.txt"
    file.write_text("1547770898463771828\nnobody\n")
    words = ["removals", str(file), "--work", str(made / "work")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "2 ids match nothing" in done.output
    assert "If a version was published" not in done.output
    assert "run next" not in done.output


def test_only_folders_of_ours_are_deleted_and_only_if_they_name_it(made, chosen):
    (made / "thesis").mkdir()
    (made / "thesis/notes.txt").write_text(chosen[0][0])
    with pytest.raises(
        ValueError, match="no release, report, set of liked images or folder of sheets"
    ):
        removals(made / "work", chosen[0], [made / "thesis"])
    receipt = removals(made / "work", ["1234567890123456789"], [made / "twigma"])
    assert receipt.deleted == [] and (receipt.posts, receipt.images) == (0, 0)
    assert (made / "twigma").exists() and (made / "thesis/notes.txt").exists()


def test_the_next_release_continues_the_history_of_the_one_deleted(made, chosen):
    settings = {"without": ("nsfw", "cluster")}
    first = json.loads((made / "twigma/MANIFEST.json").read_text())["history"]
    removals(made / "work", chosen[0], [made / "twigma"])
    assert not (made / "twigma").exists()
    dedupe(made / "work")
    release(made / "work", made / "twigma", version="1.0.1", **settings)
    manifest = json.loads((made / "twigma/MANIFEST.json").read_text())
    rows = manifest["counts"]["released"]
    newest, *earlier = manifest["history"]
    assert (newest["version"], newest["rows"]) == ("1.0.1", rows)
    assert earlier == first
    card = (made / "twigma/README.md").read_text()
    assert f"| 1.0.0 | {first[0]['date']} | {first[0]['rows']:,} |" in card
    assert not chosen[1] & set(re.findall(r"[0-9]{6,20}", card))


def test_the_command_says_what_it_did_and_what_to_run_next(made, chosen):
    file = made / "requests.txt"
    file.write_text("\n".join(chosen[0]))
    words = [
        "removals",
        str(file),
        "--work",
        str(made / "work"),
        "--derived",
        str(made / "report"),
    ]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "1 post and 3 images" in done.output and "twigma dedupe" in done.output
    assert (
        "--erase-history" in done.output and "https://zenodo.org/support" in done.output
    )
    assert "match nothing" not in done.output
    assert f"  twigma release --work {made / 'work'} --version NEXT" in done.output
    assert "--version" in {
        each for one in main.commands["release"].params for each in one.opts
    }
    file.write_text(f"{chosen[0][0]}\n1547770898463771828\nnobody\n")
    again = CliRunner().invoke(main, words)
    assert (
        f"  2 ids match nothing in {made / 'work'}: 1547770898463771828, nobody\n"
        in again.output
    )
    missing = CliRunner().invoke(
        main, ["removals", str(file), "--work", str(made / "nowhere")]
    )
    assert missing.exit_code == 1 and "no working folder" in missing.stderr


def test_a_running_fetch_is_not_disturbed(made):
    with (
        Workspace(made / "work").lock_shards(),
        pytest.raises(RuntimeError, match="another process"),
    ):
        removals(made / "work", ["1"])
