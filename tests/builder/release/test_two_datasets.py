"""Two datasets of one owner side by side, one of posts on X and one of their own photographs: nothing is shared."""

import json
import re

import pytest
from support import releasing
from support.two_datasets import PHOTOS, POSTS

from twigma.analysis.analyze import analyze
from twigma.analysis.report import report
from twigma.builder.release.identity import TWIGMA, init
from twigma.builder.release.release import release

TEXTS = ("README.md", "DATASHEET.md", "croissant.json", "MANIFEST.json")
# What only posts of a platform have.
OF_POSTS = re.compile(
    r"twitter|\btweet|hashtag|on X\b|platform|possibly sensitive|images on",
    re.IGNORECASE,
)
# What would make the data the paper's; the software, its folder and the method are `twigma`, Chen & Zou.
OF_THE_PAPER = re.compile(r"TWIGMA|Twitter|chen2023|James|Yiqun|AI-generated|ai-generated")  # fmt: skip


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Every text of both releases, by dataset and name, and the page of each report."""
    folder = tmp_path_factory.mktemp("owner")
    texts = {}
    for identity in (POSTS, PHOTOS):
        work = releasing.make_work(folder / identity.name, local=identity is PHOTOS)
        (work / "dataset.toml").unlink()
        init(work, identity)
        out = folder / f"{identity.name}-release"
        release(work, out)
        of_one = {name: (out / name).read_text() for name in TEXTS}
        analyze(out, folder / f"{identity.name}-report")
        page = report(folder / f"{identity.name}-report")
        of_one["report"] = page.read_text()
        texts[identity.name] = of_one
    return texts


def own_words(identity):
    """What names a dataset: its texts, makers, contact and keywords."""
    creators = [creator.name for creator in identity.creators]
    words = [identity.title, identity.name, identity.description, identity.source]
    return [*words, *creators, identity.contact, *identity.keywords]


@pytest.mark.parametrize(("ours", "theirs"), [(POSTS, PHOTOS), (PHOTOS, POSTS)])
def test_each_says_what_it_is_and_nothing_of_the_other(texts, ours, theirs):
    for name, text in texts[ours.name].items():
        assert ours.title in text, name
        assert ours.creators[0].name in text, name
        assert ours.contact in text, name
        for word in own_words(theirs):
            assert word not in text, (name, word)
        assert theirs.license not in text, name
    card = texts[ours.name]["README.md"]
    assert f"@misc{{{re.sub('-', '', ours.name)}2026," in card
    assert f"title   = {{{{{ours.title}}}}}" in card


@pytest.mark.parametrize("identity", [POSTS, PHOTOS])
def test_neither_is_called_the_dataset_of_the_paper(texts, identity):
    for name in TEXTS:
        found = OF_THE_PAPER.findall(texts[identity.name][name])
        assert found == [], (name, found)
    head = texts[identity.name]["report"].partition("<main>")[0]
    assert "The analyses of the TWIGMA paper (Chen &amp; Zou, 2023)" in head
    # The paper is named, where it can be compared; the data is not called so.
    head = head.replace("the TWIGMA paper", "").replace("another dataset, TWIGMA", "")
    assert OF_THE_PAPER.findall(head) == []


def test_nothing_of_posts_is_said_of_photographs(texts):
    """But for the columns, which are there and empty, and the folder of recipes."""
    for name in TEXTS:
        text = texts[PHOTOS.name][name]
        text = re.sub(r"^\|.*\|$", "", text, flags=re.MULTILINE)  # tables of columns
        text = re.sub(r'"description": "[^"]*\([^")]*\)",', "", text)  # of fields
        found = OF_POSTS.findall(text)
        assert found == [], (name, found)
    card = texts[PHOTOS.name]["README.md"]
    assert "31 images, added from files." in card
    assert "#bridge" not in card and "Posts per month" not in card
    assert "CC0-1.0, whose terms are all that bind you" in re.sub(r"\s+", " ", card)
    assert "The images were not made by generative models." in card
    page = texts[PHOTOS.name]["report"]
    assert "<td>Posts</td><td>none</td>" in page
    assert "<td>own-murals</td>" in page and "<td>twigma</td>" not in page


def test_the_card_of_posts_speaks_of_them(texts):
    card = re.sub(r"\s+", " ", texts[POSTS.name]["README.md"])
    assert "26 images on 25 posts, 2021-01 to 2021-04." in card
    assert "The 25 posts of X were collected" in card
    assert "the terms of the platform apply to what you get there" in card
    assert "Whether generative models made the images is not stated." in card


def test_no_gate_takes_back_what_the_licence_gives(texts):
    """The prompt asks for manners; conditions on use are those of the licence alone."""
    for of_one in texts.values():
        card = of_one["README.md"]
        prompt = re.search(r"extra_gated_prompt: (.*?)---", card, re.DOTALL)[1]
        assert not re.search(r"you agree|only for research|must not", prompt)


def test_a_card_shows_a_row_that_is_in_the_release(texts):
    for identity in (POSTS, PHOTOS):
        card = texts[identity.name]["README.md"]
        row = json.loads(re.search(r"```json\n(.*?)```", card, re.DOTALL)[1])
        assert row["source"] == ("local" if identity is PHOTOS else "x")
        assert not row.get("possibly_sensitive") and row["nsfw_score"] <= 0.5
        assert None not in row.values()


def test_the_paper_s_own_dataset_is_called_by_its_name(work, tmp_path):
    (work / "dataset.toml").unlink()
    init(work, TWIGMA)
    release(work, tmp_path / "twigma")
    card = (tmp_path / "twigma/README.md").read_text()
    assert f"# {TWIGMA.title}\n" in card and TWIGMA.citation in card
    assert "Yiqun T. Chen (Stanford University), James Zou" in card
    assert "The images were made by generative models." in card
