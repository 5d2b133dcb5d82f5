"""The page: whole, inert whatever strangers wrote, the same every time, and calm in a real browser."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser

import markupsafe
import numpy as np
import pandas as pd
import pytest
from support.browser import opened, started
from support.pdf import Pdf

from twigma.analysis.analyze import analyze
from twigma.analysis.figures import CHAPTERS, fig2c_divergence
from twigma.analysis.page.formatting import number
from twigma.analysis.page.section import Results
from twigma.analysis.paper import stated
from twigma.analysis.report import report
from twigma.core.files import write_parquet


class Page(HTMLParser):
    """Tags with their attributes, and the visible text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def page(analysed):
    return Page(report(analysed.out).read_text("utf-8"))


def test_every_section_has_a_claim_and_every_chart_a_text(page, analysed):
    # The paper's numbers and what was not run, but no process, annotators, texts, and neither of the two on labels; at
    # the end the methods, and whom to cite.
    assert sum(tag == "section" for tag, _ in page.tags) == len(CHAPTERS) + 2 - 5 + 2
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    clusters = _table(analysed, "cluster_images")["cluster"].nunique()
    assert len(images) == 13 + clusters  # each with the line of its trend
    assert all(len(attrs["alt"]) > 30 for attrs in images)
    assert not re.search(r"\b(nan|None|inf)\b", page.text)
    titles = (
        "Posts per month",
        "Images of the clusters",
        "Themes over time",
        "What this was made from",
    )
    for words in (*titles, "Not run, and what it needs"):
        assert words in page.text
    assert analysed.results["made_from"]["sha256"] in page.text


def test_numbers_on_the_page_are_those_of_the_results(page, analysed):
    values = analysed.results["values"]
    assert f"{100 * values['growth']['value']:.1f}%" in page.text
    found = values["eq1/paintings/robust/quintile 1"]
    assert (
        f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]" in page.text
    )
    kl = _table(analysed, "fig2c").set_index(["mode", "row", "column"])
    kl = kl.loc[("robust", "photographs", "paintings")]
    assert np.isinf(kl["kl_raw"]) and np.isinf(kl["high"])
    assert f"{kl['kl']:.2f} [{number(kl['low'])}, ∞]" in page.text
    assert f"infinite: {kl['empty_column']} empty in paintings" in page.text


def test_the_map_says_how_much_sets_overlap_and_ranks_what_is_apart(again, analysed):
    overlaps = _table(analysed, "fig2a_overlap")
    ours = overlaps[overlaps["set_a"] == "twigma"]
    apart = overlaps.assign(low=overlaps["overlap"], high=overlaps["overlap"])
    order = ours.sort_values("overlap")["set_b"].tolist()
    text = again("fig2a", fig2a_overlap=apart)
    assert f"{order[-1]} is most and {order[0]} least (0 is apart, 1 the same)" in text
    unsure = overlaps.assign(low=0.0, high=1.0)
    text = again("fig2a", fig2a_overlap=unsure)
    assert "none is called most or least, as intervals overlap" in text


def test_longer_prompts_give_images_more_or_less_alike(again, analysed):
    """Negative τ: the longer the prompt, the smaller the distance."""
    tau = dict(analysed.results["values"]["prompt_tau"], p=0.001)
    for value, p, words in (
        (-0.3, 0.001, "Images of longer prompts are more alike: "),
        (0.3, 0.001, "Images of longer prompts are less alike: "),
        (0.3, 0.2, "or less alike is not shown: "),
        (0.05, 0.001, "or less alike is not shown: "),
    ):
        limits = {"low": value - 0.1, "high": value + 0.1}
        given = {"prompt_tau": tau | limits | {"value": value, "p": p}}
        assert words in again("fig3c", given)


SUPERLATIVES = {
    "fig2c": ("fig2c", "kl", "{0} is nearest and {1} farthest"),
    "set_metrics": ("set_distance", "all_pairs", "{0} is nearest and {1} farthest"),
    "fig3ab": ("fig3a", "value", "{1} is most varied and {0} least varied"),
}


@pytest.mark.parametrize("figure", SUPERLATIVES)
def test_sets_are_ranked_where_their_intervals_are_apart(figure, again, analysed):
    """Narrow intervals tell first and last; wide ones none of it, whatever the estimates."""
    name, column, words = SUPERLATIVES[figure]
    table = _table(analysed, name)
    value = table[column]
    narrow = table.assign(low=value - 1e-9, high=value + 1e-9)
    wide = table.assign(low=value - 9, high=value + 9)
    own = narrow
    if figure == "fig2c":
        own = narrow.query("mode == 'robust' and row == 'twigma'").set_index("column")
    elif figure == "set_metrics":
        own = narrow.query("metric == 'cmmd' and set_a == 'twigma'").set_index("set_b")
    else:
        own = narrow[narrow["groups"] == 0].set_index("set")
    said = words.format(own[column].idxmin(), own[column].idxmax())
    assert said in again(figure, **{name: narrow})
    text = again(figure, **{name: wide})
    assert said not in text
    ends = words.replace("{0} is", "").replace("{1} is", "")
    first, last = re.findall(r"nearest|farthest|most varied|least varied", ends)
    assert f"none is called {first} or {last}, as intervals overlap" in text


def test_extremes_are_bold_where_their_intervals_are_apart(again, analysed):
    """Of every measure in Fig 3b, by name and by the mark of its cell."""
    measures = _table(analysed, "fig3b")
    names = ("iev", "pmv", "entropy", "vendi")
    narrow, wide = {}, {}
    for name in names:
        narrow |= {f"{name}_low": measures[name], f"{name}_high": measures[name]}
        wide |= {
            f"{name}_low": measures[name] - 99,
            f"{name}_high": measures[name] + 99,
        }
    whole = measures[measures["groups"] == 0].set_index("set")
    text = again("fig3ab", fig3b=measures.assign(**narrow))
    assert (
        f"Most varied by IEV: {whole['iev'].idxmax()}, PMV: {whole['pmv'].idxmax()}"
        in text
    )
    assert "No set is apart" not in text
    text = again("fig3ab", fig3b=measures.assign(**wide))
    assert (
        "No set is apart from all others by IEV, PMV, Entropy (nats) and Vendi score."
        in text
    )
    assert "Most varied by" not in text


def test_what_an_estimator_warned_of_is_a_note(again, monkeypatch, analysed):
    figure = analysed.results["figures"]["fig3c"]
    monkeypatch.setitem(figure, "notes", ["Seven images were left out."])
    assert "Seven images were left out." in again("fig3c")


def _table(analysed, name):
    return pd.read_parquet(analysed.out / "results" / f"{name}.parquet")


@pytest.fixture
def again(analysed, tmp_path):
    """The text of a page with one figure, with some of its numbers or tables changed."""

    def make(figure, values=None, **tables):
        shutil.copytree(
            analysed.out / "results", tmp_path / "results", dirs_exist_ok=True
        )
        results = dict(analysed.results)
        results["figures"] = {figure: results["figures"][figure]}
        results["values"] = results["values"] | (values or {})
        (tmp_path / "results.json").write_text(json.dumps(results), "utf-8")
        for name, table in tables.items():
            table.to_parquet(tmp_path / "results" / f"{name}.parquet")
        return Page(report(tmp_path).read_text("utf-8")).text

    return make


def test_the_papers_numbers_stand_beside(page):
    assert str(stated.KL["photographs", "paintings"]) in page.text
    assert "1.19 [1.18, 1.19]" in page.text
    assert "0.992" in page.text
    assert f"{stated.IMAGES:,}" in page.text


def test_nothing_can_run_and_nothing_is_fetched(page):
    policies = [
        attrs["content"]
        for tag, attrs in page.tags
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert not {tag for tag, _ in page.tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "svg",
    }
    for _, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        for name in ("src", "href"):
            # Its own files are fetched on a click alone.
            assert attrs.get(name, "#").startswith(("#", "data:", "figures/"))


def test_every_link_to_a_file_is_one_and_every_file_has_a_link(page, analysed):
    linked = {attrs["href"] for tag, attrs in page.tags if tag == "a"}
    files = {name for name in linked if name.startswith("figures/")}
    there = {f"figures/{path.name}" for path in (analysed.out / "figures").iterdir()}
    assert files == there - {"figures/written.json"}
    assert (
        "figures/figure-2d-paintings.csv" in files and "figures/figure-s2.pdf" in files
    )
    # Each chart in its three formats, under its number.
    charts = sum(tag == "figure" for tag, _ in page.tags)
    for ending in (".svg", ".pdf"):
        assert sum(name.endswith(ending) for name in files) == charts == 13
    for label in ("Figure 1b. Posts per month. SVG PDF CSV", "Figure S1. Likes, given"):
        assert label in page.text


def test_the_files_hold_the_numbers_of_the_tables(page, analysed):
    folder = analysed.out / "figures"
    for file, name in (
        ("figure-1b.csv", "fig1b"),
        ("figure-2b.csv", "fig2b"),
        ("figure-2d-photographs.csv", "fig2d_photographs"),
        ("figure-4d.csv", "fig4d"),
    ):
        written, table = pd.read_csv(folder / file), _table(analysed, name)
        assert list(written) == list(table)
        for column in table.select_dtypes("number"):
            np.testing.assert_allclose(written[column], table[column], rtol=1e-12)
    captions = (folder / "captions.md").read_text("utf-8")
    labels = re.findall(r"\*\*Figure (\w+)\.\*\*", captions)
    numbers = ["1b", "1c", "2a", "2b", "2c", "2d", "S1", "3a", "3c", "4a", "4b", "4d", "S2"]  # fmt: skip
    assert labels == numbers
    assert "not described" not in captions


def test_charts_are_files_with_their_words_as_text(page, analysed):
    folder = analysed.out / "figures"
    for stem, words in (("1b", "Month (UTC)"), ("2b", "cluster 1"), ("s1", "Q1")):
        pdf = Pdf((folder / f"figure-{stem}.pdf").read_bytes())
        assert pdf.fonts == pdf.embedded_fonts > 0
        assert words in "".join(pdf.pages())
        svg = (folder / f"figure-{stem}.svg").read_text("utf-8")
        assert f">{words}</text>" in svg and "@font-face" in svg


def test_the_methods_are_on_the_page_and_in_a_file(page, analysed):
    made_from = analysed.results["made_from"]
    text = (analysed.out / "figures" / "methods.md").read_text("utf-8")
    assert "Every draw has the seed 0" in text and made_from["sha256"] in text
    for name, version in made_from["versions"].items():
        assert f"{name} {version}" in text
    for name, digest in made_from["files"].items():
        assert f"`{name}` {digest}" in text
    assert "971 images on 874 posts by 120 authors" in text
    assert " ".join(text.split()) in page.text
    assert "@inproceedings{chen2023twigma," in page.text
    assert "@software{twigma," in page.text


def test_long_tables_and_notes_are_folded_and_short_ones_are_not(page, analysed):
    text = (analysed.out / "index.html").read_text("utf-8")
    assert "<details open" not in text
    shown, folded = Page(re.sub(r"<details>.*?</details>", "", text, flags=re.S)), page
    rows = [sum(tag == "tr" for tag, _ in one.tags) for one in (shown, folded)]
    assert rows[0] < 60
    assert rows[1] > 200
    for words in ("Rate ratio of likes, NSFW against others", "Based on", "The paper"):
        assert words in shown.text
    for words in ("Noise (95%) × 10³", "KL(P‖Q) [95%]", "k-means++ starts"):
        assert words not in shown.text
        assert words in folded.text


def test_kernel_distances_are_in_thousandths(page, analysed):
    distances = _table(analysed, "set_distance")
    kid = distances[distances["metric"] == "kid"].iloc[0]
    cmmd = distances[distances["metric"] == "cmmd"].iloc[0]
    assert "Value × 10³ All pairs × 10³ [95%] Noise (95%) × 10³" in page.text
    begin = f"{kid['set_a']} {kid['set_b']}"
    assert f"{begin} KID {number(1000 * kid['value'])} " in page.text
    assert f"{begin} CMMD {number(cmmd['value'])} " in page.text


def test_strangers_text_is_escaped_and_stripped(page, analysed, planted):
    text = (analysed.out / "index.html").read_text("utf-8")
    assert "<script" not in text and "\u202e" not in text and "\x07" not in text
    assert (
        str(markupsafe.escape(planted.evil[:-6])) in text
    )  # the artist's name, without its last, invisible part
    pictures = [
        base64.b64decode(a["src"].split(",")[1]).decode()
        for t, a in page.tags
        if t == "img"
    ]
    assert not any(
        "<script" in picture or "onerror=" in picture for picture in pictures
    )


def test_hostile_names_everywhere_stay_text(planted, tmp_path):
    name = '"><script>alert(1)</script>$x^{y$\u202e'
    found = analyze(
        planted.release,
        tmp_path,
        references={name: planted.references["paintings"]},
        paintings=name,
    )
    assert name in found["data"]["references"]
    page = Page(report(tmp_path).read_text("utf-8"))
    assert not any(tag == "script" for tag, _ in page.tags)
    assert '"><script>alert(1)</script>$x^{y$' in page.text
    pictures = [
        base64.b64decode(a["src"].split(",")[1]).decode()
        for t, a in page.tags
        if t == "img"
    ]
    assert not any("<script" in picture for picture in pictures)
    assert any("&lt;script&gt;" in picture for picture in pictures)


def test_equal_results_give_equal_bytes(page, analysed):
    first = (analysed.out / "index.html").read_bytes()
    assert report(analysed.out).read_bytes() == first


def test_little_data_gives_a_page_and_what_is_missing(planted, tmp_path):
    rows = planted.rows.select(["id", "image_name", "created_at"])
    write_parquet(tmp_path / "release" / "metadata-00000.parquet", rows)
    analyze(tmp_path / "release", tmp_path / "out")
    page = Page(report(tmp_path / "out").read_text("utf-8"))
    assert "Posts per month" in page.text
    assert "column embedding" in page.text
    assert "reference set paintings" in page.text


def test_thorough_estimators_are_a_table():
    row = {
        "row": "a",
        "column": "b",
        "measure": "knn",
        "smoothing": "none",
        "k": 0,
        "value": 1.5,
    }
    found = Results({"fig2c_sensitivity": pd.DataFrame([row])}, {}, {})
    (table,) = fig2c_divergence._other_estimators(found)
    assert [[cell.text for cell in cells] for cells in table.rows] == [
        ["a", "b", "knn", "none", "–", "1.50"]
    ]


def test_no_results_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="twigma analyze"):
        report(tmp_path)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_browser_shows_it_without_an_error_or_a_request(page, analysed, planted):
    address = (analysed.out / "index.html").as_uri()
    with started() as browser, opened(browser, address, width=1100) as tab:
        drawn = tab.page.evaluate(
            "[...document.images].every(i => i.complete && i.naturalWidth > 100)"
        )
        wide = tab.page.evaluate("document.documentElement.scrollWidth")
        tab.page.set_viewport_size({"width": 380, "height": 800})
        narrow = tab.page.evaluate("document.documentElement.scrollWidth")
    assert tab.messages == []
    assert [url for url in tab.requests if not url.startswith("data:")] == [address]
    assert drawn
    assert (wide, narrow) == (1100, 380)


def test_damaged_results_are_named(analysed, tmp_path):
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(ValueError, match=r"results\.json is damaged .* again"):
        report(tmp_path)


def test_results_of_another_version_are_computed_again(analysed, tmp_path):
    """Their tables may lack what is drawn."""
    content = json.loads((analysed.out / "results.json").read_text("utf-8"))
    content["made_from"]["analysis"] -= 1
    (tmp_path / "results.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(ValueError, match="another version of the analyses: run"):
        report(tmp_path)
