"""Memory that may still be taken: the machine's, or the container's where that is less."""

import pytest

from twigma.core import memory


def test_this_machine_has_some_unless_its_system_does_not_say():
    there = memory.available_memory()
    assert there is None or there > 0


def test_a_system_that_does_not_say_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "missing")
    assert memory.available_memory() is None


@pytest.mark.parametrize("version", [1, 2])
def test_the_limit_of_a_container_counts_and_its_cached_files_do_not(
    tmp_path, monkeypatch, version
):
    files = {
        1: ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "cache"),
        2: ("memory.max", "memory.current", "file"),
    }[version]
    for name, value in zip(files[:2], (4_000_000_000, 3_000_000_000), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    stat = (tmp_path / files[0]).with_name("memory.stat")
    stat.write_text(f"anon 5\n{files[2]} 1500000000\n")
    (tmp_path / "meminfo").write_text("MemAvailable:   20000000 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    assert memory.available_memory() == 2_500_000_000
    (tmp_path / files[0]).write_text("max\n")
    assert memory.available_memory() == 20_480_000_000
