"""The page of a search in a real browser: what it shows and hides without a script, and what it asks for."""

import base64
import io
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from support import releasing
from support.browser import LOOKS, opened, started, violations
from support.mapped import EVIL, write_release
from support.staging import tiny_clip

from twigma.analysis.explorer.results_page import (
    Searched,
    render_results,
    write_results,
)
from twigma.analysis.explorer.search import search
from twigma.analysis.neighbours.search import nearest
from twigma.builder.engine.vectors import as_column
from twigma.builder.models.clip_names import find_model
from twigma.builder.stages.clip_encoder import load_on
from twigma.cli import main
from twigma.core.safety import spreadsheet
from twigma.dataset.opened_release import open_release

N = 12
NAMES = [releasing.media_id(i) for i in range(N)]
ABOUT = Searched(f"{EVIL} {{{{ 7*7 }}}}", "", EVIL, "1.0.0", "tiny", N, 1)


@pytest.fixture(scope="module")
def browser():
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def found():
    """A table as `search` returns it, with texts of strangers; of the last image nothing is known."""
    day = int(np.datetime64("2022-05-04T03:02:01", "ms").astype(np.int64))
    return pa.table(
        {
            "similarity": pa.array(np.linspace(0.31, 0.2, N), pa.float32()),
            "id": [f"17{name}"[:19] for name in NAMES],
            "image_name": NAMES,
            "created_at": pa.array([day] * (N - 1) + [None], pa.timestamp("ms")),
            "like_count": [1_234_567, None, *range(N - 2)],
            "nsfw_score": pa.array([0.9, *[0.1] * (N - 2), None], pa.float32()),
            "possibly_sensitive": pa.array([False, True, *[False] * (N - 3), None]),
            "label_8_cluster": pa.array([3] * N, pa.int32()),
            "all_captions": [EVIL, None, *["a house " * 30] * (N - 2)],
        }
    )


@pytest.fixture(scope="module")
def images():
    """Pictures of all but the third: stripes, which a blur takes away."""
    pictures = {}
    for i, name in enumerate(NAMES):
        stripes = np.arange(300) // 8 % 2 * 200 + 20
        grey = np.tile(stripes.astype(np.uint8), (200 + 20 * i, 1))
        pictures[name] = Image.fromarray(grey).convert("RGB")
    del pictures[NAMES[2]]
    return pictures


@pytest.fixture(scope="module")
def page(found, images, tmp_path_factory):
    path = tmp_path_factory.mktemp("found") / "found.html"
    write_results(path, found, ABOUT, images)
    return path


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_it_is_accessible_and_fits(browser, page, width, scheme):
    with opened(browser, page.as_uri(), width=width, scheme=scheme) as tab:
        assert violations(tab.page) == []
        assert tab.page.evaluate("document.documentElement.scrollWidth") == width
        assert tab.messages == []
        assert set(tab.requests) - {page.as_uri()} == {
            url for url in tab.requests if url.startswith("data:")
        }


def test_texts_of_strangers_are_texts(browser, page):
    text = page.read_text("utf-8")
    assert "<script" not in text and "onerror=alert(1)>" not in text
    with opened(browser, page.as_uri()) as tab:
        assert tab.page.inner_text("h1").startswith(f"“{EVIL} {{{{ 7*7 }}}}”")
        assert tab.page.inner_text("tbody tr:first-child .words") == EVIL
        assert tab.page.get_attribute("tbody tr:first-child img", "alt") == EVIL


def test_rows_say_what_the_table_says(browser, page):
    with opened(browser, page.as_uri()) as tab:
        cells = tab.page.locator("tbody tr").nth(0).locator(".number, .short")
        assert cells.all_inner_texts() == [
            "0.310",
            "3",
            "2022-05-04",
            "1,234,567",
            "0.90",
        ]
        last = tab.page.locator("tbody tr").nth(N - 1).locator("td").all_inner_texts()
        assert last[1:6] == ["0.200", "3", "–", str(N - 3), "–"]
        assert tab.page.locator("tbody tr").count() == N
        head = tab.page.locator("thead th").all_inner_texts()
        assert head[:6] == [
            "Rank",
            "Picture",
            "Similarity",
            "Cluster",
            "Date",
            "Likes",
        ]
        assert "of 12 images" in tab.page.inner_text("header")
        assert "but for 1 without an embedding" in tab.page.inner_text("header")


def looks_of(tab, row):
    """The style of a picture, and the box in front of it."""
    line = tab.page.locator("tbody tr").nth(row)
    picture = line.locator("img")
    blur = picture.evaluate("one => getComputedStyle(one).filter")
    return blur, line.locator("input")


def test_what_may_be_sensitive_is_blurred_until_its_box_is_ticked(browser, page):
    with opened(browser, page.as_uri()) as tab:
        for row in (0, 1, N - 1):  # by score, by the post, unknown
            blur, box = looks_of(tab, row)
            assert blur == "blur(18px)" and box.count() == 1
            before = pixels_of(tab, row)
            box.focus()
            tab.page.keyboard.press("Space")
            assert looks_of(tab, row)[0] == "none"
            assert sharpness(pixels_of(tab, row)) > 3 * sharpness(before)
            tab.page.keyboard.press("Space")
            assert looks_of(tab, row)[0] == "blur(18px)"
        blur, box = looks_of(tab, 3)
        assert blur == "none" and box.count() == 0
        assert tab.page.locator("tbody tr").nth(2).inner_text().count("not stored") == 1


def pixels_of(tab, row):
    shot = tab.page.locator("tbody tr").nth(row).locator("img").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("L"), float)


def sharpness(grey):
    """How much pixels side by side differ, without the box in the corner."""
    return np.abs(np.diff(grey[60:-9, 60:-9], axis=1)).mean()


def test_pictures_are_small_and_without_metadata(page, images):
    content = page.read_text("utf-8")
    assert content.count('src="data:image/jpeg;base64,') == N - 1
    assert len(content) < 200_000


def test_equal_results_give_equal_bytes(found, images, page):
    assert render_results(found, ABOUT, images) == page.read_text("utf-8")


def test_without_pictures_there_is_no_column_of_them(found):
    text = render_results(found.drop_columns(["all_captions"]), ABOUT)
    assert "Picture</th>" not in text and "Caption" not in text and "<img" not in text
    assert "do not publish" not in text


def test_a_picture_has_no_warning_about_words(found):
    about = Searched("", "castle.png", "T", "", "tiny", N, 0)
    text = render_results(found, about)
    assert "most similar to castle.png" in text and "lie apart" not in text
    assert "without an embedding" not in text


def test_a_file_of_another_kind_is_left_alone(found, tmp_path, page):
    note = tmp_path / "thesis.html"
    note.write_text("my thesis")
    with pytest.raises(ValueError, match="is no page of results"):
        write_results(note, found, ABOUT)
    assert note.read_text() == "my thesis"
    with pytest.raises(ValueError, match="is a folder"):
        write_results(tmp_path, found, ABOUT)
    write_results(page, found, ABOUT)  # one of an earlier search is replaced
    assert "<img" not in page.read_text()


# ------------------------------------------------------------------ the command


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A working folder with pictures, a release of it with embeddings of a tiny model, and that model."""
    place = tmp_path_factory.mktemp("world")
    releasing.make_work(place / "work", posts=N - 1)
    model = find_model(str(tiny_clip(place / "tiny")), None)
    pictures = [Image.open(io.BytesIO(releasing.jpeg(name))) for name in NAMES]
    rows = load_on(model, "cpu", "fp32").encode(pictures)
    table = pa.table({"id": NAMES, "image_name": NAMES, "nsfw_score": [0.0] * N})
    vectors = pa.table({"image_name": NAMES, "embedding": as_column(rows)})
    models = {"embed": dict(model.provenance())}
    write_release(place / "twigma", table, embeddings=vectors, models=models)
    (place / "mine.jpg").write_bytes(releasing.jpeg(NAMES[5]))
    return place


def test_the_command_writes_table_and_page_with_the_pictures(
    world, tmp_path, monkeypatch
):
    monkeypatch.chdir(world)
    out, html = tmp_path / "found.csv", tmp_path / "found.html"
    words = ["search", "--image", "mine.jpg", "--model", "tiny", "--most", "5"]
    done = CliRunner().invoke(
        main, [*words, "--html", str(html), "--work", "work", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert f"search: 5 images on the page {html}" in done.output
    text = html.read_text("utf-8")
    shown = re.findall(r'data-label="Image">(\d+)', text)
    assert shown[0] == NAMES[5] and len(shown) == 5
    rows = spreadsheet.read_rows(out)
    assert shown == [row[rows[0].index("image_name")] for row in rows[1:]]
    assert "The images most similar to mine.jpg" in text
    # The stored one is seen: image 5, of one colour.
    first = re.search(r'src="data:image/jpeg;base64,([^"]+)"', text)[1]
    seen = Image.open(io.BytesIO(base64.b64decode(first))).convert("RGB")
    stored = Image.open(io.BytesIO(releasing.jpeg(NAMES[5]))).convert("RGB")
    middle = seen.getpixel((seen.width // 2, seen.height // 2))
    assert np.allclose(middle, stored.getpixel((12, 8)), atol=4)


def test_similarities_are_those_of_fig_2d(world, monkeypatch):
    monkeypatch.chdir(world)
    found = search("twigma", image="mine.jpg", model="tiny", most=5)
    opened_release = open_release("twigma")
    rows = np.stack(
        opened_release.embeddings["embedding"].to_numpy(zero_copy_only=False)
    )
    model = load_on(find_model("tiny", None), "cpu", "fp32")
    query = model.encode([Image.open("mine.jpg")])
    similarity, places = nearest(query, rows, 5)
    assert np.allclose(found["similarity"], similarity[0], atol=1e-3)
    assert found["image_name"][0].as_py() == NAMES[places[0][0]]


def test_work_is_for_a_page(world, monkeypatch):
    monkeypatch.chdir(world)
    words = ["search", "castle", "--model", "tiny", "--work", "work"]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 1 and "add --html FILE" in refused.output


def test_a_model_without_a_text_half_is_said(world, tmp_path):
    model = tiny_clip(tmp_path / "vision")
    config = json.loads((model / "open_clip_config.json").read_text())
    del config["model_cfg"]["text_cfg"]
    (model / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"without a text half .*text_cfg.*--model"):
        search(world / "twigma", "castle", model=str(model))
    table = pq.read_table(next((world / "twigma").glob("metadata-*")))
    vectors = pq.read_table(next((world / "twigma").glob("embeddings-*")))
    stated = {"embed": {"model": "facebook/dinov2-base", "revision": "0" * 40}}
    folder = write_release(
        tmp_path / "twigma", table, embeddings=vectors, models=stated
    )
    with pytest.raises(ValueError, match=r"facebook.*cannot be searched with"):
        search(folder, "castle")
