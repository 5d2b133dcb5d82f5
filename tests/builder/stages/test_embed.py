"""Embeddings of shards: the same bytes in any shard, what embeds again, and models from the Hub."""

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from support.model_hub import contents, serving
from support.staging import encode, make_shard, pixels, tiny_clip

import twigma
from twigma.builder.engine.pixels import pixel_hash
from twigma.builder.engine.vectors import as_matrix
from twigma.builder.models import clip_names, pinned_weights
from twigma.builder.stages import embed as stage
from twigma.builder.stages.clip_encoder import (
    best_precision,
    can_int8,
    load_encoder,
)
from twigma.core.parts import read_part, read_parts, read_provenance


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("models") / "folder-name")


@pytest.fixture(scope="module")
def encoder(folder):
    """In full precision, as the numbers it is compared with are."""
    return load_encoder(str(folder), device="cpu", precision="fp32")


def test_same_bytes_in_every_shard_and_block(tmp_path, folder):
    data = encode(pixels(0))
    for shard, place in enumerate((0, 3, 12)):
        images = {
            f"{shard}{i:02d}": encode(pixels(100 * shard + i + 1)) for i in range(13)
        }
        images[f"{shard}{place:02d}"] = data
        make_shard(tmp_path, f"{shard:05d}", images)
    assert stage.embed_shards(tmp_path, str(folder), device="cpu") == 39
    table = read_parts(tmp_path / "columns" / "embed")
    same = [
        table["image_name"].to_pylist().index(name) for name in ("000", "103", "212")
    ]
    rows = as_matrix(table["embedding"])
    assert (
        len({rows[i].tobytes() for i in same}) == 1
        and len({row.tobytes() for row in rows}) == 37
    )
    assert len(set(table["pixel_hash"].to_pylist())) == 37


def test_undecodable_rows_are_null_and_stay_in_place(encoder):
    good = encode(pixels(1))
    table = pa.table(
        {
            "image_name": list("abcd"),
            "image": pa.array([good, b"no", good[:300], good], pa.binary()),
        }
    )
    found = stage.embed(table, encoder)
    assert found["embedding"].is_valid().to_pylist() == [True, False, False, True]
    assert found["pixel_hash"].is_valid().to_pylist() == [True, False, False, True]
    rows = as_matrix(found["embedding"].drop_null())
    assert (
        rows.tobytes()
        == np.repeat(encoder.encode([stage_image(good)]), 2, axis=0).tobytes()
    )
    nothing = stage.embed(table.slice(1, 2), encoder)
    assert nothing["embedding"].null_count == 2


def stage_image(data):
    from twigma.rehydrate.images.decode import open_image

    return open_image(data)


def test_pixel_hash_sees_pixels_only():
    image = Image.fromarray(pixels(2))
    files = [
        encode(image, "PNG"),
        encode(image, "PNG", compress_level=0),
        encode(image, "WEBP", lossless=True),
    ]
    assert len({pixel_hash(np.asarray(stage_image(data))) for data in files}) == 1
    assert pixel_hash(np.zeros((4, 6, 3), np.uint8)) != pixel_hash(
        np.zeros((6, 4, 3), np.uint8)
    )


def test_second_run_imports_no_torch(tmp_path, folder):
    make_shard(tmp_path, "00000", {"1": encode(pixels(1))})
    assert stage.embed_shards(tmp_path, str(folder)) == 1
    code = (
        "import sys; from pathlib import Path; from twigma.builder.stages.embed import embed_shards\n"
        "print(embed_shards(Path(sys.argv[1]), sys.argv[2]), 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(folder)]
    assert subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.split() == ["0", "False"]


def test_a_changed_model_or_precision_embeds_again(tmp_path, folder):
    make_shard(tmp_path / "w", "00000", {"1": encode(pixels(1))})
    assert stage.embed_shards(tmp_path / "w", str(folder), device="cpu") == 1
    path = tmp_path / "w" / "columns" / "embed" / "00000.arrow"
    assert read_provenance(path)["model"] == "tiny-clip"
    assert read_provenance(path)["precision"] == best_precision("cpu")
    other = tiny_clip(tmp_path / "other", seed=1)
    before = path.read_bytes()
    with pytest.raises(
        ValueError,
        match=r"keep both with `twigma embed --name NAME`, or put this one in its place with `twigma embed --replace`",
    ):
        stage.embed_shards(tmp_path / "w", str(other), device="cpu")
    assert path.read_bytes() == before
    made = stage.embed_shards(tmp_path / "w", str(other), device="cpu", replace=True)
    assert made == 1
    assert stage.embed_shards(tmp_path / "w", str(other), device="cpu") == 0
    assert (
        stage.embed_shards(
            tmp_path / "w",
            str(other),
            device="cpu",
            precision=best_precision("cpu"),
        )
        == 0
    )


def test_a_damaged_first_part_is_made_again_as_the_others_were(
    tmp_path, folder, capsys
):
    for shard in ("00000", "00001"):
        make_shard(tmp_path, shard, {shard: encode(pixels(int(shard)))})
    stage.embed_shards(tmp_path, str(folder), device="cpu", precision="bf16")
    first = tmp_path / "columns/embed/00000.arrow"
    sound = first.read_bytes()
    first.write_bytes(sound[:-9])
    assert stage.embed_shards(tmp_path, str(folder), device="cpu") == 1
    assert first.read_bytes() == sound
    assert "re-creating 1 part, changed since: damaged" in capsys.readouterr().err


@pytest.mark.parametrize(("first", "second"), [("fp32", "bf16"), ("bf16", "fp32")])
def test_a_folder_keeps_the_precision_it_was_begun_with_until_another_is_named(
    tmp_path, folder, first, second
):
    """Whatever the machine's own default is."""
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this CPU has no bf16 arithmetic")
    path = tmp_path / "columns" / "embed" / "00000.arrow"
    make_shard(tmp_path, "00000", {"1": encode(pixels(1))})
    assert stage.embed_shards(tmp_path, str(folder), device="cpu", precision=first) == 1
    assert stage.embed_shards(tmp_path, str(folder), device="cpu") == 0
    assert read_provenance(path)["precision"] == first
    assert (
        stage.embed_shards(tmp_path, str(folder), device="cpu", precision=second) == 1
    )
    assert read_provenance(path)["precision"] == second


@pytest.mark.skipif(not can_int8("cpu"), reason="no 8-bit products on this CPU")
def test_int8_shows_and_records_how_far_it_is_from_fp32(tmp_path, folder, capsys):
    exact, coarse = tmp_path / "exact", tmp_path / "coarse"
    rows = {}
    for work, precision in ((exact, "fp32"), (coarse, "int8")):
        images = {str(i): encode(pixels(i)) for i in range(5)}
        make_shard(work, "00000", images)
        stage.embed_shards(work, str(folder), device="cpu", precision=precision)
        table = read_parts(work / "columns" / "embed")
        rows[precision] = as_matrix(table["embedding"]).astype(np.float64)
    lengths = [np.linalg.norm(one, axis=1) for one in rows.values()]
    cosine = (rows["fp32"] * rows["int8"]).sum(axis=1) / np.prod(lengths, axis=0)
    most = (1 - cosine).max()
    recorded = read_provenance(coarse / "columns" / "embed" / "00000.arrow")
    assert recorded["precision"] == "int8"
    assert recorded["deviation"] == pytest.approx(most, rel=0.05)
    assert f"at most {most:.1g}, of 5 images" in capsys.readouterr().err
    # It is measured once: another shard changes neither it nor the first part.
    make_shard(coarse, "00001", {"9": encode(pixels(9))})
    assert stage.embed_shards(coarse, str(folder), device="cpu") == 1
    assert "differ from" not in capsys.readouterr().err
    assert stage.embed_shards(coarse, str(folder), device="cpu") == 0


def test_names(tmp_path, folder):
    unnamed = tiny_clip(tmp_path / "plain-folder", name=None)
    assert clip_names.find_model(str(unnamed)).name == "plain-folder"
    assert clip_names.find_model(f"local-dir:{folder}").name == "tiny-clip"
    assert clip_names.find_model("ViT-S-32-alt", None).provenance() == {
        "model": "ViT-S-32-alt/none",
        "seed": clip_names.SEED,
    }
    with pytest.raises(
        ValueError,
        match=r"unknown model 'ViT-L14/openai': no folder is there, .* no architecture ViT-L14, only .*ViT-L-14",
    ):
        clip_names.find_model("ViT-L14", "openai")
    with pytest.raises(
        ValueError,
        match=r"unknown weights 'open-ai' for ViT-L-14: open_clip has .*openai",
    ):
        clip_names.find_model("ViT-L-14", "open-ai")
    with pytest.raises(FileNotFoundError, match="no model folder"):
        clip_names.find_model("local-dir:/nowhere")
    with pytest.raises(FileNotFoundError, match=r"open_clip_config\.json"):
        clip_names.find_model(str(tmp_path))


def test_pins(tmp_path, hub):
    """A commit is asked of the Hub once, then it is the working folder's; a moved branch changes nothing."""
    first = pinned_weights.pin(
        tmp_path, "m", "org/name", None, pinned_weights.OPEN_CLIP
    )
    assert first.revision == "a" * 40
    hub.sha = "b" * 40
    assert (
        pinned_weights.pin(tmp_path, "m", "org/name", None, pinned_weights.OPEN_CLIP)
        == first
    )
    assert (
        clip_names.find_model("hf-hub:org/name", work=tmp_path).provenance()["revision"]
        == "b" * 40
    )
    assert (
        json.loads((tmp_path / "models" / "pins.json").read_text())["m"]["revision"]
        == "a" * 40
    )
    with pytest.raises(ValueError, match="40 hex digits"):
        pinned_weights.pin(tmp_path, "m", "org/name", "main", pinned_weights.OPEN_CLIP)
    with pytest.raises(OSError, match="cannot ask the Hub"):
        pinned_weights.pin(tmp_path, "x", "org/other", None, pinned_weights.OPEN_CLIP)


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        ((403, "GatedRepo"), PermissionError, "accept them on its page"),
        ((401, ""), PermissionError, "does not accept the token for org/name"),
        ((404, ""), OSError, "is not on the Hub"),
    ],
)
def test_why_the_hub_refuses_a_model_is_told(hub, answer, kind, sentence):
    hub.refused["org/name"] = answer
    with pytest.raises(
        kind, match=f"cannot ask the Hub which commit of org/name .*{sentence}"
    ):
        pinned_weights.pin(None, "m", "org/name", None, pinned_weights.OPEN_CLIP)
    never = pinned_weights.Pin("org/name", "e" * 40)
    with pytest.raises(kind, match=f"cannot download org/name at eee.*{sentence}"):
        pinned_weights.fetch_weights(never, pinned_weights.OPEN_CLIP)


def test_a_full_disk_is_no_error_of_the_hub(hub, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("huggingface_hub.snapshot_download", full)
    with pytest.raises(OSError) as raised:
        pinned_weights.fetch_weights(
            pinned_weights.Pin("org/name", "a" * 40), pinned_weights.OPEN_CLIP
        )
    assert raised.value.errno == errno.ENOSPC and raised.value.filename


def test_processes_that_begin_together_pin_one_commit(tmp_path, hub):
    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(
                pinned_weights.pin,
                tmp_path,
                f"m{number % 2}",
                "org/name",
                None,
                pinned_weights.OPEN_CLIP,
            )
            for number in range(8)
        ]
        assert {one.result().revision for one in asked} == {"a" * 40}
    assert sum("/models/org/name" in path for path in hub.asked) == 2
    pins = json.loads((tmp_path / "models" / "pins.json").read_text())
    assert sorted(pins) == ["m0", "m1"]


def test_a_hub_model_is_fetched_pinned_and_checked(tmp_path, hub, folder, encoder):
    make_shard(tmp_path, "00000", {"1": encode(pixels(1))})
    assert (
        stage.embed_shards(tmp_path, "hf-hub:org/name", device="cpu", precision="fp32")
        == 1
    )
    part = read_part(tmp_path / "columns" / "embed" / "00000.arrow")
    assert (
        as_matrix(part["embedding"]).tobytes()
        == encoder.encode([stage_image(encode(pixels(1)))]).tobytes()
    )
    asked = len(hub.asked)
    assert (
        stage.embed_shards(tmp_path, "hf-hub:org/name", device="cpu") == 0
        and len(hub.asked) == asked
    )
    assert not any("canary" in path for path in hub.asked)
    ours = f"twigma/{twigma.__version__}; "
    assert [name for name in hub.agents if not name.startswith(ours)] == []
    named = pinned_weights.pin(
        None, "m", "org/name", "a" * 40, pinned_weights.OPEN_CLIP
    )
    tampered = pinned_weights.Pin(
        named.repo, named.revision, dict.fromkeys(named.sha256, "0" * 64)
    )
    with pytest.raises(ValueError, match="expected sha256 0000"):
        pinned_weights.fetch_weights(tampered, pinned_weights.OPEN_CLIP)
    with pytest.raises(OSError, match="cannot download org/name at cccc"):
        pinned_weights.fetch_weights(
            pinned_weights.Pin("org/name", "c" * 40), pinned_weights.OPEN_CLIP
        )
    assert pinned_weights.pin(
        None, "x", "org/other", "d" * 40, ["w"]
    ) == pinned_weights.Pin("org/other", "d" * 40)


def test_the_papers_weights_have_a_repository():
    assert (
        clip_names._repository("ViT-L-14", "openai")
        == "timm/vit_large_patch14_clip_224.openai"
    )


@pytest.fixture
def hub(tmp_path, folder, monkeypatch):
    """A loopback Hub with one repository: the tiny model and a pickle that nobody should fetch."""
    with serving(name=contents(folder) | {"canary.bin": b"pickle"}) as hub:
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template
        )
        monkeypatch.setattr(
            "huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache")
        )
        yield hub
