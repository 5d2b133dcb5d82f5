"""The paper's statements on the page: summed up first and listed last, icons and filter, on a screen and on a phone."""

import json
import shutil
import unicodedata
from collections import Counter
from types import SimpleNamespace

import pandas as pd
import pytest
from support.browser import LOOKS, started, violations
from support.pdf import Pdf

from twigma.analysis.paper.verdicts import AGREES, DIFFERS, UNKNOWN
from twigma.analysis.report import report
from twigma.builder.release.identity import TWIGMA

from .test_report import Page

MARKS = {"agrees": AGREES, "differs": DIFFERS, "unknown": UNKNOWN}


# Drawing a chart takes a second, and these have the most intervals.
SOME = ("fig1b", "fig2c", "fig2d_paintings", "eq1_paintings", "eq1_paintings_sensitivity")  # fmt: skip


def written(analysed, out, identity, verdict=None, figures=("fig1b",)):
    """The page of some of the planted results as those of a dataset of this identity."""
    shutil.copytree(analysed.out / "results", out / "results")
    results = json.loads((analysed.out / "results.json").read_text("utf-8"))
    results["data"]["identity"] = identity
    chosen = ("paper", *figures)
    results["figures"] = {name: results["figures"][name] for name in chosen}
    (out / "results.json").write_text(json.dumps(results), "utf-8")
    if verdict is not None:
        path = out / "results" / "paper.parquet"
        pd.read_parquet(path).assign(verdict=verdict).to_parquet(path)
    path = report(out)
    text = path.read_text("utf-8")
    return SimpleNamespace(path=path, page=Page(text), html=text)


@pytest.fixture(scope="module")
def ours(analysed, tmp_path_factory):
    out = tmp_path_factory.mktemp("ours")
    return written(analysed, out, TWIGMA.to_json(), figures=SOME)


@pytest.fixture(scope="module")
def verdicts(analysed):
    table = pd.read_parquet(analysed.out / "results" / "paper.parquet")
    return Counter(table["verdict"])


def other(name):
    return TWIGMA.to_json() | {"name": name, "title": f"Images of {name}"}


# ------------------------------------------------------------------ in which order


def test_of_twigma_the_summary_is_on_top_and_the_table_at_the_end(ours, verdicts):
    head, main = ours.html.split("<main>")
    for mark, verdict in MARKS.items():
        assert f'<li class="{mark}"><b>{verdicts[verdict]}</b>' in head
    assert '<th scope="col">Paper</th>' in head
    sections = main.split("<section")
    figures = [part.split("<h2><span>")[1].split("<")[0] for part in sections[1:-3]]
    assert (figures[0], figures[-1]) == ("Fig 1b", "The paper")
    assert f'href="#s{len(figures)}">each of them' in head
    assert sections[-4].count('class="is-') == sum(verdicts.values())


def test_another_dataset_has_its_own_results_and_no_list_of_what_is_unknown(
    analysed, tmp_path, verdicts
):
    found = written(analysed, tmp_path, other("portraits"))
    head, main = found.html.split("<main>")
    assert '<th scope="col">Paper</th>' not in head and 'class="overview"' not in head
    assert "The paper is about another dataset, TWIGMA" in found.page.text
    last = main.split("<section")[-4]
    assert "Where the TWIGMA paper can be compared" in last
    assert "<summary>Statements of the paper that this data can tell" in last
    assert 'class="is-unknown"' not in main and "not identifiable<" not in main
    rows = last.count('class="is-')
    assert 0 < rows <= verdicts[AGREES] + verdicts[DIFFERS]
    assert last.index("<h2>") > 0 and "623,707 posts are left" not in last


def test_another_dataset_without_a_comparison_has_one_sentence(analysed, tmp_path):
    found = written(analysed, tmp_path, other("portraits"), verdict=UNKNOWN)
    assert "none of its statements can be held against this data" in found.page.text
    assert "<h2><span>The paper</span>" not in found.html


def test_data_without_an_identity_is_not_called_another_dataset(analysed, tmp_path):
    found = written(analysed, tmp_path, None)
    assert "Nothing says that this data is TWIGMA" in found.page.text
    assert "about another dataset" not in found.page.text


def test_every_verdict_has_a_word_and_a_mark(ours, verdicts):
    for mark, verdict in MARKS.items():
        word = verdict.removesuffix(" from this data")
        assert ours.html.count(f'<td class=" {mark}">{word}</td>') == verdicts[verdict]
    radios = [attrs for tag, attrs in ours.page.tags if tag == "input"]
    assert {one["value"] for one in radios} == {"all", *MARKS}
    assert len({one["name"] for one in radios}) == 1
    assert {one["type"] for one in radios} == {"radio"}


# ------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser():
    with started() as browser:
        yield browser


def opened(browser, ours, width, scheme="light"):
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    tab = context.new_page()
    tab.goto(ours.path.as_uri())
    return tab


OPEN = "document.querySelectorAll('details').forEach(one => { one.open = true })"
# The text of the cells of each row.
ROWS = """() => [...document.querySelectorAll('tbody tr')]
  .map(row => [...row.cells].map(one => one.textContent))"""
# Cells with an interval, and how many lines of text each takes; folded tables are opened first.
LINES = """() => {
  document.querySelectorAll('details').forEach(one => { one.open = true });
  // Of a table, and of a statement of the paper.
  const cells = [...document.querySelectorAll('td')].filter(one => /^[−\\d.,%]+\\u00a0\\[/.test(one.textContent));
  return cells.map(one => {
    const range = document.createRange();
    range.selectNodeContents(one);
    const tops = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
    return [one.textContent, tops.size];
  });
}"""
# Of each statement: whether the paper's number, ours and the verdict are seen without scrolling sideways.
SEEN = """() => [...document.querySelectorAll('.verdicts tbody tr')].map(row => {
  const cells = [2, 3, 4, 6].map(n => row.querySelector(`td:nth-child(${n})`).getBoundingClientRect());
  return cells.every(box => box.width > 0 && box.left >= 0 && box.right <= innerWidth + 0.5);
})"""
# The contrast of the text of each selector with the ground of the page (WCAG 2.1).
CONTRAST = """selectors => {
  const light = text => {
    const parts = text.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const lines = parts.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * lines[0] + 0.7152 * lines[1] + 0.0722 * lines[2];
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  return selectors.map(selector => {
    const ink = light(getComputedStyle(document.querySelector(selector)).color);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  });
}"""


@pytest.mark.parametrize("width", [1440, 390])
def test_no_interval_wraps_and_nothing_is_cut_off(browser, ours, width):
    tab = opened(browser, ours, width)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    intervals = tab.evaluate(LINES)
    assert len(intervals) > 50
    assert [text for text, lines in intervals if lines != 1] == []
    assert all(tab.evaluate(SEEN))


def test_a_verdict_can_be_chosen_without_a_script(browser, ours, verdicts):
    tab = opened(browser, ours, 1440)
    tab.get_by_text("Every statement of the paper").click()
    assert tab.evaluate("document.scripts.length") == 0
    shown = """[...document.querySelectorAll('.verdicts tbody tr')]
      .filter(row => getComputedStyle(row).display !== 'none').map(row => row.className)"""
    assert len(tab.evaluate(shown)) == sum(verdicts.values())
    for mark, verdict in MARKS.items():
        tab.locator(f"input[value={mark}]").check()
        assert tab.evaluate(shown) == [f"is-{mark}"] * verdicts[verdict]
    tab.locator("input[value=all]").check()
    assert len(tab.evaluate(shown)) == sum(verdicts.values())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_in_the_dark(browser, ours, scheme):
    tab = opened(browser, ours, 1440, scheme)
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    selectors = [
        "body",
        ".lead",
        "main a, nav a",
        "dt",
        *(f"td.{mark}" for mark in MARKS),
    ]
    assert min(tab.evaluate(CONTRAST, selectors)) >= 4.5
    # Charts are drawn on white.
    chart = tab.evaluate(
        "getComputedStyle(document.querySelector('figure img')).backgroundColor"
    )
    assert chart == "rgb(255, 255, 255)"


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_everybody_can_use_it_folded_and_open(browser, ours, width, scheme):
    tab = opened(browser, ours, width, scheme)
    assert violations(tab) == []
    tab.evaluate(OPEN)
    assert violations(tab) == []


def test_contents_stay_in_view_and_the_page_is_short_until_it_is_opened(browser, ours):
    for width, place in ((1440, "left"), (360, "top")):
        tab = opened(browser, ours, width)
        folded = tab.evaluate("document.documentElement.scrollHeight")
        tab.evaluate("scrollTo({top: 1500, behavior: 'instant'})")
        box = tab.locator("nav").bounding_box()
        assert abs(box["y"]) < 1 and box["height"] <= 900
        main = tab.locator("main").bounding_box()
        assert (box["x"] + box["width"] <= main["x"]) == (place == "left")
        tab.evaluate(OPEN)
        assert tab.evaluate("document.documentElement.scrollHeight") > 2 * folded


def test_a_link_to_the_statements_and_a_click_select_what_they_say(browser, ours):
    tab = opened(browser, ours, 1440)
    tab.get_by_text("each of them with its reason").click()
    assert (
        tab.evaluate("location.hash") == f"#s{tab.locator('main section').count() - 3}"
    )
    tab.locator("#cite pre").first.click()
    chosen = tab.evaluate("getSelection().toString()").strip()
    assert chosen == tab.locator("#cite pre").first.text_content().strip()
    assert chosen.startswith("@inproceedings{chen2023twigma,")


def plain(text):
    return "".join(unicodedata.normalize("NFKC", text).split())


def test_print_opens_everything_and_cuts_no_row(browser, ours):
    """Every cell of a row is on one page, and no table is wider than the paper."""
    tab = opened(browser, ours, 718)
    rows = tab.evaluate(ROWS)
    pages = [plain(text) for text in Pdf(tab.pdf(format="A4")).pages()]
    assert len(pages) > 5 and len(rows) > 100
    cut = []
    for row in rows:
        if not any(all(plain(cell) in page for cell in row) for page in pages):
            cut.append(row)
    assert cut == []
    assert "betterk-meansstarts" in plain("".join(pages))
    tab.emulate_media(media="print")
    edges = tab.evaluate(
        "[...document.querySelectorAll('table')].map(one => one.getBoundingClientRect().right)"
    )
    assert max(edges) <= 718
