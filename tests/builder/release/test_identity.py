"""What a dataset is: the file users fill in, what is refused in it, and what releases say of themselves."""

import datetime
import json
import shutil

import pytest
from support import releasing

from twigma.builder.release.identity import (
    TWIGMA,
    Creator,
    Identity,
    identity_of_release,
    init,
    load_identity,
)
from twigma.builder.release.identity.dataset_toml import read_identity, to_toml

MURALS = """
title = "Murals of Lyon"
name = "lyon-murals"
contact = "ada@example.org"
license = "cc0-1.0"
citation = '''@misc{x, note = {caf\\'e}}'''
date = 2026-11-30
keywords = ["murals", "street art"]
ai_generated = false

[[creators]]
name = "Byron, Ada"
orcid = "https://orcid.org/0000-0002-1694-233X"

[[creators]]
organization = "The Analytical Society"
"""


def murals(tmp_path, text=MURALS):
    path = tmp_path / "dataset.toml"
    path.write_text(text)
    return path


def test_a_file_is_read_as_it_is_written(tmp_path):
    identity = read_identity(murals(tmp_path))
    assert identity == Identity(
        title="Murals of Lyon",
        name="lyon-murals",
        contact="ada@example.org",
        license="CC0-1.0",
        citation="@misc{x, note = {caf\\'e}}",
        date=datetime.date(2026, 11, 30),
        keywords=("murals", "street art"),
        ai_generated=False,
        creators=(
            Creator("Byron, Ada", orcid="0000-0002-1694-233X"),
            Creator("The Analytical Society", is_organization=True),
        ),
    )
    assert identity.by == "Ada Byron and The Analytical Society"
    assert identity.missing == ["description", "source"]


@pytest.mark.parametrize(
    "identity",
    [
        TWIGMA,
        Identity(title='"Quotes" \\ and é\x7f', name="x", citation="a\nb '''c'''"),
        Identity(title="x", name="x", citation="@misc{a,\n note = {caf\\'e}\n}"),
    ],
)
def test_every_identity_survives_both_of_its_files(tmp_path, identity):
    assert read_identity(murals(tmp_path, to_toml(identity))) == identity
    again = json.loads(json.dumps(identity.to_json()))
    assert Identity.from_json(again) == identity


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("233X", "2330", r"creators, block 1: .*check digit, found '0000-0002-1694-2330'"),
        ("Byron, Ada", "Ada Byron", 'creators, block 1: .*"Family, Given", found \'Ada Byron\''),
        ("organization", "organisation", "creators, block 2: .*'organisation': did you mean organization"),
        ("cc0-1.0", "CC BY 4", "license: .*spdx.org.*found 'CC BY 4'"),
        ("ada@example.org", "ask Ada", "contact: expected an e-mail address or a URL"),
        ("lyon-murals", "murals of Lyon", "name: .*found 'murals of Lyon'"),
        ("Murals of Lyon", "", "title: expected a text, found none"),
        ("= false", '= "no"', "ai_generated: expected true or false, found 'no'"),
        ("2026-11-30", '"tomorrow"', "date: expected a day as 2026-12-31"),
        ("2026-11-30", "2026-11-30T10:00:00", "date: expected a day"),
        ('["murals", "street art"]', '"murals"', "keywords: expected a list"),
        ("title", "titel", "there is no entry 'titel': did you mean title"),
        ("keywords = ", "keywords = = ", "expected TOML .*line 8"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(tmp_path, old, new, message):
    assert old in MURALS
    path = murals(tmp_path, MURALS.replace(old, new, 1))
    with pytest.raises(ValueError, match=rf"{path}: {message}"):
        read_identity(path)


def test_a_folder_without_a_file_is_named_by_itself(tmp_path):
    identity = load_identity(tmp_path / "Ada's photos")
    assert identity == Identity(title="Images of Ada's photos", name="Ada-s-photos")
    assert "Ada-s-photos" not in identity.cite("1.0.0", datetime.date(2026, 1, 2))
    assert load_identity(tmp_path / "写真").name == "images"


def test_init_writes_a_file_once_and_it_reads_as_what_goes_without_it(tmp_path):
    work = tmp_path / "my murals"
    neutral = load_identity(work)
    assert init(work) and load_identity(work) == neutral
    murals(work)
    assert not init(work) and load_identity(work).title == "Murals of Lyon"


def test_a_citation_is_made_from_what_is_known():
    identity = Identity(
        title="Cats & {dogs}",
        name="cats-1",
        creators=(
            Creator("Byron, Ada"),
            Creator("A & B", is_organization=True),
        ),
    )
    assert identity.cite("1.2.0", datetime.date(2026, 1, 2)) == (
        "@misc{cats12026,\n"
        "  title   = {{Cats \\& dogs}},\n"
        "  author  = {Byron, Ada and {A \\& B}},\n"
        "  year    = {2026},\n"
        "  version = {1.2.0}\n}"
    )
    assert TWIGMA.cite("9", datetime.date(2030, 1, 1)) == TWIGMA.citation


def test_a_release_says_what_it_is(made, tmp_path):
    assert identity_of_release(made / "twigma") == load_identity(made / "work")
    release = shutil.copytree(made / "twigma", tmp_path / "twigma")
    for damage in ({"identity": {"title": "x"}}, {"identity": 7}):
        releasing.edit_json(release / "MANIFEST.json", **damage)
        with pytest.raises(
            ValueError, match=r"identity in its MANIFEST.json is damaged"
        ):
            identity_of_release(release)
    manifest = json.loads((release / "MANIFEST.json").read_text())
    del manifest["identity"]
    (release / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="does not say what dataset it is"):
        identity_of_release(release)
    releasing.edit_json(release / "MANIFEST.json", source={"url": "https://zenodo.org"})
    assert identity_of_release(release) == TWIGMA
