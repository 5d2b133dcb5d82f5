"""What is remembered of publications, and what cards say of it."""

import pytest
from support import releasing

from twigma.builder.publish.publications import (
    Place,
    Publication,
    known_doi,
    last_publication,
    read_publications,
    remember,
)
from twigma.builder.release.release import release
from twigma.core.workspace.inventory import unlisted

ZENODO = Place("zenodo", "https://zenodo.org", False, "one-colour")
SANDBOX = Place("zenodo", "https://sandbox.zenodo.org", True, "one-colour")


def published(version, number, place=ZENODO, all_versions="10.5281/zenodo.1"):
    doi = f"10.5281/zenodo.{number}"
    return Publication(place, version, str(number), doi, all_versions)


def test_one_entry_a_place_and_version_and_no_draft_beside_it(tmp_path):
    draft = Publication(ZENODO, "1.0.0", "2", published=False)
    remember(tmp_path, draft)
    assert last_publication(tmp_path, ZENODO) == draft
    assert known_doi(tmp_path, "one-colour", "1.0.0") == ""
    remember(tmp_path, published("1.0.0", 2))
    remember(tmp_path, published("1.1.0", 4))
    remember(tmp_path, published("1.1.0", 6))
    assert read_publications(tmp_path) == [published("1.0.0", 2), published("1.1.0", 6)]
    assert known_doi(tmp_path, "one-colour", "1.1.0") == "10.5281/zenodo.6"
    assert known_doi(tmp_path, "one-colour", "2.0.0") == ""
    assert list(unlisted(tmp_path)) == []


def test_a_sandbox_is_apart(tmp_path):
    remember(tmp_path, published("1.0.0", 2, SANDBOX))
    assert known_doi(tmp_path, "one-colour", "1.0.0") == ""
    assert last_publication(tmp_path, ZENODO) is None
    remember(tmp_path, published("1.0.0", 8))
    remember(tmp_path, published("1.1.0", 10, SANDBOX))
    assert last_publication(tmp_path, ZENODO) == published("1.0.0", 8)
    assert known_doi(tmp_path, "one-colour", "1.1.0") == ""


@pytest.mark.parametrize("text", ["{", '{"a": 1}', '[{"place": {}, "version": "1"}]'])
def test_a_damaged_list_is_named(text, tmp_path):
    (tmp_path / "publications.json").write_text(text)
    with pytest.raises(ValueError, match=r"publications\.json is damaged .*--record"):
        known_doi(tmp_path, "one-colour", "1.0.0")


def test_the_next_card_names_the_dois_before_it_and_is_reproducible(tmp_path):
    work = releasing.make_work(tmp_path / "work")
    out = tmp_path / "twigma"
    release(work, out)
    first = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert "DOI" not in (out / "README.md").read_text()
    remember(work, published("1.0.0", 2))
    release(work, out)  # a version does not name itself: it stays as it was published
    assert {path: path.read_bytes() for path in first} == first
    release(work, out, version="1.1.0")
    link = "[10.5281/zenodo.{0}](https://doi.org/10.5281/zenodo.{0})"
    line = f"DOI of all versions: {link.format(1)}; of version 1.0.0: {link.format(2)}."
    assert f"\n{line}\n" in (out / "README.md").read_text()
    remember(work, published("1.1.0", 4))
    assert not release(work, out, version="1.1.0").written
