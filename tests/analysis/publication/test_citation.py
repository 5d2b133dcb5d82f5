"""Whom to cite: the software as in CITATION.cff, the dataset as it says and where it is, the paper as it is."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import yaml

from twigma.analysis.publication.citation import (
    citations,
    dataset_doi,
    published_doi,
)
from twigma.builder.publish.publications import Place, Publication, remember
from twigma.builder.release.identity import TWIGMA, Creator, Identity

ROOT = Path(__file__).resolve().parents[3]
PORTRAITS = Identity(
    "Portraits & more", "portraits", creators=(Creator("Byron, Ada"),), date=date(2024, 5, 6)
)  # fmt: skip


def of(identity, doi="", **data):
    stated = None if identity is None else identity.to_json()
    found = citations({"identity": stated, "last": None, **data}, doi)
    return {one.of: one.bibtex for one in found}


def test_the_software_is_that_of_the_citation_file():
    stated = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    entry = of(None)["This software"]
    assert f"title = {{{stated['title']}}}" in entry
    assert f"author = {{{{{stated['authors'][0]['name']}}}}}" in entry
    assert f"version = {{{stated['version']}}}" in entry


def test_a_dataset_has_its_creators_version_and_doi():
    entry = of(PORTRAITS, "10.5281/zenodo.7", release={"version": "2.0.0"})["The dataset"]  # fmt: skip
    stated = ("{Portraits \\& more}", "{Byron, Ada}", "{2.0.0}", "doi = {10.5281/zenodo.7}")  # fmt: skip
    for words in ("@misc{portraits2024,", *stated):
        assert words in entry
    assert "doi" not in of(PORTRAITS)["The dataset"]


def test_twigma_is_cited_beside_its_paper_and_data_without_a_name_is_not():
    found = of(TWIGMA, last="2023-03-31T22:55:07")
    assert list(found) == ["The paper", "The dataset", "This software"]
    assert "@inproceedings{chen2023twigma," in found["The paper"]
    assert "@misc{twigma2023," in found["The dataset"]
    assert list(of(None)) == ["The paper", "This software"]
    assert "The dataset" not in of(replace(PORTRAITS, date=None))


def test_what_a_dataset_asks_for_comes_first_and_is_inert():
    asked = of(replace(PORTRAITS, citation="Cite\n  me\u202e \x07please"))
    assert asked["What the dataset asks to be cited by"] == "Cite\n  me please"
    assert list(asked).index("What the dataset asks to be cited by") == 1


def test_a_doi_is_that_of_the_record_or_of_the_address():
    record = {"release": {"source": "https://zenodo.org/records/8031785"}}
    assert dataset_doi(record) == "10.5281/zenodo.8031785"
    named = {"identity": {"url": "https://doi.org/10.1234/abc"}}
    assert dataset_doi(named) == "10.1234/abc"
    assert dataset_doi({"identity": {"url": "https://arxiv.org/abs/2306.08310"}}) == ""
    assert dataset_doi({"release": {"source": "https://evil.invalid/zenodo.org/records/1"}}) == ""  # fmt: skip


def test_the_newest_publication_counts_and_no_trial_or_draft(tmp_path):
    assert published_doi(tmp_path) == ""
    real = Place("zenodo", "https://zenodo.org", False, "portraits")
    trial = replace(real, server="https://sandbox.zenodo.org", sandbox=True)
    remember(tmp_path, Publication(real, "1.0.0", "1", "10.5281/zenodo.1"))
    remember(tmp_path, Publication(real, "1.1.0", "2", "10.5281/zenodo.2"))
    remember(tmp_path, Publication(trial, "1.2.0", "3", "10.5072/zenodo.3"))
    draft = Publication(real, "1.3.0", "4", "10.5281/zenodo.4", published=False)
    remember(tmp_path, draft)
    assert published_doi(tmp_path) == "10.5281/zenodo.2"
