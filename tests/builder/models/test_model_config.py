"""Models whose configuration reaches for code, repositories or files elsewhere: one sentence, and nothing was run."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import open_clip
import pyarrow as pa
import pytest
from support.model_hub import EVIL, contents, evil_clip, evil_code, serving
from support.staging import encode, make_shard, pixels, tiny_clip

from twigma.builder.engine.engine import map_shards
from twigma.builder.models import clip_names, model_config
from twigma.builder.stages import embed
from twigma.builder.stages.clip_encoder import load_encoder
from twigma.core import columns
from twigma.core.files import write_json, write_parquet
from twigma.core.pools.ray_pool import Engine

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("kind", EVIL)
def test_what_reaches_out_of_the_folder_is_refused(tmp_path, kind):
    folder = evil_clip(tmp_path / "evilclip", kind, tmp_path / "canary")
    with pytest.raises(ValueError, match=EVIL[kind][-1]) as refused:
        clip_names.find_model(str(folder))
    assert str(folder) in str(refused.value) and "\n" not in str(refused.value)


def change(folder, name, change):
    path = folder / name
    found = json.loads(path.read_text("utf-8")) if path.exists() else {}
    change(found)
    path.write_text(json.dumps(found), "utf-8")


@pytest.mark.parametrize("file", ["/etc/passwd", "../other/vocab.txt"])
def test_a_tokenizer_reads_no_file_elsewhere(tmp_path, file):
    folder = tiny_clip(tmp_path / "clip")
    change(
        folder,
        "open_clip_config.json",
        lambda c: c["model_cfg"]["text_cfg"].update(hf_tokenizer_name="x"),
    )
    change(folder, "tokenizer_config.json", lambda c: c.update(vocab_file=file))
    with pytest.raises(ValueError, match="vocab_file"):
        model_config.read_config(folder)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        "[" * 100_000,
        "{}",
        '{"model_cfg": {"vision_cfg": 1, "text_cfg": {}}}',
    ],
)
def test_what_is_no_configuration_is_said_in_a_sentence(tmp_path, text):
    folder = tiny_clip(tmp_path / "clip")
    (folder / "open_clip_config.json").write_text(text, "utf-8")
    with pytest.raises(
        ValueError, match=r"open_clip_config\.json: expected"
    ) as refused:
        clip_names.find_model(str(folder))
    assert "\n" not in str(refused.value)


def test_what_open_clip_cannot_build_is_said_in_a_sentence(tmp_path):
    folder = tiny_clip(tmp_path / "clip")
    change(
        folder,
        "open_clip_config.json",
        lambda c: c["model_cfg"]["text_cfg"].update(depth=3),
    )
    with pytest.raises(
        ValueError, match=r"the model tiny-clip cannot be loaded: .*depth"
    ):
        load_encoder(str(folder), device="cpu")


def test_a_tokenizer_that_is_not_in_the_folder_is_not_looked_for(tmp_path):
    folder = tiny_clip(tmp_path / "clip")
    change(
        folder,
        "open_clip_config.json",
        lambda c: c["model_cfg"]["text_cfg"].update(hf_tokenizer_name="gpt2"),
    )
    with pytest.raises(ValueError, match=r"the tokenizer in .* cannot be loaded"):
        load_encoder(str(folder), device="cpu")


def test_models_of_open_clip_pass_unless_they_need_a_second_repository(tmp_path):
    """All its architectures, as the configuration of a folder; towers of transformers are refused by name too."""
    refused = set()
    for name in open_clip.list_models():
        folder = tmp_path / name
        write_json(
            folder / "open_clip_config.json",
            {"model_cfg": open_clip.get_model_config(name)},
        )
        try:
            model_config.read_config(folder)
        except ValueError:
            refused.add(name)
    assert refused == {
        name
        for name in open_clip.list_models()
        if "hf_model_name" in str(open_clip.get_model_config(name))
    }
    with pytest.raises(
        ValueError,
        match=r"roberta-ViT-B-32 needs files of another repository too \(hf_model_name",
    ):
        clip_names.find_model("roberta-ViT-B-32", "laion2b_s12b_b32k")
    with pytest.raises(
        ValueError, match=r"ViT-B-16-SigLIP needs .*timm/ViT-B-16-SigLIP"
    ):
        clip_names.find_model("ViT-B-16-SigLIP", None)
    assert clip_names._repository("ViT-B-16-SigLIP", "webli") == "timm/ViT-B-16-SigLIP"


def test_the_demos_model_brings_its_tokenizer(tmp_path):
    found = clip_names.find_model(str(ROOT / "demo" / "models" / "clip"))
    assert clip_names.load_tokenizer(found)(["a cat"]).shape == (1, 77)


# ------------------------------------------------------------------ every command, from every place


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    work = tmp_path_factory.mktemp("evil") / "work"
    for shard in range(2):
        make_shard(
            work,
            f"{shard:05d}",
            {f"{shard}{i}": encode(pixels(10 * shard + i)) for i in range(2)},
        )
    table = columns.add(pa.table({"image_name": ["00"]}), id=["1"], text=["a cat"])
    write_parquet(work / "images.parquet", table)
    (work.parent / "haiku.txt").write_text("an old silent pond\n")
    return work


COMMANDS = {
    "embed": ["embed", "--work", "{work}", "--device", "cpu"],
    "devices": ["embed", "--work", "{work}", "--device", "cpu,cpu"],
    "ray": ["embed", "--work", "{work}", "--engine", "ray", "--device", "cpu"],
    "texts": ["texts", "--work", "{work}", "--device", "cpu"],
    "reference": ["reference", "add", "mine", "haiku.txt"],
}


def twigma(arguments, cwd, **environment):
    code = "from twigma.cli import main; main()"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "RAY_"))
    }
    path = os.pathsep.join(filter(None, sys.path))
    kept |= {
        "PYTHONPATH": path,
        "TQDM_DISABLE": "1",
        "X_BEARER_TOKEN": "token",
    } | environment
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=kept, timeout=250
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("folder", "own code"),
        ("folder", "code of a second repository"),
        pytest.param("hub", "own code", marks=pytest.mark.slow),
        ("hub", "code of a second repository"),
    ],
)
def test_no_command_runs_it_or_asks_another_repository(
    work, tmp_path, kind, place, command
):
    canary = tmp_path / "canary"
    evil = evil_clip(tmp_path / "evilclip", kind, canary, code=kind == "own code")
    with serving(evil=contents(evil), second={"evil.py": evil_code(canary)}) as hub:
        model = str(evil) if place == "folder" else "hf-hub:org/evil"
        arguments = [part.format(work=work) for part in COMMANDS[command]]
        done = twigma(
            [*arguments, "--model", model],
            work.parent,
            HF_ENDPOINT=hub.url,
            HF_HOME=str(tmp_path / "hf"),
        )
    assert done.returncode == 1 and done.stdout == "" and not canary.exists()
    assert "tokenizer_kwargs may hold" in done.stderr and done.stderr.startswith(
        "twigma: "
    )
    assert done.stderr.count("\n") == 1
    assert not [
        path
        for path in hub.asked
        if "second" in path or path.endswith((".py", ".safetensors"))
    ]
    assert (place == "hub") == bool(hub.asked) and not (
        work / "columns" / "embed"
    ).exists()


@pytest.mark.parametrize(("device", "engine"), [("cpu,cpu", "local"), ("cpu", "ray")])
def test_workers_check_what_they_load(work, tmp_path, device, engine):
    """Though the files were others when the driver looked."""
    evil = evil_clip(tmp_path / "evilclip", "own code", tmp_path / "canary")
    start = partial(embed._start, clip_names.Model("evil", folder=evil), "fp32", "fast")
    with pytest.raises((ValueError, RuntimeError), match="tokenizer_kwargs may hold"):
        map_shards(
            work, "embed", {}, start, desc="embed", device=device, engine=Engine(engine)
        )
    assert not (tmp_path / "canary").exists()
