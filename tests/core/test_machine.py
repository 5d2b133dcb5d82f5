"""Memory and CPUs that this process may use: the machine's, or the container's where that is less."""

import os
import subprocess
import sys

import pytest

from twigma.core import machine


def test_this_machine_has_some_unless_its_system_does_not_say():
    there = machine.available_memory()
    assert there is None or there > 0


def test_a_system_that_does_not_say_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "missing")
    assert machine.available_memory() is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not on this system")
def test_cpus_are_those_that_the_process_is_bound_to():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from twigma.core.machine import usable_cpus; print(usable_cpus())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize(
    ("stated", "expected"), [("150000 100000", 2), ("max 100000", 64)]
)
def test_cpus_of_a_container_are_its_quota(tmp_path, monkeypatch, stated, expected):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)
    monkeypatch.setattr(machine, "GROUP", tmp_path)
    (tmp_path / "cpu.max").write_text(stated + "\n")
    assert machine.usable_cpus() == expected


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
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "GROUP", tmp_path)
    assert machine.available_memory() == 2_500_000_000
    (tmp_path / files[0]).write_text("max\n")
    assert machine.available_memory() == 20_480_000_000
