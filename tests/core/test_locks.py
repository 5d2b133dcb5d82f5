import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from twigma.core import locks
from twigma.core.workspace import Workspace


def test_the_second_run_is_refused_until_the_first_is_over_or_killed(
    tmp_path: Path,
) -> None:
    work, refused = (
        tmp_path / "work",
        pytest.raises(RuntimeError, match="another run is at work"),
    )
    with Workspace(work).lock_run(), refused, Workspace(work).lock_run():
        pass
    code = "import sys, time, pathlib; from twigma.core.workspace import Workspace\n"
    code += "with Workspace(pathlib.Path(sys.argv[1])).lock_run(): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, work], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None and first.stdout.readline() == "held\n"
        with pytest.raises(RuntimeError), Workspace(work).lock_run():
            pass
        first.kill()
    with Workspace(work).lock_run():
        pass


def test_a_run_begins_while_status_looks_whether_one_is_at_work(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    looking = locks.acquire(lock, shared=True)
    looked = threading.Timer(locks.GLANCE / 5, os.close, [looking])
    looked.start()
    with locks.alone(lock, "busy"):
        assert locks.is_held(lock)
    assert not locks.is_held(lock) and not locks.is_held(tmp_path / "none")
    looked.join()


def test_a_refused_command_has_written_nothing(tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("id\n1\n")
    command = [
        "rehydrate",
        "--work",
        str(tmp_path / "work"),
        "--ids",
        str(tmp_path / "ids.csv"),
    ]
    code = (
        "import sys; from twigma.cli import main; sys.argv[0] = 'twigma'\ntry: main()\n"
    )
    code += "finally: print(sorted({'pyarrow', 'pandas', 'httpx2', 'aiohttp'} & set(sys.modules)))"
    with Workspace(tmp_path / "work").lock_run():
        done = subprocess.run(
            [sys.executable, "-c", code, *command], capture_output=True, text=True
        )
    assert done.returncode == 1 and "another run is at work" in done.stderr
    assert done.stdout == "[]\n"
    assert [path.name for path in (tmp_path / "work").iterdir()] == [".rehydrate.lock"]
