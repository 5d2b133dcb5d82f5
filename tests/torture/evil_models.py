"""CLIP folders whose configuration runs code or reaches for other files, through `twigma embed` (row 39)."""

from pathlib import Path

from ..support import staging
from ..support.model_hub import EVIL, contents, evil_clip, evil_code, serving
from .fetching import twigma
from .table import Measured, row


@row(
    39,
    "models that run code or reach for another repository",
    "all refused in a sentence; 0 canaries, 0 requests",
    quick=1,
    default=len(EVIL),
    long=len(EVIL),
)
def evil_models(count: int, folder: Path) -> Measured:
    """The first `count` kinds of evil models, each from a folder."""
    image = staging.encode(staging.pixels(1))
    staging.make_shard(folder / "work", "00000", {"1": image})
    executed, asked, accepted = [], [], []
    for number, kind in enumerate(list(EVIL)[:count]):
        canary = folder / f"canary-{number}"
        model = evil_clip(folder / f"model-{number}", kind, canary)
        second = {"evil.py": evil_code(canary)}
        with serving(evil=contents(model), second=second) as hub:
            run = twigma(
                "embed",
                "--work",
                folder / "work",
                "--model",
                model,
                env={"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf")},
            )
        sentence = run.text.strip().splitlines()
        if run.code != 1 or len(sentence) != 1 or not sentence[0].startswith("twigma"):
            accepted.append(kind)
        if canary.exists():
            executed.append(kind)
        asked += hub.asked
    ok = not (executed or asked or accepted)
    figures = f"{count} models: {len(executed)} executed, {len(asked)} requests, {len(accepted)} not refused"
    return Measured(ok, f"{figures} {executed + accepted or ''}")
