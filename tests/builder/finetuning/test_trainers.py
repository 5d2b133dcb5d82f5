"""The trainers' own code on a set: sd-scripts, OneTrainer's modules (mgds), and diffusers' LoRA script.

They are in no package. TWIGMA_TRAINERS names a folder with checkouts of theirs (`sd-scripts/`, `mgds/`, `diffusers/`),
and `venv/`, an environment with what sd-scripts requires; tests whose checkout is absent are skipped.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import releasing

from twigma.builder.finetuning.liked import liked

SCRIPTS = Path(__file__).parent / "trainers"


def checkout(name: str) -> Path:
    """The checkout of a trainer; the test is skipped where there is none."""
    folder = os.environ.get("TWIGMA_TRAINERS", "")
    path = Path(folder) / name
    if not folder or not path.is_dir():
        pytest.skip(f"no {name}/ in the folder that TWIGMA_TRAINERS names")
    return path


def run(script: Path, *arguments: object, at: Path, code: Path, python: str) -> str:
    """Run a script on the code of a trainer, from a folder; its last line."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(code),
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        [python, script, *map(str, arguments)],
        cwd=at,
        env=environment,
        text=True,
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a set of sixty images in `sets/liked`."""
    place = tmp_path_factory.mktemp("place")
    work = releasing.make_work(place / "work", posts=60, local=True)
    options = {"nsfw_threshold": 1.0, "resolution": 512, "repeats": 3}
    liked(work, place / "sets" / "liked", everything=True, trigger="sks", **options)
    return place


def expected(folder: Path) -> dict[str, str]:
    """The caption of every picture to train on, by its file name."""
    listed = pq.read_table(folder / "train/metadata.parquet").to_pylist()
    return {each["file_name"]: each["text"] for each in listed}


@pytest.mark.parametrize("where", ["beside", "inside", "elsewhere", "moved"])
def test_sd_scripts_reads_every_picture_from_anywhere(place, tmp_path, where):
    code = checkout("sd-scripts")
    folder, at = place / "sets" / "liked", tmp_path
    if where == "beside":
        folder, at = Path("liked"), place / "sets"
    if where == "inside":
        folder, at = Path(), place / "sets" / "liked"
    if where == "moved":
        folder = Path("other name")
        shutil.copytree(place / "sets" / "liked", tmp_path / folder)
    arguments = {
        "--config_file": folder / "kohya.toml",
        "--train_data_dir": folder / "train",
        "--in_json": folder / "kohya.jsonl",
    }
    words = [word for pair in arguments.items() for word in pair]
    script, python = SCRIPTS / "sd_scripts.py", str(code.parent / "venv/bin/python")
    read = json.loads(run(script, *words, at=at, code=code, python=python))
    captions = expected(place / "sets" / "liked")
    assert read["captions"] == captions and all(
        text.startswith("sks, ") for text in captions.values()
    )
    assert read["images"] == 3 * len(captions) and read["repeats"] == 3
    assert read["all_exist"]
    assert read["resolution"] == [512, 512] and read["buckets"]


def test_onetrainer_reads_every_picture(place, tmp_path):
    code = checkout("mgds") / "src"
    folder = place / "sets/liked/train"
    script = SCRIPTS / "onetrainer.py"
    line = run(script, folder, at=tmp_path, code=code, python=sys.executable)
    assert json.loads(line) == expected(folder.parent)


def test_the_lora_script_of_diffusers_trains_on_it(place, tmp_path):
    code = checkout("diffusers")
    script = code / "examples/text_to_image/train_text_to_image_lora.py"
    # It asks for the version of its own day, to which nothing here is tied.
    text = script.read_text("utf-8").replace("\ncheck_min_version(", "\nstr(")
    own = tmp_path / "train.py"
    own.write_text(text, "utf-8")
    model = tmp_path / "model"
    empty = tmp_path
    python = sys.executable
    run(SCRIPTS / "tiny_model.py", model, at=tmp_path, code=empty, python=python)
    arguments = {
        "--pretrained_model_name_or_path": model,
        "--train_data_dir": place / "sets/liked/train",
        "--resolution": 16,
        "--train_batch_size": 2,
        "--max_train_steps": 2,
        "--rank": 2,
        "--output_dir": tmp_path / "lora",
        "--cache_dir": tmp_path / "cache",
    }
    words = [word for pair in arguments.items() for word in pair]
    run(own, *words, at=tmp_path, code=empty, python=python)
    assert (tmp_path / "lora/pytorch_lora_weights.safetensors").stat().st_size > 1000
