"""`twigma add --urls` from the list to verified shards, with a real host; stopped and run again."""

import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from click.testing import CliRunner
from PIL import Image
from support.odd_answers import captive_portal, gzipped
from support.servers import Host
from support.worlds import photo, slow, wait_until

from twigma.builder.status.status import status
from twigma.cli import main
from twigma.rehydrate.images import shards
from twigma.rehydrate.sources.url_lists.add_urls import image_name

ANSWERS = {
    0: "success",
    1: "success",
    2: "http_404",
    3: "http_451",
    4: "http_401",
    5: "not_an_image",
    6: "success",
    7: "refused",
}


@pytest.fixture
def host(monkeypatch):
    with Host() as host:
        answers = [photo(0), photo(1, "PNG"), 404, 451, 401, captive_portal]
        for number, answer in enumerate(answers):
            host.answers[f"/{number}"] = answer
        host.answers["/6"] = gzipped(photo(6))
        monkeypatch.setenv("TWIGMA_ALLOW_HOSTS", host.url.removeprefix("http://"))
        yield host


@pytest.mark.parametrize("format", ["TIFF", "AVIF", "BMP"])
def test_what_is_converted_of_a_file_is_no_image_at_an_address(host, tmp_path, format):
    """As the help says."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, format)
    host.answers["/odd"] = buffer.getvalue()
    listed = tmp_path / "list.txt"
    listed.write_text(f"{host.url}/odd\n")
    work = tmp_path / "w"
    done = CliRunner().invoke(main, ["add", "--urls", str(listed), "--work", str(work)])
    assert done.exit_code == 0, done.output
    (row,) = shards.read_sidecars(work).to_pylist()
    assert row["status"] == "not_an_image"
    assert "JPEG, PNG, WebP" in row["error"]
    said = " ".join(CliRunner().invoke(main, ["add", "--help"]).output.split())
    assert "JPEG, PNG, WebP or GIF: anything else, TIFF and AVIF too, is" in said


def test_each_address_ends_in_one_class_which_status_shows(host, tmp_path):
    addresses = [f"{host.url}/{n}" for n in range(7)] + ["file:///etc/passwd"]
    listed = tmp_path / "list.jsonl"
    lines = [
        json.dumps({"url": url, "caption": f"number {n}"})
        for n, url in enumerate([*addresses, addresses[0]])
    ]
    listed.write_text("\n".join(lines), "utf-8")
    work = tmp_path / "w"
    done = CliRunner().invoke(main, ["add", "--urls", str(listed), "--work", str(work)])
    assert done.exit_code == 0, done.output
    assert f"addresses in {listed}:" in done.stdout
    assert "repeated in the list" in done.stdout
    assert "columns: url from url, text from caption" in done.stdout
    rows = {row["image_name"]: row for row in shards.read_sidecars(work).to_pylist()}
    assert len(rows) == len(addresses)
    for number, url in enumerate(addresses):
        assert rows[image_name(url)]["status"] == ANSWERS[number], url
    images = {}
    for shard in shards.list_shards(work):
        for block in shards.read_images(shard):
            images.update(
                zip(
                    block["image_name"].to_pylist(),
                    block["image"].to_pylist(),
                    strict=True,
                )
            )
    assert images[image_name(addresses[6])] == photo(6)
    photos = status(work)["photos"]
    assert (photos["total"], photos["stored"], photos["waiting"]) == (8, 3, 0)
    failed = Counter(ANSWERS.values())
    del failed["success"]
    assert photos["failed"] == failed
    # A second run asks nothing.
    asked = len(host.log)
    again = CliRunner().invoke(
        main, ["add", "--urls", str(listed), "--work", str(work)]
    )
    assert (again.exit_code, len(host.log)) == (0, asked)


def test_a_killed_run_resumes_and_has_each_image_once(host, tmp_path):
    count = 60
    for number in range(count):
        host.answers[f"/{number}"] = slow(photo(number), 0.1)
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(f"{host.url}/{n}" for n in range(count)), "utf-8")
    work = tmp_path / "w"
    words = ["add", "--urls", str(listed), "--work", str(work)]
    code = "from twigma.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.DEVNULL, env=os.environ
    )
    wait_until(lambda: len(host.log) > 10)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert status(work)["photos"]["waiting"] == count
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    photos = status(work)["photos"]
    assert (photos["total"], photos["stored"]) == (count, count)
    assert len(shards.read_sidecars(work)) == count


def test_ctrl_c_says_that_all_is_stored_and_how_to_resume(host, tmp_path):
    for number in range(60):
        host.answers[f"/{number}"] = slow(photo(number), 0.2)
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(f"{host.url}/{n}" for n in range(60)), "utf-8")
    words = ["add", "--urls", str(listed), "--work", str(tmp_path / "w")]
    code = "from twigma.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: len(host.log) > 5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.endswith(
        "twigma: interrupted. What was finished is stored: run the same command again to resume\n"
    )
    assert "Traceback" not in errors
    assert "Aborted" not in errors
    assert status(tmp_path / "w")["photos"]["waiting"] == 60


def test_the_settings_of_the_folder_are_used(host, tmp_path):
    work = tmp_path / "w"
    listed = tmp_path / "list.txt"
    listed.write_text(f"{host.url}/0", "utf-8")
    add = ["add", "--urls", str(listed), "--work", str(work)]
    assert CliRunner().invoke(main, add).exit_code == 0
    # As after `rehydrate --image-size 80`.
    other = tmp_path / "other"
    listed.write_text(f"{host.url}/1", "utf-8")
    add[-1] = str(other)
    from twigma.rehydrate.fetch.fetch import fetch
    from twigma.rehydrate.sources.url_lists.add_urls import add_urls

    add_urls(other, listed)
    allow = [host.url.removeprefix("http://")]
    fetch(other, size="large", image_size=80, allow_hosts=allow)
    listed.write_text(f"{host.url}/0", "utf-8")
    assert CliRunner().invoke(main, add).exit_code == 0
    sizes = shards.read_sidecars(other).to_pylist()
    assert {row["width"] for row in sizes} == {80}
