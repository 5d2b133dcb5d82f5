"""A release of chosen images: its rows, what it says it is part of, and what it does not replace."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from support import releasing

import twigma
from twigma.builder.release.identity import identity_of_release
from twigma.builder.release.release import release
from twigma.cli import main
from twigma.dataset.opened_release import open_release
from twigma.dataset.selections import release_hash

# Of `made`: 26 images are released; 9 repeats 1 exactly.
CHOSEN = [1, 2, 4, 9, 20]
RELEASED = [1, 2, 4, 20]


@pytest.fixture
def select(tmp_path):
    path = tmp_path / "castles.txt"
    path.write_text("\n".join(map(releasing.media_id, CHOSEN)))
    return path


@pytest.fixture
def castles(made, select, tmp_path):
    release(made / "work", tmp_path / "castles", select=select)
    return tmp_path / "castles"


def manifest(folder):
    return json.loads((folder / "MANIFEST.json").read_text("utf-8"))


def test_it_holds_the_chosen_images_and_counts_the_others(made, castles):
    rows = releasing.read(castles)
    assert rows["image_name"].to_pylist() == list(map(releasing.media_id, RELEASED))
    counts = manifest(castles)["counts"]
    assert (counts["released"], counts["embeddings"]) == (4, 4)
    whole = manifest(made / "twigma")["counts"]["dropped"]
    assert counts["dropped"] == whole | {"not selected": 22}
    vectors = open_release(castles).embeddings["embedding"].to_pylist()
    names = open_release(made / "twigma").metadata["image_name"].to_pylist()
    places = [names.index(releasing.media_id(i)) for i in RELEASED]
    all_vectors = open_release(made / "twigma").embeddings["embedding"].to_pylist()
    assert np.array_equal(vectors, [all_vectors[place] for place in places])


def test_card_manifest_and_croissant_say_of_what_it_is_a_selection(castles):
    part = manifest(castles)["selection"]
    assert (part["images"], part["of"]) == (4, 26)
    assert part["dataset"] == "Pictures of one colour"
    sentence = "They are a selection, made by hand, of the 26 images of Pictures of one colour that could be released."
    card = (castles / "README.md").read_text("utf-8")
    assert "# Pictures of one colour: a selection\n" in card
    assert card.count(sentence) == 2  # in the summary and among the limits
    assert "| left out: not selected | -22 |" in card
    assert sentence in (castles / "croissant.json").read_text("utf-8")
    identity = identity_of_release(castles)
    assert identity.name == "one-colour-selection"


def test_a_whole_release_says_nothing_of_a_selection(made):
    assert "selection" not in manifest(made / "twigma")
    assert "selection" not in (made / "twigma" / "README.md").read_text("utf-8")


def test_it_loads_as_any_release(castles):
    loaded = twigma.load_dataset(data_dir=str(castles), split="train")
    assert loaded["image_name"][:] == list(map(releasing.media_id, RELEASED))


def test_an_equal_selection_is_up_to_date_and_another_is_not(made, castles, tmp_path):
    again = tmp_path / "again.csv"
    names = [releasing.media_id(i) for i in reversed(CHOSEN)]
    again.write_text("image_name\n" + "\n".join([*names, names[0]]), "utf-8-sig")
    assert not release(made / "work", castles, select=again).written
    again.write_text("\n".join(names[:2]))
    assert release(made / "work", castles, select=again).released == 1


def test_whole_and_chosen_replace_one_another_in_no_folder(made, castles, select):
    with pytest.raises(
        ValueError,
        match=r"holds a release of chosen images, which a whole one does not replace.*--out",
    ):
        release(made / "work", castles)
    with pytest.raises(
        ValueError,
        match=r"holds a whole release, which one of chosen images does not replace.*--out",
    ):
        release(made / "work", made / "twigma", select=select)


def test_rows_of_the_explorer_are_those_of_the_release_here(here, made):
    opened = open_release(made / "twigma")
    names = opened.metadata["image_name"].to_pylist()
    rows = [names.index(releasing.media_id(i)) for i in (2, 4)]
    saved = {"format": "twigma selection", "rows": rows}
    saved["release"] = release_hash(opened)
    (here / "saved.json").write_text(json.dumps(saved))
    words = ["release", "--select", "saved.json", "--out", "castles"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "saved.json: 2 images of work chosen" in done.stderr
    assert "not selected" in done.stdout
    assert manifest(here / "castles")["selection"]["release"] == release_hash(opened)
    # Of another release, rows are other images.
    (here / "saved.json").write_text(json.dumps(saved | {"release": "0" * 64}))
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 1 and "another release than" in refused.stderr


def test_what_was_removed_since_is_dropped_and_counted(work, select, tmp_path, capsys):
    releasing.remove(work, releasing.media_id(4))
    counts = release(work, tmp_path / "castles", select=select)
    assert counts.released == 3
    assert counts.dropped["removed on request"] == 1
    # Still in the table, as after a removal that was interrupted.
    assert releasing.media_id(4) not in (tmp_path / "castles/README.md").read_text()


def test_a_selection_of_removed_images_alone_is_refused(work, tmp_path):
    from twigma.builder.removals.removals import removals

    removals(work, [releasing.media_id(4)])
    (tmp_path / "mine.txt").write_text(releasing.media_id(4))
    with pytest.raises(ValueError, match="all 1 that it names were removed on request"):
        release(work, tmp_path / "castles", select=tmp_path / "mine.txt")
    assert not (tmp_path / "castles").exists()


def test_a_folder_without_images_is_said(tmp_path, select):
    with pytest.raises(FileNotFoundError, match="has no images to select from"):
        release(tmp_path / "nowhere", tmp_path / "castles", select=select)
