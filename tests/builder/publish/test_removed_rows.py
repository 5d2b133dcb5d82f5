"""Which rows of an earlier version were removed on request, by the working folder or by the release alone."""

import pyarrow as pa
import pytest
from click.testing import CliRunner
from support import releasing
from support.invenio import Invenio

from twigma.builder.publish.removed_rows import RemovedRows, has_removals
from twigma.builder.release.release import release
from twigma.cli import main
from twigma.rehydrate.posts.removed_ids import parse_public_list

POST, MEDIA = str(releasing.FIRST + 5), releasing.media_id(5)


@pytest.fixture
def work(tmp_path):
    return releasing.make_work(tmp_path / "work")


def test_rows_are_counted_by_either_id(twigma, work):
    releasing.remove(work, MEDIA, POST)
    release(work, twigma, version="1.0.1")
    found = RemovedRows(twigma, work)
    table = pa.table(
        {"id": [POST, "1", POST, "2"], "image_name": [MEDIA, MEDIA, "3", "4"]}
    )
    assert found.count(table) == 3
    assert found.count(table.select(["image_name"])) == 2
    assert found.count(pa.table({})) == 0
    public = RemovedRows(twigma, work.parent / "nowhere")
    assert public.count(table) == 3


def test_the_list_of_a_release_is_read_or_refused(twigma, work):
    assert not has_removals(twigma)
    releasing.remove(work, MEDIA)
    release(work, twigma, version="1.0.1")
    assert has_removals(twigma)
    text = (twigma / "removals.txt").read_text()
    assert parse_public_list(text).among([MEDIA, POST]) == {MEDIA}
    with pytest.raises(ValueError, match="expected a comment or a hash, found 'mine'"):
        parse_public_list(f"{text}mine\n")


def test_a_removal_after_a_record_on_zenodo_says_whom_to_write_to(
    twigma, work, monkeypatch
):
    with Invenio() as server:
        monkeypatch.setenv("ZENODO_TOKEN", server.token)
        monkeypatch.setenv("TWIGMA_ZENODO_URL", server.url)
        words = ["publish", "zenodo", str(twigma), "--work", str(work)]
        first = [*words, "--go"]
        done = CliRunner().invoke(main, first)
        assert done.exit_code == 0, done.output
        assert "zenodo.org/support" not in done.output
        releasing.remove(work, MEDIA)
        release(work, twigma, version="1.0.1")
        record = next(iter(server.records))
        plan = CliRunner().invoke(main, [*words, "--record", str(record)])
    assert plan.exit_code == 0, plan.output
    assert "write to its support (https://zenodo.org/support)" in plan.output
