"""The command that installs an extra names where this copy came from, as pip recorded it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def installed_from(folder: Path, origin: dict[str, object] | None) -> str:
    """The command where a distribution `twigma` lies in `folder` with what pip writes of its origin."""
    record = folder / "twigma-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: twigma\nVersion: 1.0\n"
    )
    if origin is not None:
        (record / "direct_url.json").write_text(json.dumps(origin))
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    code += "from twigma.core.installing import install_command\n"
    code += "print(install_command('models'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "pip install 'twigma[models]'"),
        (
            {"url": "file:///home/me/my%20twigma", "dir_info": {}},
            "pip install '/home/me/my twigma[models]'",
        ),
        (
            {"url": "file:///home/me/twigma", "dir_info": {"editable": True}},
            "pip install -e '/home/me/twigma[models]'",
        ),
        (
            {
                "url": "https://example.org/twigma.git",
                "vcs_info": {"vcs": "git", "commit_id": "0" * 40},
            },
            "pip install 'twigma[models] @ git+https://example.org/twigma.git'",
        ),
        (
            {"url": "https://example.org/twigma-1.0.whl", "archive_info": {}},
            "pip install 'twigma[models] @ https://example.org/twigma-1.0.whl'",
        ),
    ],
)
def test_the_command_names_where_this_copy_came_from(
    tmp_path: Path, origin: dict[str, object] | None, expected: str
) -> None:
    assert installed_from(tmp_path, origin) == expected
