"""Embedded texts as they are read: lengths, authors, passages, other models; and Fig 3d of the whole analysis."""

import numpy as np
import pyarrow as pa
import pytest
from support.staging import units

from twigma.analysis.analyze import analyze
from twigma.analysis.inputs.text_embeddings import read_texts, text_files
from twigma.analysis.report import report
from twigma.builder.engine.vectors import as_column
from twigma.core import columns
from twigma.core.files import write_parquet
from twigma.core.parts import write_part

MODEL = {"model": "tiny", "sha256": "a"}


def write_texts(folder, kind, names, words, *, rng):
    """A part as `twigma texts` writes it."""
    part = pa.table(
        {
            "id": [f"9{name}" for name in names],
            "image_name": names,
            "embedding": as_column(units(rng, len(names))),
            "words": pa.array(words, pa.int32()),
            "tokens": pa.array(np.asarray(words) + 2, pa.int32()),
        }
    )
    write_part(folder / "columns" / "texts" / f"{kind}.arrow", part, MODEL)


def write_images(folder, names, **values):
    table = columns.add(
        pa.table({"image_name": names}), id=[f"9{name}" for name in names], **values
    )
    write_parquet(folder / "images.parquet", table)


def write_set(folder, texts, rng, made_from=MODEL):
    """A reference set of texts as `twigma reference add` writes it."""
    names = [f"t{i}" for i in range(len(texts))]
    write_images(folder, names, text=texts)
    part = pa.table(
        {"image_name": names, "embedding": as_column(units(rng, len(names)))}
    )
    write_part(folder / "columns" / "embed_text" / "00000.arrow", part, made_from)


@pytest.fixture
def folders(tmp_path, rng):
    work, prompts, haiku = (tmp_path / name for name in ("work", "prompts", "haiku"))
    names = [str(i) for i in range(12)]
    write_images(work, names, author_id=["a"] * 6 + ["b"] * 5 + [None])
    write_texts(work, "text", names, [5] * 12, rng=rng)
    write_images(prompts, names)
    write_texts(prompts, "group", names, np.arange(1, 13), rng=rng)
    write_set(haiku, ["old pond frog leaps in"] * 25 + [None], rng)
    return work, {"prompts": prompts, "haiku": haiku, "empty": tmp_path / "nowhere"}


def test_posts_prompts_and_sets_of_texts_are_read(folders):
    found = read_texts(*folders)
    assert list(found) == ["posts", "prompts", "haiku"]
    assert found["posts"].blocks.tolist() == ["a"] * 6 + ["b"] * 5 + ["alone 11"]
    assert found["prompts"].words.tolist() == list(range(1, 13))
    assert found["prompts"].tokens.tolist() == list(range(3, 15))
    assert len(set(found["prompts"].blocks)) == 12
    assert found["haiku"].words.tolist() == [5] * 25 and found["haiku"].tokens is None
    assert np.bincount(found["haiku"].blocks).tolist() == [10, 10, 5]
    np.testing.assert_allclose(
        np.linalg.norm(found["haiku"].embedding, axis=1), 1, atol=1e-6
    )
    assert read_texts(None, {}) == {}


def test_texts_of_another_model_are_refused(folders, rng):
    work, references = folders
    write_set(references["haiku"], ["a b"], rng, {"model": "tiny", "sha256": "b"})
    with pytest.raises(
        ValueError,
        match=r"'haiku' and 'posts' were embedded by different models .sha256",
    ):
        read_texts(work, references)


@pytest.fixture(scope="module")
def with_texts(planted, tmp_path_factory):
    """The planted world with texts: posts as varied as prompts, haiku all alike."""
    root, rng = tmp_path_factory.mktemp("texts"), np.random.default_rng(0)
    names = [str(i) for i in range(60)]
    write_images(root / "prompts", names, group=["a b"] * 60)
    write_texts(root / "prompts", "group", names, rng.integers(2, 20, 60), rng=rng)
    write_set(root / "haiku", ["old pond frog leaps in"] * 40, rng)
    part = pa.table(
        {
            "image_name": [f"t{i}" for i in range(40)],
            "embedding": as_column(np.repeat(units(rng, 1), 40, 0)),
        }
    )
    write_part(root / "haiku" / "columns" / "embed_text" / "00000.arrow", part, MODEL)
    write_images(root / "work", names)
    write_texts(root / "work", "text", names, rng.integers(2, 20, 60), rng=rng)
    references = {"prompts": root / "prompts", "haiku": root / "haiku"}
    found = analyze(
        planted.release, root / "out", work=root / "work", references=references
    )
    return root, found, planted, references


def test_fig_3d_of_the_whole_analysis(with_texts):
    root, found, planted, references = with_texts
    values = found["values"]
    assert (
        values["texts/haiku"]["value"] < 1e-3
        and values["texts/haiku"]["difference_high"] < 0
    )
    assert (
        values["texts/posts"]["difference_low"]
        < 0
        < values["texts/posts"]["difference_high"]
    )
    assert {f"texts/{name}" for name in text_files(root / "work", references)} <= set(
        found["made_from"]["files"]
    )
    page = report(root / "out").read_text("utf-8")
    assert (
        "less varied than prompts of their lengths: haiku; not told from them: posts"
        in page
    )
    alone = analyze(
        planted.release, root / "out2", references={"prompts": references["prompts"]}
    )
    assert {"figure": "fig3d", "missing": ["other embedded texts"]}.items() <= _skipped(
        alone, "fig3d"
    ).items()
    without = analyze(planted.release, root / "out3")
    assert _skipped(without, "fig3d")["missing"] == ["embedded prompts"]


def _skipped(found, figure):
    return next(entry for entry in found["skipped"] if entry["figure"] == figure)
