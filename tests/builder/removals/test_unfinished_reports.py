"""What a killed `twigma analyze` left is searched and deleted by a removal, and named by the status."""

import doctest
import shutil
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from support import releasing

from twigma.builder.release.release import release
from twigma.builder.removals.derived import mentions
from twigma.builder.removals.removals import removals
from twigma.builder.status.status import status
from twigma.cli import main
from twigma.core.safety import unfinished_reports

LEFT = ".report.unfinished"


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A working folder, its release, and what `twigma analyze` had stored when it was killed; not to be changed."""
    root = tmp_path_factory.mktemp("killed")
    work = releasing.make_work(root / "work")
    release(work, root / "twigma")
    words = ["analyze", str(root / "twigma"), "--out", str(root / "report")]
    program = "from twigma.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", program, *words])
    while not (root / LEFT / "cluster_images.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (root / "report").exists()
    return root


@pytest.fixture
def made(killed, tmp_path):
    for part in ("work", "twigma", LEFT):
        shutil.copytree(killed / part, tmp_path / part)
    return tmp_path


@pytest.fixture
def drawn(made):
    """An image that a finished figure names."""
    table = pq.read_table(made / LEFT / "cluster_images.cluster_images.parquet")
    return table["image_name"][0].as_py()


def test_doctests():
    assert doctest.testmod(unfinished_reports).failed == 0


def test_what_names_a_removed_image_is_deleted_though_nobody_named_it(made, drawn):
    assert any(mentions(path, {drawn}) for path in (made / LEFT).iterdir())
    receipt = removals(made / "work", [drawn])
    assert str(made / LEFT) in receipt.deleted
    assert not (made / LEFT).exists()
    assert (made / "twigma").exists()  # it was not named, and is no working folder's


def test_what_names_nothing_removed_stays_unless_its_report_is_named(made):
    stranger = "1234567890123456789"
    assert removals(made / "work", [stranger]).deleted == []
    assert (made / LEFT).exists()
    receipt = removals(made / "work", [stranger], [made / "report"])
    assert receipt.deleted == [str(made / LEFT)]
    assert not (made / LEFT).exists()


def test_it_may_be_named_itself_and_files_of_others_stay(made, drawn):
    (made / LEFT / "notes.txt").write_text("mine")
    receipt = removals(made / "work", [drawn], [made / LEFT])
    assert [path.name for path in (made / LEFT).iterdir()] == ["notes.txt"]
    assert receipt.left == [f"{made / LEFT / 'notes.txt'}: not part of the analysis"]


def test_a_link_or_a_folder_without_the_mark_is_none_of_ours(made, drawn):
    (made / LEFT).rename(made / "elsewhere")
    (made / LEFT).symlink_to(made / "elsewhere")
    removals(made / "work", [drawn])
    assert (made / "elsewhere" / "cluster_images.json").exists()
    (made / LEFT).unlink()
    (made / "elsewhere").rename(made / LEFT)
    (made / LEFT / unfinished_reports.MARK).unlink()
    with pytest.raises(ValueError, match="nothing was erased"):
        removals(made / "work", [drawn], [made / LEFT])


def test_an_id_in_any_column_of_a_table_counts(tmp_path):
    """The nearest image of a reference set is in a column of its own."""
    path = tmp_path / "fig.per_image.parquet"
    pq.write_table(pa.table({"image_name": ["1"], "nearest_paintings": ["77"]}), path)
    assert mentions(path, {"77"}) and not mentions(path, {"7"})


def test_the_status_names_it(made):
    assert status(made / "work")["unfinished_reports"] == [str(made / LEFT)]
    said = CliRunner().invoke(main, ["status", "--work", str(made / "work")]).output
    assert f"stopped analysis  {made / LEFT}: the same `twigma analyze` resumes" in said
    shutil.rmtree(made / LEFT)
    assert status(made / "work")["unfinished_reports"] == []
