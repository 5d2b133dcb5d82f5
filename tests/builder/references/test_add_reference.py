"""Reference sets end to end: the loopback Hub, real files, a tiny real CLIP; then the same call again."""

import io
import json
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.hub import Hub
from support.staging import encode, pixels, tiny_clip, units, write_embeddings

from twigma.analysis.inputs import load
from twigma.builder.engine.vectors import read_vectors
from twigma.builder.references import catalogue
from twigma.builder.references.add_reference import add_reference
from twigma.builder.references.model_choice import stated_model
from twigma.builder.stages.clip_encoder import load_encoder
from twigma.core.files import write_parquet
from twigma.core.parts import read_parts
from twigma.core.workspace import Workspace

SIZE = 8  # images in a part


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture
def hub():
    with Hub() as server:
        yield server


@pytest.fixture
def make(tmp_path, clip, hub, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda name, *sources, **options: add_reference(
        name, sources, **{"model": str(clip), "endpoint": hub.url} | options
    )


def picture(seed):
    return encode(pixels(seed), "PNG")


def parquet(**values):
    buffer = io.BytesIO()
    pq.write_table(pa.table(values), buffer)
    return buffer.getvalue()


def stored(seeds):
    return pa.array([{"bytes": picture(seed), "path": f"{seed}.png"} for seed in seeds])


def part(number):
    """A zipped part of DiffusionDB and its rows of the metadata; each prompt has four images, the last two alike."""
    names = [f"{number:04}-{at}.png" for at in range(SIZE)]
    seeds = [at - at % 4 // 3 for at in range(SIZE)]
    text = {
        n: {"p": f"p{s // 4}", "se": s, "c": 7.0, "st": 50, "sa": "k_lms"}
        for n, s in zip(names, seeds, strict=True)
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, seed in zip(names, seeds, strict=True):
            archive.writestr(name, picture(100 * number + seed))
        archive.writestr(f"part-{number:06}.json", json.dumps(text))
    nsfw = [2.0 if at == 1 else 0.1 for at in range(SIZE)]
    rows = {"image_name": names, "part_id": [number] * SIZE, "image_nsfw": nsfw}
    return buffer.getvalue(), rows | {"prompt": [text[name]["p"] for name in names]}


def diffusiondb(hub, numbers=(1, 2)):
    made = {number: part(number) for number in numbers}
    rows = {
        key: [cell for _, part in made.values() for cell in part[key]]
        for key in made[numbers[0]][1]
    }
    files = {f"images/part-{number:06}.zip": data for number, (data, _) in made.items()}
    return hub.hold(
        "poloclub/diffusiondb",
        files | {"metadata.parquet": parquet(**rows)},
        license="cc0-1.0",
    )


def test_parts_of_diffusiondb(make, hub, clip, tmp_path):
    commit = diffusiondb(hub)
    done = make("diffusiondb")
    assert done.counts == {
        "images": 7,
        "images blurred as NSFW, left out": 1,
        "repeated generations, marked": 2,
        "images embedded": 7,
    }
    table = Workspace(tmp_path / "refs/diffusiondb").table("embed")
    rows = {row["image_name"]: row for row in table.to_pylist()}
    assert set(rows) == {f"0001-{at}" for at in range(SIZE)} - {"0001-1"}
    assert {row["source"] for row in rows.values()} == {"diffusiondb"}
    assert [rows[f"0001-{at}"]["group"] for at in (0, 2, 3, 4)] == [
        "p0",
        "p0",
        "p0",
        "p1",
    ]
    marks = {
        name: row["duplicate_of"] for name, row in rows.items() if row["duplicate_of"]
    }
    assert marks == {"0001-3": "0001-2", "0001-7": "0001-6"}
    encoder = load_encoder(str(clip))
    expected = encoder.encode([Image.open(io.BytesIO(picture(104)))])
    np.testing.assert_array_equal(
        np.array(rows["0001-4"]["embedding"], np.float16), expected[0]
    )
    assert done.about["licence"] == "CC0 1.0" and done.about["role"] == "prompts"
    assert done.about["revisions"] == {"poloclub/diffusiondb": commit}
    assert done.about["origin"] == [
        "https://huggingface.co/datasets/poloclub/diffusiondb"
    ]
    assert [
        path.name for path in (tmp_path / "refs/diffusiondb/downloads").glob("*")
    ] == ["metadata.parquet"]
    assert "0 in these parts" in done.notes[0]


def test_another_part_is_all_that_is_fetched_and_a_second_run_asks_nothing(
    make, hub, tmp_path
):
    diffusiondb(hub)
    make("diffusiondb")
    before = len(hub.sent)
    done = make("diffusiondb", parts=(1, 2))
    assert [path for path, _ in hub.sent[before:]] == ["images/part-000002.zip"]
    assert done.counts["images"] == 7
    assert (
        done.counts["repeated generations, marked"] == 9
    )  # of the second part all, as its settings are the first's
    work, asked = tmp_path / "refs/diffusiondb", len(hub.log)
    files = {
        path: path.stat().st_mtime_ns
        for path in work.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
    assert make("diffusiondb", parts=(1, 2)).counts == {}
    assert len(hub.log) == asked
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_a_stop_between_download_and_record_costs_no_byte_twice(make, hub, tmp_path):
    """As a kill leaves it: the tar is packed and registered, the record not written."""
    diffusiondb(hub, (1,))
    make("diffusiondb")
    record = tmp_path / "refs/diffusiondb/reference.json"
    about = json.loads(record.read_text())
    record.write_text(json.dumps(about | {"files": {}}))
    done = make("diffusiondb")
    assert "images" not in done.counts and "images embedded" not in done.counts
    assert len(Workspace(tmp_path / "refs/diffusiondb").table()) == 7


def test_a_damaged_part_is_refused_and_fetched_again(make, hub, tmp_path):
    diffusiondb(hub, (1,))
    hub.spoilt.add("images/part-000001.zip")
    with pytest.raises(ValueError, match="is damaged"):
        make("diffusiondb")
    hub.spoilt.clear()
    assert make("diffusiondb").counts["images"] == 7


def test_paintings_by_artist_from_parquet(make, hub, tmp_path):
    artists = ["monet", "monet", None]
    data = {"image": stored([1, 2, 3]), "artist": artists, "caption": ["a"] * 3}
    files = {"data/train-0.parquet": parquet(**data), "artbench.tar": b"not wanted"}
    hub.hold("alfredplpl/artbench-pd-256x256", files, license="mit")
    write_embeddings(
        tmp_path / "other",
        units(np.random.default_rng(0), 2),
        ["a", "b"],
        model="ViT-B-32/openai",
    )
    with pytest.raises(ValueError, match="two models"):
        make("artbench", like=tmp_path / "other")
    assert (
        not hub.log and not (tmp_path / "refs/artbench/images.parquet").exists()
    )  # refused before it was fetched
    done = make("artbench")
    assert done.counts == {"images": 3, "images embedded": 3}
    table = Workspace(tmp_path / "refs/artbench").table()
    assert sorted(map(str, table["group"].to_pylist())) == ["None", "monet", "monet"]
    assert [path for path, _ in hub.sent] == ["data/train-0.parquet"]
    assert not list((tmp_path / "refs/artbench/downloads").iterdir())
    assert make("artbench").counts == {}


def test_embeddings_of_laion_say_whose_they_are(make, hub, tmp_path, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 768)).astype(np.float16)
    rows[7] = 0
    with h5py.File(tmp_path / "laion.h5", "w") as file:
        file["emb"] = rows
    commit = hub.hold("sisap/laion", {"laion.h5": (tmp_path / "laion.h5").read_bytes()})
    url = f"{hub.url}/datasets/sisap/laion/resolve/{commit}/laion.h5"
    laion = replace(catalogue.TABLE["laion"], url=url, checksum=None)
    monkeypatch.setitem(catalogue.TABLE, "laion", laion)
    done = make("laion", model=None)
    assert done.counts == {"embeddings": 49, "rows of zeros, or not finite": 1}
    assert "the first is row 7, counted from 0" in done.notes[0]
    assert done.about["model"] == {"model": "ViT-L-14/openai"}
    assert "made by OpenAI's CLIP ViT-L/14" in done.about["note"]
    vectors, _ = read_vectors(tmp_path / "refs/laion")
    expected = np.delete(rows.astype(np.float64), 7, axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors.take(np.arange(49)), expected, atol=1e-3)
    assert make("laion", model=None).counts == {}


def test_given_embeddings_of_another_model_than_the_studied_are_refused(
    make, tmp_path, clip
):
    write_embeddings(
        tmp_path / "work",
        units(np.random.default_rng(0), 6),
        list("abcdef"),
        model="tiny-clip",
    )
    np.save(tmp_path / "v.npy", units(np.random.default_rng(1), 5))
    with pytest.raises(ValueError, match="name with --model the model that made them"):
        make("theirs", "v.npy", model=None)
    with pytest.raises(
        ValueError,
        match="work was embedded by tiny-clip, this set would be by ViT-B-32/openai",
    ):
        make("theirs", "v.npy", model="ViT-B-32/openai")
    assert make("theirs", "v.npy", model="tiny-clip").counts == {"embeddings": 5}
    assert make("theirs", "v.npy", model="tiny-clip").counts == {}
    np.save(tmp_path / "more.npy", units(np.random.default_rng(2), 3))
    assert make("theirs", "more.npy", model="tiny-clip").counts == {"embeddings": 3}
    assert len(read_vectors(tmp_path / "refs/theirs")[0]) == 8


def test_images_are_embedded_by_the_model_of_the_studied_images_only(
    make, tmp_path, clip
):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(picture(1))
    rows = units(np.random.default_rng(0), 2)
    write_embeddings(tmp_path / "other", rows, ["a", "b"], model="ViT-B-32/openai")
    with pytest.raises(ValueError, match="embeddings of two models cannot be compared"):
        make("mine", "photos", like=tmp_path / "other")
    assert make("mine", "photos", role="photographs").counts["images embedded"] == 1
    assert make("mine", "photos").counts == {}
    assert (
        stated_model(str(clip)).items()
        <= json.loads((tmp_path / "refs/mine/reference.json").read_text())[
            "model"
        ].items()
    )


def test_texts_and_their_embeddings(make, hub, tmp_path, clip):
    haiku = ["an old silent pond", "an old silent pond", "the oldPond and a frog", " "]
    hub.hold(
        "statworx/haiku",
        {"train.parquet": parquet(text=haiku, source=["a", "b", "c", "d"])},
    )
    done = make("haiku")
    assert done.counts == {"texts": 1, "texts embedded": 1}
    table = Workspace(tmp_path / "refs/haiku").table()
    assert table["text"].to_pylist() == haiku[:1] and table["source"].to_pylist() == [
        "haiku"
    ]
    part = read_parts(tmp_path / "refs/haiku/columns/embed_text")
    assert part["image_name"].to_pylist() == table["image_name"].to_pylist() and part[
        "tokens"
    ].to_pylist() == [6]
    expected = load_encoder(str(clip)).encode_text(haiku[:1])
    np.testing.assert_array_equal(
        np.array(part["embedding"].to_pylist(), np.float16), expected
    )
    assert make("haiku").counts == {}


def test_a_dataset_of_the_hub_takes_its_licence_from_its_card(make, hub, tmp_path):
    files = {
        "a/0.parquet": parquet(image=stored([1])),
        "b/0.parquet": parquet(image=stored([2])),
        "x.bin": b"x",
    }
    first = hub.hold("ada/photos", files, license=["cc-by-4.0", "mit"])
    done = make("mine", "ada/photos")
    assert done.counts == {"images": 2, "images embedded": 2}
    assert done.about["licence"] == "cc-by-4.0, mit"
    hub.repos["ada/photos"].commit(files | {"c/0.parquet": parquet(image=stored([3]))})
    assert make("mine", "ada/photos").counts == {}
    assert (
        make("mine", "ada/photos", revision="main").about["revisions"]["ada/photos"]
        != first
    )


def test_one_bad_file_stops_no_other(make, tmp_path):
    """Of tars, a folder and Parquet: the readable ones are added, named and embedded."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(picture(1))
    (tmp_path / "bad.tar").write_bytes(b"no tar" * 200)
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    (tmp_path / "good.parquet").write_bytes(parquet(image=stored([2, 3])))
    sources = ("bad.tar", "photos", "bad.parquet", "none.tar", "good.parquet")
    done = make("mine", *sources)
    assert done.counts == {"images": 3, "images embedded": 3}
    table = Workspace(tmp_path / "refs/mine").table()
    assert table["source"].to_pylist() == ["mine"] * 3
    with pytest.raises(OSError, match=r"3 failed: .*bad\.tar.*bad\.parquet.*none\.tar"):
        done.failures.raise_any()
    (tmp_path / "bad.parquet").write_bytes(parquet(image=stored([4])))
    again = make("mine", "bad.parquet")
    assert again.counts == {"images": 1, "images embedded": 1}


def test_one_bad_part_of_diffusiondb_stops_no_other(make, hub):
    diffusiondb(hub, (1, 2))
    hub.spoilt.add("images/part-000001.zip")
    done = make("diffusiondb", parts=(1, 2))
    assert done.counts["images"] == 7
    with pytest.raises(ValueError, match=r"part-000001\.zip is damaged"):
        done.failures.raise_any()
    hub.spoilt.clear()
    assert make("diffusiondb", parts=(1, 2)).counts["images"] == 7


def test_wrong_use_says_what_to_do(make, tmp_path):
    with pytest.raises(
        ValueError, match="name PATH or ORG/NAME too, or one of diffusiondb, artbench"
    ):
        make("mona")
    with pytest.raises(ValueError, match="other than twigma"):
        make("twigma", "x.npy")
    with pytest.raises(ValueError, match="is of no known format"):
        make("mine", "x.docx")
    np.save(tmp_path / "v.npy", units(np.random.default_rng(0), 5))
    make("mine", "v.npy", model="m")
    (tmp_path / "t.txt").write_text("a line")
    with pytest.raises(
        ValueError, match=r"holds texts, but refs.mine holds embeddings"
    ):
        make("mine", "t.txt").failures.raise_any()


def test_repeats_are_left_out_of_the_analyses(make, hub, tmp_path):
    diffusiondb(hub, (1,))
    make("diffusiondb")
    names = pa.array(["1", "2"])
    write_parquet(
        tmp_path / "twigma/metadata-00000.parquet",
        pa.table({"id": names, "image_name": names}),
    )
    images = load.load(
        tmp_path / "twigma", None, {"diffusiondb": tmp_path / "refs/diffusiondb"}
    ).references
    assert len(images["diffusiondb"].rows) == 5
    assert images["diffusiondb"].about["licence"] == "CC0 1.0"
