"""Two datasets of one owner on the Hub and on Zenodo, published from the same place: nothing of one is in the other."""

import pytest
from support import releasing
from support.invenio import Invenio
from support.two_datasets import PHOTOS, POSTS

from twigma.builder.publish.hub import publish_hub
from twigma.builder.publish.publications import known_doi
from twigma.builder.publish.zenodo import publish_zenodo
from twigma.builder.release.identity import init
from twigma.builder.release.release import release

WORDS = {
    POSTS.name: ("bridge", "Bridge"),
    PHOTOS.name: ("mural", "Mural"),
}


@pytest.fixture
def releases(tmp_path):
    """A release of posts and one of own photographs."""
    folders = {}
    for identity in (POSTS, PHOTOS):
        work = tmp_path / f"work-of-{identity.name}"
        releasing.make_work(work, local=identity is PHOTOS)
        (work / "dataset.toml").unlink()
        init(work, identity)
        folders[identity.name] = tmp_path / identity.name
        release(work, folders[identity.name])
    return folders


def published_texts(record):
    """All that a reader of a record sees: what Zenodo says of it, and its files that are text."""
    texts = [str(record["metadata"])]
    for name, data in record["content"].items():
        if not name.endswith(".parquet"):
            texts.append(data.decode())
    return "\n".join(texts)


def test_on_zenodo_each_has_a_record_of_its_own(releases, tmp_path):
    work = tmp_path / "publishing"
    with Invenio() as zenodo:
        to = {"url": zenodo.url, "token": zenodo.token, "go": True}
        deposits = {}
        for name, folder in releases.items():
            deposits[name] = publish_zenodo(folder, work, **to)
        again = publish_zenodo(releases[POSTS.name], work, **to)
        assert again.record == deposits[POSTS.name].record and not again.changes
        assert len(zenodo.records) == 2
        for identity in (POSTS, PHOTOS):
            record = zenodo.records[deposits[identity.name].record]
            assert record["metadata"]["title"] == identity.title
            require_apart(identity.name, published_texts(record))


def test_on_the_hub_a_card_names_the_doi_of_its_own_dataset(releases, hub, tmp_path):
    work = tmp_path / "publishing"
    to = {"endpoint": hub.url, "token": hub.token, "go": True}
    with Invenio() as zenodo:
        doi = publish_zenodo(
            releases[PHOTOS.name], work, url=zenodo.url, token=zenodo.token, go=True
        ).doi
    for name, folder in releases.items():
        publish_hub(folder, f"acme/{name}", work=work, **to)
    for name in releases:
        files = hub.repos[f"acme/{name}"].commits[-1][1]
        texts = [
            files[path].decode() for path in files if not path.endswith(".parquet")
        ]
        require_apart(name, "\n".join(texts))
        assert (doi in files["README.md"].decode()) is (name == PHOTOS.name)
    assert known_doi(work, PHOTOS.name, "1.0.0") == doi
    assert known_doi(work, POSTS.name, "1.0.0") == ""


def require_apart(name, text):
    """The words of a dataset are there, and those of the other are not."""
    (other,) = set(WORDS) - {name}
    assert any(word in text for word in WORDS[name])
    assert [word for word in WORDS[other] if word in text] == []
