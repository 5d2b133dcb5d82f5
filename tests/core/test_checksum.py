import random
from pathlib import Path

import pyarrow as pa

from twigma.core import checksum
from twigma.core.parts import part_is_current, read_part, write_part


def test_every_flip_and_every_cut_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "embed" / "00000.arrow"
    table = pa.table(
        {
            "image_name": [str(n) for n in range(50)],
            "nsfw_score": pa.array([0.25] * 50, pa.float32()),
        }
    )
    write_part(path, table, {"seed": 1})
    whole, rng = path.read_bytes(), random.Random(0)
    assert checksum.is_sound(path) and read_part(path).equals(table)
    for at in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.randrange(8)
        for data in (damaged, whole[:at]):
            path.write_bytes(data)
            assert not checksum.is_sound(path) and not part_is_current(
                path, {"seed": 1}
            ), at
    path.write_bytes(whole)
    assert part_is_current(path, {"seed": 1})


def test_a_file_without_a_checksum_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, pa.schema([("id", pa.string())])),
    ):
        pass
    assert not checksum.is_sound(path)
