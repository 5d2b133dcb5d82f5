"""README.md of a fine-tuning set: the words that are read, and that its commands name what is there."""

import re

import pytest
import yaml

from twigma.builder.finetuning.recipes import Facts, write_recipes
from twigma.builder.finetuning.settings import Settings
from twigma.builder.finetuning.share_table import Stratum
from twigma.builder.finetuning.trainer_files import TrainingImage

STRATUM = Stratum("1", 0, 120, "2022", 40, 3, 1, 4, 3)


def readme(
    folder,
    settings=None,
    *,
    uneven="",
    split_warning="",
    splits=("train",),
    stratum=STRATUM,
):
    images = []
    for split in splits:
        (folder / split).mkdir()
        images.append(TrainingImage(split, split, "words", 3, f"{split}.jpg", 24, 16))
    settings = settings or Settings()
    strata = [] if settings.everything else [stratum]
    facts = Facts("my set", "abc", strata, uneven, split_warning)
    write_recipes(folder, images, settings, facts)
    return (folder / "README.md").read_text()


def test_what_a_set_of_liked_images_says(tmp_path):
    text = readme(tmp_path, Settings(quantile=0.75, per_author=3))
    assert "# Liked images, for fine-tuning\n\n1 images: 1 in train.\n" in text
    words = " ".join(text.split())
    assert "in the top 25 % of posts with as many followers at about the same" in words
    assert (
        "at most 3 of an author. None is without likes. Captions are BLIP's." in words
    )
    assert "| 0 to 120 | 4 of 40 | 10.0% |" in text
    assert "It is not level" not in text
    assert "follow each other in time. `MANIFEST.json`" in words
    assert max(map(len, text.splitlines())) <= 120


def test_what_is_not_as_asked_for_is_said(tmp_path):
    text = readme(tmp_path, uneven="chosen is X", split_warning="all are in train")
    assert "It is not level: chosen is X.\n" in text
    assert "follow each other in time; all are in train. `MANIFEST.json`" in text


@pytest.mark.parametrize(
    ("captions", "sentence"),
    [
        ("caption", "Captions are BLIP's."),
        ("prompt", "Captions are the prompts that the images were made with."),
        ("text", "Captions are the texts that were beside the images or in their"),
    ],
)
def test_where_captions_come_from(captions, sentence, tmp_path):
    settings = Settings(everything=True, captions=captions, trigger="sks")
    words = " ".join(readme(tmp_path, settings).split())
    assert sentence in words and 'Each begins with "sks".' in words
    assert "# Images for fine-tuning" in words and "liked --all` leave." in words


def test_every_path_of_the_recipes_is_a_file_of_the_set(tmp_path):
    text = readme(tmp_path, Settings(resolution=512, repeats=2))
    named = set(re.findall(r"my set/([\w./]+)", text))
    assert named == {"train", "kohya.toml", "kohya.jsonl"}
    assert (tmp_path / "kohya.toml").exists()
    assert " --train_data_dir 'my set/train' " in text
    assert " --config_file 'my set/kohya.toml' " in text
    assert " --in_json 'my set/kohya.jsonl' " in text
    assert "buckets around 512 px and repeats every image twice" in text
    assert "resolution: [512]" in text and "num_repeats: 2" in text


def test_the_headers_list_the_files_from_where_they_are(tmp_path):
    text = readme(tmp_path, splits=("train", "test"))
    header = yaml.safe_load(text.split("---\n")[1])
    files = header["configs"][0]["data_files"]
    assert [each["split"] for each in files] == ["train", "test"]
    assert files[1]["path"][:2] == ["test/metadata.parquet", "test/*.jpg"]
    own = yaml.safe_load((tmp_path / "test/README.md").read_text().split("---\n")[1])
    assert own["configs"][0]["data_files"][0]["path"][0] == "metadata.parquet"


@pytest.mark.parametrize(
    ("stratum", "sentence", "groups"),
    [
        (
            Stratum("unknown", None, None, "2022", 40, 3, 1, 4, 3),
            "posts at about the same time, at most 10 of an author. None is without likes. Followers are not known, ",
            ", by the year",
        ),
        (
            Stratum("1", 0, 120, "unknown", 40, 3, 1, 4, 3),
            "posts with as many followers, at most 10 of an author. None is without likes. Dates are not known, ",
            ", by the number of followers",
        ),
        (
            Stratum("unknown", None, None, "unknown", 40, 3, 1, 4, 3),
            "all others, at most 10 of an author. None is without likes. Neither followers nor dates are known, ",
            "",
        ),
    ],
)
def test_what_is_not_known_of_the_posts_is_not_claimed(
    stratum, sentence, groups, tmp_path
):
    text = readme(tmp_path, stratum=stratum)
    assert f"in the top 10 % of {sentence}" in " ".join(text.split())
    assert f"Chosen of all compared images{groups}:\n" in text
