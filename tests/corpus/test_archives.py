import gzip
import json
from pathlib import Path

import pytest
from support.archived import KINDS, archive, flattened, post, v1, write

from .archives import compare


def test_the_import_has_what_a_reader_without_formats_finds(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for n, kind in enumerate(KINDS):
        posts = [post(100 * n + at, photos=1 + at) for at in range(4)]
        posts.append(post(100 * n + 5, kind="video"))
        write(folder / f"{n}.jsonl", ["{", *archive(kind, posts)])
    quoting = v1(post(900, photos=0)) | {"quoted_status": v1(post(901, photos=2))}
    packed = gzip.compress(json.dumps([quoting]).encode())
    (folder / "list.json.gz").write_bytes(packed)
    imported, expected = compare(folder, tmp_path / "work")
    assert imported == expected
    assert len(expected) == 10 * len(KINDS) + 2


def test_a_photo_that_the_import_misses_is_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    write(folder / "a.jsonl", [flattened(post(1)), {"unknown": flattened(post(2))}])
    imported, expected = compare(folder, tmp_path / "work")
    assert len(imported) == 1 and len(expected - imported) == 1
    write(folder / "b.jsonl", ["nothing"])
    compare(folder, tmp_path / "work")
    assert "b.jsonl: expected an archive of X posts" in capsys.readouterr().out
