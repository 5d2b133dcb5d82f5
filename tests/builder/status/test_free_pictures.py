"""`twigma free`: which tars go, that everything made of columns is as before, and what the rest says then."""

import datetime
import hashlib
import json
import re
import shutil

import pytest
from click.testing import CliRunner
from support import releasing

import twigma
from twigma.builder.finetuning.liked import liked
from twigma.builder.release.release import release
from twigma.builder.stages.dedupe import dedupe
from twigma.builder.status.free_pictures import free_pictures
from twigma.builder.status.status import status
from twigma.cli import main
from twigma.core.parts import read_part, read_provenance, write_part
from twigma.rehydrate.images import shards

TODAY = re.compile(r"\d{4}-\d\d-\d\d")


@pytest.fixture
def work(work):
    """The working folder of the other tests, its embeddings and captions made from the shards that are there."""
    for path in (work / "columns").glob("[ec]*/0*.arrow"):
        shard = shards.read_manifest(shards.shard_at(work, path.stem))
        table, made_from = read_part(path), read_provenance(path)
        write_part(path, table, made_from | {"shard": shard.sha256})
    return work


def free(work, *options):
    return CliRunner().invoke(main, ["free", "--work", str(work), *options])


def tars(work):
    return sorted(path.name for path in (work / "shards").glob("*.tar"))


def test_without_go_nothing_is_changed(work):
    before = releasing.contents(work)
    size = sum(path.stat().st_size for path in (work / "shards").glob("*.tar"))
    result = free(work)
    assert result.exit_code == 0, result.output
    assert "2 shards of" in result.stdout and "--go does it" in result.stdout
    found = free_pictures(work)
    assert (found.shards, found.bytes, found.before, found.stay) == (2, size, 0, {})
    (work / "shards/.lock").unlink()
    assert releasing.contents(work) == before


def test_what_is_made_of_columns_is_as_before(work, tmp_path):
    facts = status(work)
    release(work, tmp_path / "before")
    assert free(work, "--go").exit_code == 0
    assert tars(work) == []
    after = status(work)
    assert after["damaged"] == [] and after["photos"] == facts["photos"]
    assert after["stages"] == facts["stages"] and after["next"] == facts["next"]
    assert after["shards"] == {"finished": 2, "unfinished": 0, "freed": 2}
    release(work, tmp_path / "after")
    names = [path.name for path in (tmp_path / "before").iterdir()]
    for name in names:
        one, other = tmp_path / "before" / name, tmp_path / "after" / name
        assert one.read_bytes() == other.read_bytes(), name
    shutil.rmtree(work / "columns/dedupe")
    assert dedupe(work)["distinct"] > 20
    page = CliRunner().invoke(main, ["status", "--work", str(work)])
    assert page.exit_code == 0
    assert "of these the pictures of 2 shards were freed" in page.stdout
    again = free_pictures(work, go=True)
    assert (again.shards, again.before) == (0, 2)


def test_what_shows_pictures_says_when_they_went_and_how_to_get_them(work):
    twigma.open_images(work)  # the index is there
    images = twigma.open_images(work)
    name = next(iter(images))
    free(work, "--go")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    expected = f"its pictures were freed on {today}: delete .*json and run again"
    with pytest.raises(FileNotFoundError, match=expected):
        images.read(name)
    (work / "shards/index.arrow").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError, match=expected):
        twigma.open_images(work)
    (shard, _) = shards.list_shards(work)
    with pytest.raises(FileNotFoundError, match=expected):
        next(iter(shards.read_images(shard)))
    with pytest.raises(FileNotFoundError, match=expected):
        liked(work, work.parent / "liked", everything=True, acknowledge_x_terms=True)


def test_pictures_that_a_stage_still_needs_stay(work):
    shutil.rmtree(work / "columns" / "caption")
    found = free_pictures(work, go=True)
    assert found.shards == 0 and len(tars(work)) == 2
    assert found.stay == {"not processed by `twigma caption` yet": 2}
    (work / "columns/embed/00001.arrow").unlink()
    result = free(work, "--without", "caption", "--go")
    assert "1 shard stays: not processed by `twigma embed` yet" in result.stdout
    assert tars(work) == ["00001.tar"]
    with pytest.raises(ValueError, match=r"expected stages among .*'nsfw'"):
        free_pictures(work, without=["nsfw"])


def test_a_tar_of_the_users_own_is_not_ours_to_delete(work):
    path = work / "shards/00000.json"
    manifest = json.loads(path.read_text())
    own = work.parent / "own.tar"
    (work / "shards/00000.tar").rename(own)
    manifest |= {"tar": str(own), "made_from": {"kind": "add"}}
    path.write_text(json.dumps(manifest))
    found = free_pictures(work, go=True)
    assert found.stay == {"your own tar, which was added where it is": 1}
    assert own.exists() and found.shards == 1


def test_a_stopped_run_is_finished_by_the_next(work, monkeypatch):
    """The manifest says so before the tar goes."""
    tar = work / "shards/00000.tar"
    data = tar.read_bytes()
    free_pictures(work, go=True)
    tar.write_bytes(data)
    assert status(work)["damaged"] == []
    free_pictures(work, go=True)
    assert not tar.exists()


def test_a_damaged_shard_stops_it_before_anything_goes(work):
    (work / "shards/00001.tar").write_bytes(b"short")
    with pytest.raises(ValueError, match=r"00001.tar should have"):
        free_pictures(work, go=True)
    assert len(tars(work)) == 2


def test_removals_reach_shards_that_were_freed(work):
    name = releasing.media_id(20)
    free(work, "--go")
    (work.parent / "requests.txt").write_text(f"{name}\n")
    words = ["removals", str(work.parent / "requests.txt"), "--work", str(work)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert name not in shards.read_sidecars(work)["image_name"].to_pylist()
    assert status(work)["damaged"] == []
    for shard in shards.manifests(work):
        manifest = shards.read_manifest(shard)
        assert TODAY.fullmatch(manifest.freed)
        digest = hashlib.sha256(shard.sidecar.read_bytes()).hexdigest()
        assert manifest.sidecar == digest


def test_a_manifest_of_a_shard_that_is_there_says_nothing_of_it(work):
    for path in (work / "shards").glob("*.json"):
        assert "freed" not in json.loads(path.read_text())
