"""The demo as a user runs it, in the arithmetic that every x86 CPU of the last ten years has."""

import os
import subprocess
import sys
from pathlib import Path

# With other instructions (bf16) the embeddings differ in their third digit, and the world is another one.
ARITHMETIC = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}


def run_demo(
    out: Path, arithmetic: dict[str, str] = ARITHMETIC
) -> subprocess.CompletedProcess[str]:
    """`twigma demo --out OUT`, without measuring coverage, which would take half as long again."""
    command = [
        sys.executable,
        "-c",
        "from twigma.cli import main; main()",
        "demo",
        "--out",
        str(out),
    ]
    env = {
        key: value for key, value in os.environ.items() if not key.startswith("COV")
    } | arithmetic
    return subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=env, check=False
    )
