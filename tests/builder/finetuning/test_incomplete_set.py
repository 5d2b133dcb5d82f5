"""A set of liked images with missing files is made again; a damaged MANIFEST.json is named."""

import pytest
from support import releasing

import twigma
from twigma.builder.finetuning.liked import liked

OPTIONS = {"everything": True, "nsfw_threshold": 1.0}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A working folder of images added by hand; not to be changed."""
    return releasing.make_work(tmp_path_factory.mktemp("own") / "work", local=True)


@pytest.fixture
def made(work, tmp_path):
    liked(work, tmp_path / "liked", **OPTIONS)
    return tmp_path / "liked"


def test_a_set_without_one_picture_is_made_again(work, made):
    before = releasing.contents(made)
    next((made / "train").glob("*.jpg")).unlink()
    with pytest.raises(ValueError, match=r"is incomplete: train/.* `twigma liked`"):
        twigma.read_liked(made)
    liked(work, made, **OPTIONS)
    assert releasing.contents(made) == before


def test_a_file_of_somebody_else_in_an_incomplete_set_stays(work, made):
    next((made / "train").glob("*.jpg")).unlink()
    (made / "train/notes.txt").write_text("years of work")
    with pytest.raises(ValueError, match=r"'train/notes\.txt'.* move it away first"):
        liked(work, made, **OPTIONS)
    assert (made / "train/notes.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", r"its MANIFEST\.json: Expecting value"),
        ("[]", r"its MANIFEST\.json is not ours"),
        ('{"dataset": "twigma-liked"}', r"its MANIFEST\.json is not ours"),
        ('{"dataset": "twigma-liked", "files": []}', r"its MANIFEST\.json is not ours"),
    ],
)
def test_a_damaged_manifest_is_named_and_left(work, made, content, reason):
    (made / "MANIFEST.json").write_text(content)
    expected = f"liked is not a set of liked images \\({reason}"
    with pytest.raises(ValueError, match=expected):
        twigma.read_liked(made)
    with pytest.raises(ValueError, match=expected):
        liked(work, made, **OPTIONS)
    assert (made / "MANIFEST.json").read_text() == content
