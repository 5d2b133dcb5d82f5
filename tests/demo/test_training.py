"""The shipped tiny models on pictures that neither their training nor the world shows."""

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twigma.builder.stages.caption import load_captioner
from twigma.builder.stages.clip_encoder import load_encoder
from twigma.builder.stages.nsfw import load_detector
from twigma.demo.drawing import pictures
from twigma.demo.drawing.pictures import THEMES
from twigma.demo.training import geometry
from twigma.demo.training.lessons import Lessons, captions, lessons, one_thread
from twigma.demo.training.train import MODELS

HELD_OUT = 990


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def held_out() -> Lessons:
    return lessons(400, HELD_OUT, everyday=0.0, painted=0.0, processes=1)


@pytest.fixture(scope="module")
def encoder():  # type: ignore[no-untyped-def]
    return load_encoder(str(MODELS / "clip"))


@pytest.fixture(scope="module")
def embedded(held_out: Lessons, encoder) -> np.ndarray:  # type: ignore[no-untyped-def]
    """float32[n, 2, 768]: both files of every picture."""
    files = [Image.fromarray(picture) for pair in held_out.pixels for picture in pair]
    return (
        encoder.encode(files).astype(np.float32).reshape(len(held_out.pictures), 2, -1)
    )


def test_weights_are_small_and_name_their_encoder(encoder) -> None:  # type: ignore[no-untyped-def]
    assert (
        sum(path.stat().st_size for path in MODELS.rglob("*.safetensors")) <= 8_000_000
    )
    assert (
        encoder.name
        == load_detector(MODELS / "nsfw.safetensors").model
        == "twigma-demo-clip"
    )
    assert encoder.dim == 768


def test_clusters_are_themes(held_out: Lessons, embedded: np.ndarray) -> None:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    labels = KMeans(10, n_init=10, random_state=0).fit_predict(embedded[:, 0])
    assert (
        adjusted_rand_score([picture.subject for picture in held_out.pictures], labels)
        >= 0.9
    )


def test_copies_are_nearer_than_any_other_picture(embedded: np.ndarray) -> None:
    first, copy = embedded[:, 0], embedded[:, 1]
    same = (first * copy).sum(1)
    cosine = first @ first.T
    np.fill_diagonal(cosine, -1)
    assert np.mean(same > 0.995) > 0.95
    assert np.mean(cosine.max(1) > 0.995) < 0.02


def test_the_veil_is_scored(held_out: Lessons, embedded: np.ndarray) -> None:
    from sklearn.metrics import roc_auc_score

    scores = load_detector(MODELS / "nsfw.safetensors")(embedded[:, 0])
    veiled = np.array([picture.veil for picture in held_out.pictures])
    assert roc_auc_score(veiled, scores) > 0.97
    assert np.mean((scores > 0.5) == veiled) > 0.95


def test_texts_lie_beside_what_they_say(
    held_out: Lessons, embedded: np.ndarray, encoder
) -> None:  # type: ignore[no-untyped-def]
    texts = encoder.encode_text(
        [f"a painting of a {theme}" for theme in THEMES]
    ).astype(np.float32)
    guess = (embedded[:, 0] @ texts.T).argmax(1)
    assert (
        np.mean(
            [
                THEMES[at] == p.subject
                for at, p in zip(guess, held_out.pictures, strict=True)
            ]
        )
        > 0.9
    )


def test_captions_name_the_subject(held_out: Lessons) -> None:
    captioner = load_captioner(str(MODELS / "blip"))
    shown = held_out.pictures[:120]
    images = [
        Image.open(io.BytesIO(pictures.encode(pictures.draw(picture))))
        for picture in shown
    ]
    said = captioner.caption(images)
    right = [
        picture.subject in text.split()
        for picture, text in zip(shown, said, strict=True)
    ]
    assert np.mean(right) >= 0.8
    assert (
        np.mean(
            [said == true for said, true in zip(said, captions(shown), strict=True)]
        )
        > 0.3
    )


def test_geometry_is_orthonormal_and_unit() -> None:
    matrix = np.stack(list(geometry.directions().values()))
    assert np.allclose(matrix @ matrix.T, np.eye(len(matrix)), atol=1e-5)
    rng = np.random.default_rng(0)
    shown = [pictures.sample(rng, theme) for theme in THEMES]
    places = [geometry.picture_place(picture) for picture in shown] + [
        geometry.text_place("two old ships")
    ]
    assert np.allclose(np.linalg.norm(places, axis=1), 1, atol=1e-5)


def test_lessons_are_seeded_and_mixed() -> None:
    one, again = (lessons(40, 7, processes=1) for _ in range(2))
    assert one.pictures == again.pictures
    assert np.array_equal(one.pixels, again.pixels)
    kinds = Counter(
        "everyday" if p.plain else "painted" if p.artist else "post"
        for p in one.pictures
    )
    assert kinds["post"] == 30


def test_training_writes_loadable_models(tmp_path: Path) -> None:
    from twigma.demo.training.train import train

    train(tmp_path, pictures=128, share=0.01, processes=1)
    encoder = load_encoder(str(tmp_path / "clip"))
    assert encoder.encode(
        [pictures.draw(pictures.sample(np.random.default_rng(0), "cat"))]
    ).shape == (1, 768)
    assert load_detector(tmp_path / "nsfw.safetensors").dim == 768
    assert (tmp_path / "blip" / "model.safetensors").exists()
