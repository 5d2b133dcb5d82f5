"""The served explorer in a real browser, with real tars: pictures, details, similar images, searches, and its end."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from support import staging
from support.browser import LOOKS, opened, started, violations, wait_for
from support.pictured import (
    FAILED,
    NOT_ASKED,
    ODD,
    PLAIN,
    REMOVED,
    SENSITIVE,
    write_pictured,
)

from twigma.analysis.explorer.page import read_explorer
from twigma.analysis.explorer.server import ExplorerServer
from twigma.builder.removals.erase_shards import shards_and_columns
from twigma.core.workspace import Workspace
from twigma.rehydrate.posts.removed_ids import add_removed

READY = "document.title.endsWith('(ready)') && !$('pictures').disabled"
COMMAND = [sys.executable, "-c", "from twigma.cli import main; main()", "explore"]


@contextmanager
def served(world, **options):
    with ExplorerServer(read_explorer(world.release), world.work, **options) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictured")
    world = write_pictured(root, staging.tiny_clip(root / "tiny"))
    world.model = (str(root / "tiny"), None, None)
    return world


@pytest.fixture(scope="module")
def server(world):
    with served(world, model=world.model) as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def tab(browser, server):
    with opened(browser, server.url) as tab:
        wait_for(tab.page, READY)
        yield tab
        assert tab.messages == []
        assert all(address.startswith(server.url) for address in tab.requests)


def ask(server, path, data=None, kind="application/json"):
    """Status and body of one request."""
    headers = {} if data is None else {"Content-Type": kind}
    request = urllib.request.Request(server.url + path, data, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def point_of(server, image):
    """The point of an image of the table."""
    return int(np.flatnonzero(server.explorer.points.rows == image)[0])


def pixels_of(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)


# ------------------------------------------------------------------ pictures


def test_a_picture_is_the_stored_one_without_metadata(server):
    status, data = ask(server, f"picture/{point_of(server, PLAIN)}")
    stored = pixels_of(staging.encode(staging.pixels(PLAIN)))
    assert status == 200 and not Image.open(io.BytesIO(data)).getexif()
    assert np.abs(pixels_of(data) - stored).mean() < 4


def test_what_may_be_sensitive_is_a_few_squares_until_it_is_asked_for(server):
    point = point_of(server, SENSITIVE)
    small = pixels_of(ask(server, f"thumbnail/{point}")[1])
    assert max(small.shape) <= 6
    assert json.loads(ask(server, f"details/{point}")[1])["sensitive"]
    assert pixels_of(ask(server, f"picture/{point}")[1]).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (REMOVED, "removed on request"),
        (FAILED, ""),
        (NOT_ASKED, "not downloaded"),
        (PLAIN, ""),
    ],
)
def test_a_missing_picture_says_why(server, image, why):
    point = point_of(server, image)
    found = json.loads(ask(server, f"details/{point}")[1])["why"]
    assert bool(found) == bool(why) and why in found
    status, body = ask(server, f"picture/{point}")
    assert (status == 200) == (image == PLAIN)
    if image == FAILED:
        assert "error" in json.loads(body)


def test_a_damaged_picture_says_so_on_the_page(browser, server):
    with opened(browser, server.url) as tab:
        wait_for(tab.page, READY)
        tab.page.evaluate(f"pick({point_of(server, FAILED)})")
        wait_for(tab.page, "document.querySelector('#picture .missing') !== null")
        assert "it is damaged" in tab.page.inner_text("#picture")
        tab.page.evaluate(f"pick({point_of(server, REMOVED)})")
        wait_for(tab.page, "$('picture').textContent.includes('removed on request')")


def test_pictures_that_failed_to_download_say_so(server, world):
    assert server.pictures.why_missing("900000") == (
        "it could not be stored: not found."
    )


def test_sprites_are_those_nearest_to_their_centroids(server, world):
    answer = json.loads(ask(server, "sprites")[1])
    cluster = np.array(world.table["label_10_cluster"].to_pandas(), float)
    placed = np.isfinite(world.table["UMAP_dim_1"].to_pandas())
    largest = np.bincount(cluster[placed & (cluster > 0)].astype(int)).argmax()
    members = np.flatnonzero(placed & (cluster == largest))
    rows = world.rows.astype(float)
    distance = ((rows[members] - rows[members].mean(axis=0)) ** 2).sum(axis=1)
    stored = [i >= ODD and i not in (NOT_ASKED, FAILED, REMOVED) for i in members]
    nearest = members[np.argmin(np.where(stored, distance, np.inf))]
    assert server.explorer.points.rows[answer["points"][0]] == nearest
    sheet = pixels_of(ask(server, "sprites.jpg")[1])
    square = Image.fromarray(staging.pixels(int(nearest))).crop((8, 0, 56, 48))
    expected = np.asarray(square.resize((64, 64)), float)
    assert np.abs(sheet[:64, :64] - expected).mean() < 12


def test_a_removal_deletes_the_stored_sheet(tmp_path):
    world = write_pictured(tmp_path)
    with served(world) as server:
        first = json.loads(ask(server, "sprites")[1])["points"]
        name = server.details.name(first[0])
    path = Workspace(world.work).sprite_sheet
    before = path.stat().st_mtime_ns
    with served(world) as server:
        assert json.loads(ask(server, "sprites")[1])["points"] == first
    assert path.stat().st_mtime_ns == before  # made once
    removed = add_removed(world.work, [name])
    shards_and_columns(Workspace(world.work), removed, [])
    assert not path.exists()
    with served(world) as server:
        again = json.loads(ask(server, "sprites")[1])["points"]
        assert name not in map(server.details.name, again)


# ------------------------------------------------------------------ similar images


def test_similar_images_are_those_of_all_products(server, world):
    found = json.loads(ask(server, f"similar/{point_of(server, PLAIN)}")[1])["found"]
    products = world.rows.astype(np.float64) @ world.rows[PLAIN].astype(np.float64)
    products[: np.argmax(np.isfinite(world.table["UMAP_dim_1"].to_pandas()))] = -2
    products[PLAIN] = -2
    order = np.argsort(-products, kind="stable")[: len(found)]
    assert [each["name"] for each in found] == [world.names[i] for i in order]
    similarity = [each["similarity"] for each in found]
    length = np.linalg.norm(world.rows[PLAIN].astype(np.float64))
    assert np.allclose(similarity, products[order] / length, atol=1e-5)


def test_a_search_by_its_own_picture_finds_the_image(server, world):
    data = staging.encode(staging.pixels(PLAIN), "PNG")
    status, body = ask(server, "search-picture", data, "application/octet-stream")
    found = json.loads(body)["found"]
    assert status == 200 and found[0]["name"] == world.names[PLAIN]
    assert found[0]["similarity"] > 0.99
    status, body = ask(server, "search-picture", b"no picture", "text/plain")
    assert status == 400 and b"no picture that can be read" in body


def test_without_its_model_a_search_says_what_to_do(world):
    with served(world) as server:
        status, body = ask(server, "search", b'{"text": "castle"}')
    assert status == 400 and "--model" in json.loads(body)["error"]


def test_without_pictures_and_embeddings_the_map_is_there(tmp_path, mapped):
    from types import SimpleNamespace

    empty = SimpleNamespace(release=mapped, work=tmp_path / "nowhere")
    with served(empty) as server:
        assert ask(server, "")[0] == 200
        assert "no finished shard" in json.loads(ask(server, "sprites")[1])["why"]
        status, body = ask(server, "similar/3")
        assert status == 400 and b"twigma embed" in body


# ------------------------------------------------------------------ the page


def test_keys_reach_picture_similar_images_and_search(tab, server, world):
    page, point = tab.page, point_of(server, PLAIN)
    page.evaluate(f"view.scale *= 400; view.x = arrays.x[{point}]")
    page.evaluate(f"view.y = arrays.y[{point}]; redraw()")
    page.focus("#points")
    page.keyboard.press("Enter")
    wait_for(page, "document.querySelector('#picture img') !== null")
    assert page.evaluate("picked") == point
    assert page.inner_text("#details-title") == f"Image {world.names[PLAIN]}"
    facts = page.inner_text("#facts")
    assert world.table["all_captions"][PLAIN].as_py() in facts
    assert f"post {PLAIN}" in facts
    assert page.locator("script").count() == 1
    link = page.get_attribute("#facts a", "href")
    assert link == f"https://x.com/i/status/{world.names[PLAIN]}"
    page.focus("#find-similar")
    page.keyboard.press("Enter")
    wait_for(page, "document.querySelectorAll('#found button').length > 0")
    assert "similar to image" in page.inner_text("#search-status")
    first = page.get_attribute("#found button", "aria-label")
    page.focus("#found button")
    page.keyboard.press("Enter")
    wait_for(page, f"picked !== {point}")
    assert server.details.name(page.evaluate("picked")) in first
    page.keyboard.press("Escape")
    assert not page.is_visible("#details")
    page.fill("#words", "a castle")
    page.keyboard.press("Enter")
    wait_for(page, "$('search-status').textContent.includes('found by words')")
    page.click("#choose-found")
    chosen = page.evaluate("Number(document.body.dataset.chosen)")
    assert chosen == page.locator("#found button").count() > 0
    page.click("#forget")


def test_a_sensitive_picture_is_shown_when_it_is_asked_for(tab, server):
    page, point = tab.page, point_of(server, SENSITIVE)
    before = len(tab.requests)
    page.evaluate(f"pick({point})")
    wait_for(page, "document.querySelector('.reveal') !== null")
    page.wait_for_timeout(100)
    picture = f"{server.url}picture/{point}"
    assert picture not in tab.requests[before:]
    page.focus(".reveal")
    page.keyboard.press("Enter")
    wait_for(page, "document.querySelector('#picture img').naturalWidth === 64")
    assert picture in tab.requests[before:]
    page.click("#close")


def test_pictures_are_drawn_at_medium_zoom_only(tab):
    page = tab.page
    page.evaluate("showAll(); draw()")
    assert page.evaluate("document.body.dataset.drawn") == "0"
    page.evaluate("zoom(1.5); draw()")
    drawn = page.evaluate("drawnSprites")
    assert len(drawn) > 3
    for x, y, side, _ in drawn:
        near = [o for o in drawn if abs(o[0] - x) < side and abs(o[1] - y) < side]
        assert len(near) == 1
    page.click("#pictures")
    page.evaluate("draw()")
    assert page.evaluate("document.body.dataset.drawn") == "0"
    page.click("#pictures")
    page.evaluate("zoom(2000); draw()")
    assert page.evaluate("document.body.dataset.drawn") == "0"
    page.evaluate("showAll()")


def test_a_click_picks_the_picture_under_it(tab):
    page = tab.page
    page.evaluate("showAll(); zoom(1.5); draw()")
    x, y, _, point = page.evaluate("drawnSprites[0]")
    box = page.locator("#points").bounding_box()
    page.mouse.click(box["x"] + x + 5, box["y"] + y + 5)
    assert page.evaluate("picked") == point
    page.click("#close")
    page.evaluate("showAll()")


def test_texts_of_strangers_run_nothing(tab, server):
    """Each of 500 images has script in its name, its caption and its post; all are shown one after the other."""
    page = tab.page
    shown = page.evaluate(
        """async () => {
      const all = [], points = [...Array(n).keys()];
      const odd = points.filter(i => info.image_name[placeOf(i)].startsWith('</script>'));
      const found = await Promise.all(odd.map(i => ask(`details/${i}`)));
      $('details').hidden = false;
      odd.forEach((i, place) => {
        fillDetails(i, found[place]);
        $('found').append(...strip([{point: i, name: found[place].title, similarity: 1, why: 'none'}]));
        all.push($('details-title').textContent + $('facts').textContent);
      });
      return all;
    }""",
    )
    assert len(shown) == ODD - 7  # that many are on the map
    assert all(text.count("<script>alert(1)") >= 3 for text in shown)
    assert page.locator("script").count() == 1
    page.click("#close")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_it_is_accessible_and_fits(browser, server, width, scheme):
    with opened(browser, server.url, width=width, scheme=scheme) as tab:
        wait_for(tab.page, READY)
        tab.page.evaluate(f"zoom(1.5); pick({point_of(server, SENSITIVE)})")
        wait_for(tab.page, "document.querySelector('.reveal') !== null")
        tab.page.click("#find-similar")
        wait_for(tab.page, "document.querySelectorAll('#found button').length > 0")
        assert violations(tab.page) == []
        assert tab.page.evaluate("document.documentElement.scrollWidth") == width
        assert tab.messages == []


# ------------------------------------------------------------------ the command


def test_the_command_ends_well_and_says_so(world):
    words = [*COMMAND, str(world.release), "--work", str(world.work)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    url = re.search(r"http://127\.0\.0\.1:(\d+)/[\w-]+/", line)
    with urllib.request.urlopen(url[0]) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "img-src 'self'; connect-src 'self'" in policy
    port = url[1]
    second = subprocess.run(
        [*words, "--port", port], capture_output=True, text=True, timeout=120
    )
    assert second.returncode == 1
    assert f"port {port} of this machine is in use: choose another" in second.stderr
    os.kill(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "explore: stopped\n")
    assert "Traceback" not in error
