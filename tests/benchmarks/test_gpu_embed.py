"""The benchmark for GPUs runs to its end without one, on models small enough for a CPU."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_figure_is_printed(monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setattr(sys, "argv", ["gpu_embed.py", "--device", "cpu", "--tiny"])
    from benchmarks.builder import gpu_embed

    gpu_embed.main()
    printed = capsys.readouterr().out
    for name in (
        "matrix product",
        "reading alone",
        "decoding alone",
        "model alone",
        "twigma embed",
        "decoding on the device",
        "BLIP large",
    ):
        assert f"\n{name}" in printed
    assert "images/s with start-up" in printed
