"""The page in a real browser, from the first picture to the corrected share; a server that is killed on the way."""

import os
import signal

import pandas as pd
import pytest
from support import browser

from twigma.analysis.annotation import read_answers
from twigma.analysis.api import figure

from .conftest import EVIL
from .test_label_server import labels_of, served, started


@pytest.fixture
def tab():
    with browser.started() as chromium:
        page = chromium.new_page()
        page.alarms, page.addresses = [], []
        page.on("dialog", lambda dialog: page.alarms.append(dialog.message))
        page.on("pageerror", lambda error: page.alarms.append(str(error)))
        page.on("request", lambda request: page.addresses.append(request.url))
        yield page


def begin(tab, url, name):
    tab.goto(url)
    tab.fill("#name", name)
    tab.press("#name", "Enter")


def item(tab):
    return tab.get_attribute("#picture", "data-item")


def wait_for(tab, text):
    tab.wait_for_function(
        "text => document.getElementById('progress').textContent === text", arg=text
    )


def is_blurred(tab):
    return "blur" in tab.evaluate(
        "getComputedStyle(document.getElementById('picture')).filter"
    )


def test_from_the_first_picture_to_the_report(tab, small, planted):
    names = pd.read_csv(small.folder / "key.csv", dtype=str).set_index("item")
    truth = {key: planted.truth[name] for key, name in names["image_name"].items()}
    keys = {True: "1", False: "2"}
    with started(small.folder, small.work) as (process, url):
        begin(tab, url, EVIL)
        tab.wait_for_selector("#problem:not([hidden])")
        assert "begins with a letter or digit" in tab.inner_text("#problem")
        assert tab.is_visible("#welcome")
        begin(tab, url, "Ada Lovelace")
        wait_for(tab, "0 of 14")
        # Text of strangers is text.
        assert tab.inner_text("#question") == f"Sensitive? {EVIL}"
        assert tab.locator("script").count() == 1
        assert is_blurred(tab)
        tab.click("#show")
        assert not is_blurred(tab)
        captions = set()
        for done in range(7):
            wait_for(tab, f"{done} of 14")
            assert is_blurred(tab) or done == 0
            captions.add(tab.get_attribute("#picture", "alt"))
            tab.keyboard.press("Space")
            assert not is_blurred(tab)
            tab.keyboard.press(keys[truth[item(tab)]])
        wait_for(tab, "7 of 14")
        assert EVIL in captions
        # A wrong key, taken back.
        shown = item(tab)
        tab.keyboard.press(keys[not truth[shown]])
        wait_for(tab, "8 of 14")
        tab.keyboard.press("u")
        wait_for(tab, "7 of 14")
        assert item(tab) == shown
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        tab.keyboard.press(keys[truth[shown]])
        tab.wait_for_selector("#problem:not([hidden])")
        assert "This was not stored" in tab.inner_text("#problem")
        assert item(tab) == shown
    stored = labels_of(small.folder, "Ada Lovelace")
    assert stored == {key: keys[truth[key]] for key in stored} and len(stored) == 7
    with served(small.folder, small.work) as server:
        begin(tab, server.url, "Ada Lovelace")
        for done in range(7, 14):
            wait_for(tab, f"{done} of 14")
            choice = "#yes" if truth[item(tab)] else "#no"
            tab.click(choice)
        tab.wait_for_selector("#done:not([hidden])")
        yes = sum(truth.values())
        summary = f"14 pictures: {yes} yes, {14 - yes} no, 0 cannot tell."
        assert tab.inner_text("#summary") == summary
    assert tab.alarms == []
    ours = [address for address in tab.addresses if "127.0.0.1" in address]
    assert ours == tab.addresses
    answers = read_answers(small.folder)
    assert len(answers.images) == 14
    labels = answers.images.set_index("image_name")["label"]
    assert all(planted.truth[name] == label for name, label in labels.items())
    found = figure("corrected", planted.release, sheets=small.folder)
    row = found.table.query("what == 'share' and estimator == 'corrected'").iloc[0]
    assert row["labels"] == 14
    assert "corrected by labels it is" in found.text
