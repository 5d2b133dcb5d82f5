"""The table of known sets is whole: an origin, a licence and a size for each, and a kind that can be taken in."""

import pytest

from twigma.analysis.inputs.reference_sets import ROLES
from twigma.builder.references.catalogue import TABLE
from twigma.builder.references.sources import REPO


@pytest.mark.parametrize("known", TABLE.values(), ids=list(TABLE))
def test_an_entry_is_whole(known):
    assert (
        known.use
        and known.licence
        and known.download
        and known.origin.startswith("https://")
    )
    assert bool(known.repo) != bool(known.url)
    assert not known.repo or REPO.fullmatch(known.repo)
    assert known.kind in ("images", "embeddings", "texts")
    assert (known.model is not None) == (known.kind == "embeddings")


def test_the_paper_s_roles_are_played():
    assert sorted(known.role for known in TABLE.values() if known.role) == sorted(ROLES)
