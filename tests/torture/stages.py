"""Stages that add columns, under attack: hostile tars, weights that were tampered with, workers of a cluster killed.

Rows 30, 31 and 33.
"""

import io
import os
import pickle
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from twigma.builder.engine.engine import map_shards
from twigma.builder.stages.embed import embed_shards
from twigma.core.files import file_sha256, write_json
from twigma.core.parts import read_parts
from twigma.core.pools.ray_pool import Engine
from twigma.rehydrate.sources.own_files.add_images import add_tars

from ..support import staging
from .table import Measured, row


class Canary:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (self.path, "w")


# ------------------------------------------------------------------ 30: hostile tars


@row(
    30,
    "pickle, pipe, link and traversal tars",
    "0 canary files",
    quick=12,
    default=150,
    long=1000,
)
def hostile_tars(count: int, folder: Path) -> Measured:
    work, traps, aside = folder / "work", folder / "traps", folder / "tars"
    traps.mkdir()
    aside.mkdir()
    clip, good, refused = str(staging.tiny_clip(folder / "clip")), 0, 0
    for at in range(count):
        tar = aside / (f"pipe:touch canary{at}.tar" if at % 5 == 4 else f"{at}.tar")
        _write_hostile(tar, at, traps)
        try:
            add_tars(work, [tar])
            good += 1
        except ValueError:
            refused += 1
    done = embed_shards(work, clip, device="cpu")
    known = {work, traps, aside, folder / "clip"}
    found = [
        *traps.iterdir(),
        *(path for path in folder.iterdir() if path not in known),
        *Path.cwd().glob("canary*"),
    ]
    names = read_parts(work / "columns" / "embed")["image_name"].to_pylist()
    lost = good - sum(name.startswith("good") for name in names)
    figures = f"{count} tars, {refused} refused, {done} images embedded, {lost} good ones lost, {len(found)} canaries"
    return Measured(
        not found and not lost and good + refused == count,
        f"{figures} {found[:3] or ''}",
    )


def _write_hostile(path: Path, number: int, traps: Path) -> None:
    """A tar with a good image among members that would write a file if they were trusted."""
    image, trap = (
        staging.encode(staging.pixels(number)),
        pickle.dumps(Canary(traps / f"pickle{number}")),
    )
    up = "../" * 12
    members: list[tuple[str, bytes]] = [(f"good{number}.jpg", image)]
    kind = number % 5
    if kind == 0:
        members += [
            (f"good{number}.{end}", trap)
            for end in ("pyd", "pickle", "pkl", "pth", "npy", "cls")
        ]
    elif kind == 1:
        members += [
            (f"{up}{traps}/up{number}.jpg", image),
            (f"{traps}/absolute{number}.jpg", image),
        ]
    elif kind == 2:
        members += [(f"bad{number}.jpg", trap), (f"bad{number}.json", trap)]
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        if kind == 3:
            for kind_of, end in (
                (tarfile.SYMTYPE, "link"),
                (tarfile.LNKTYPE, "hard"),
                (tarfile.FIFOTYPE, "pipe"),
            ):
                member = tarfile.TarInfo(f"{end}{number}.jpg")
                member.type, member.linkname = kind_of, str(traps / f"{end}{number}")
                tar.addfile(member)


# ------------------------------------------------------------------ 31: weights

ATTACKS = """
import sys
from pathlib import Path
from random import Random
from tests.torture.stages import attack

folder, count = Path(sys.argv[1]), int(sys.argv[2])
rng, refused = Random(31), 0
for number in range(count):
    try:
        attack(number % 5, rng, folder)()
    except (ValueError, OSError) as error:
        refused += 1
print(refused)
"""
COMMIT = "a" * 40


@row(
    31,
    "tampered or unpinned weights",
    "refused before they are loaded",
    quick=None,
    default=20,
    long=1000,
)
def tampered_weights(count: int, folder: Path) -> Measured:
    clip = staging.tiny_clip(folder / "clip")
    staging.make_shard(
        folder / "work", "00000", {"1": staging.encode(staging.pixels(1))}
    )
    held = folder / "hub" / "hub" / "models--org--name" / "snapshots" / COMMIT
    held.parent.mkdir(parents=True)
    clip.rename(held)
    weights = held / "open_clip_model.safetensors"
    pin = {
        "repo": "org/name",
        "revision": COMMIT,
        "sha256": {weights.name: file_sha256(weights)},
    }
    write_json(folder / "work" / "models" / "pins.json", {"org/name": pin})
    environment = os.environ | {
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_OFFLINE": "1",
        "TQDM_DISABLE": "1",
    }
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-W", "ignore", "-c", ATTACKS, str(folder), str(count)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        return Measured(False, done.stderr[-300:])
    refused = int(done.stdout.split()[-1])
    loaded = len(list((folder / "work" / "columns").rglob("*.arrow")))
    sound = embed_cached(folder, environment)
    figures = f"{refused} of {count} refused, {loaded} parts written; the sound weights embed {sound} image"
    return Measured(
        refused == count
        and not loaded
        and sound == 1
        and not (folder / "canary").exists(),
        figures,
    )


def embed_cached(folder: Path, environment: dict[str, str]) -> int:
    """The images embedded with the weights as they were pinned: the attacks were refused for what they are."""
    code = "import sys; from pathlib import Path; from twigma.builder.stages.embed import embed_shards\n"
    code += "print(embed_shards(Path(sys.argv[1]), 'hf-hub:org/name', device='cpu'))"
    command = [sys.executable, "-W", "ignore", "-c", code, str(folder / "work")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False
    )
    return int(done.stdout) if done.returncode == 0 else 0


def attack(kind: int, rng: Random, folder: Path) -> Callable[[], object]:
    """One way to have weights loaded that should not be."""
    from twigma.builder.stages.nsfw import load_detector

    work, held = (
        folder / "work",
        folder / "hub" / "hub" / "models--org--name" / "snapshots" / COMMIT,
    )
    weights = held / "open_clip_model.safetensors"
    if kind == 0:  # a changed byte in the cached file of a pinned commit

        def flipped() -> None:
            sound = weights.read_bytes()
            data, at = bytearray(sound), rng.randrange(len(sound))
            data[at] ^= 1 << rng.randrange(8)
            weights.write_bytes(data)
            try:
                embed_shards(work, "hf-hub:org/name", device="cpu")
            finally:
                weights.write_bytes(sound)

        return flipped
    if kind == 1:  # a branch, which can move
        return lambda: embed_shards(
            work,
            "hf-hub:org/name",
            device="cpu",
            revision=rng.choice(["main", "v1", "abc123"]),
        )
    if kind == 2:  # a pickle beside a configuration
        pickled = folder / "pickled"
        pickled.mkdir(exist_ok=True)
        (pickled / "open_clip_config.json").write_bytes(
            (held / "open_clip_config.json").read_bytes()
        )
        (pickled / "open_clip_pytorch_model.bin").write_bytes(
            pickle.dumps(Canary(folder / "canary"))
        )
        return lambda: embed_shards(work, str(pickled), device="cpu")
    if kind == 3:  # an archive that is not LAION's detector
        archive = folder / "detector.zip"
        archive.write_bytes(
            b"PK\x03\x04"
            + rng.randbytes(1000)
            + pickle.dumps(Canary(folder / "canary"))
        )
        return lambda: load_detector(archive)
    return lambda: embed_shards(work, "hf-hub:org/other", device="cpu")  # never pinned


# ------------------------------------------------------------------ 33: a cluster


@row(
    33,
    "Ray: worker and node killed mid-shard",
    "nothing lost, as in one process",
    quick=None,
    default=1,
    long=10,
)
def killed_on_a_cluster(count: int, folder: Path) -> Measured:
    from ray.cluster_utils import Cluster

    faults, again = [], 0
    for turn in range(count):
        work = folder / f"work{turn}"
        for shard in range(6):
            images = {
                f"{shard}{i}": staging.encode(staging.pixels(10 * shard + i))
                for i in range(5)
            }
            staging.make_shard(work, f"{shard:05d}", images)
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False},
        )
        try:
            node, _ = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
            hand = threading.Thread(
                target=_disturb, args=(cluster, node, work / "columns" / "measure")
            )
            hand.start()
            done = map_shards(
                work,
                "measure",
                {},
                staging.start_slowly,
                desc="measure",
                rows=1,
                engine=Engine("ray", cluster.address),
            )
            hand.join()
        finally:
            cluster.shutdown()
        found = _parts(work)
        for path in (work / "columns" / "measure").iterdir():
            path.unlink()
        map_shards(
            work, "measure", {}, staging.start_measuring, desc="measure", device="cpu"
        )
        if _parts(work) != found:
            faults.append(f"turn {turn}: not as in one process")
        again += done
    return Measured(
        not faults and again == 30 * count,
        f"{again} of {30 * count} images in {count} runs {faults[:3] or ''}",
    )


def _disturb(cluster: object, node: object, done: Path) -> None:
    """Take a node away after the first shard, and kill an actor after the third."""
    _wait_for(done, 1)
    cluster.remove_node(node, allow_graceful=False)  # type: ignore[attr-defined]
    _wait_for(done, 3)
    found = subprocess.run(
        ["pgrep", "-f", "ray::StageActor"], capture_output=True, text=True, check=False
    )
    for pid in found.stdout.split()[-1:]:
        os.kill(int(pid), signal.SIGKILL)


def _wait_for(folder: Path, parts: int) -> None:
    while not (folder.exists() and len(list(folder.glob("*.arrow"))) >= parts):
        time.sleep(0.1)


def _parts(work: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted((work / "columns" / "measure").glob("*.arrow"))
    }
