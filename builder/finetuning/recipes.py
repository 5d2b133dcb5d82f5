"""README.md and kohya.toml of a fine-tuning set: how each trainer is given its folder, from anywhere.

No file holds a path of this machine, so the folder may be moved.
"""

import shlex
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twigma.builder.finetuning.comparison_cells import name_peers
from twigma.builder.finetuning.settings import Settings
from twigma.builder.finetuning.share_table import (
    Stratum,
    have_dates,
    have_followers,
    markdown_table,
    unknown_sentence,
)
from twigma.builder.finetuning.splits import RULE, SPLITS
from twigma.builder.finetuning.trainer_files import TRAINED_ON, TrainingImage
from twigma.dataset.liked_rows import LIST

# `datasets` distinguishes sets by this header alone, hence the content.
HEADER = """---
license: other
configs:
- config_name: default
  description: content {content}
  data_files:
{data_files}
---
"""
README = """# {title}

{counts}

{about}

In these lines `{name}` is the path of this folder, from wherever you are:

    accelerate launch train_text_to_image_lora.py --train_data_dir {train} \\
      --resolution {resolution} ...                                              # diffusers
    accelerate launch sdxl_train_network.py --config_file {toml} \\
      --train_data_dir {train} --in_json {jsonl} ...       # sd-scripts 0.10 or later
    load_dataset("./{name}")                                                     # datasets

- OneTrainer: a concept with the path `{name}/train` and the prompt source "From text file per sample".
- ai-toolkit: `folder_path: {name}/train`, `caption_ext: txt`, `resolution: [{resolution}]`, `num_repeats: {repeats}`.

`kohya.toml` turns on buckets around {resolution} px and repeats every image {times}.

{splits} `MANIFEST.json` has the settings and the SHA-256 of every file.
"""
SHARES = """
## Was the comparison fair?

Chosen of all compared images{groups}:

{table}
{uneven}"""
SPLIT_README = """# {title}: {split}

{count:,} images; the folder above has the recipes.
"""
KOHYA = """# Arguments of sd-scripts, without any path:
#   --config_file kohya.toml --train_data_dir train --in_json kohya.jsonl
resolution = "{resolution},{resolution}"
enable_bucket = true
min_bucket_reso = {fewest}
max_bucket_reso = {most}
bucket_reso_steps = 64
dataset_repeats = {repeats}
"""
LIKED = "Liked images, for fine-tuning"
RIGHTS = "The images belong to the people who made them: this folder is for your own use, not for publication."
WIDTH = 100  # characters of a line of README.md
TIMES = {1: "once", 2: "twice"}
EVERYTHING = "Images for fine-tuning"
BY_HAND = (
    "Only images that somebody selected by hand (`--select`) were compared and taken."
)
CAPTIONS = {
    "caption": "Captions are BLIP's.",
    "prompt": "Captions are the prompts that the images were made with.",
    "text": "Captions are the texts that were beside the images or in their posts.",
}


@dataclass(frozen=True)
class Facts:
    """What is said of a set beside its images: its name, what names its content, and how it was selected and split."""

    name: str
    content: str
    strata: Sequence[Stratum]
    uneven: str  # "" where the share is level
    split_warning: str
    split_rule: str = RULE
    selected: bool = False  # only images that a file selects


def write_recipes(
    folder: Path, images: Sequence[TrainingImage], settings: Settings, facts: Facts
) -> None:
    """Write README.md, one in every split that has images, and kohya.toml."""
    counts = Counter(image.split for image in images)
    present = [split for split in SPLITS if counts[split]]
    readme = _header(facts.content, present) + _readme(settings, counts, facts)
    (folder / "README.md").write_text(readme, "utf-8")
    for split in present:
        text = SPLIT_README.format(
            title=_title(settings), split=split, count=counts[split]
        )
        header = _header(facts.content, [split], inside=True)
        (folder / split / "README.md").write_text(header + text, "utf-8")
    kohya = KOHYA.format(
        resolution=settings.resolution,
        fewest=settings.resolution // 4,
        most=settings.resolution * 2,
        repeats=settings.repeats,
    )
    (folder / "kohya.toml").write_text(kohya, "utf-8")


def _header(content: str, splits: Sequence[str], inside: bool = False) -> str:
    """The YAML header, which lists the files of the splits; of a README `inside` the folder of its split, or above."""
    lines = []
    for split in splits:
        place = "" if inside else f"{split}/"
        lines.append(f"  - split: {split}")
        lines.append("    path:")
        lines.append(f'    - "{place}{LIST}"')
        for format in TRAINED_ON:
            lines.append(f'    - "{place}*.{format}"')
    return HEADER.format(content=content, data_files="\n".join(lines))


def _readme(settings: Settings, counts: Mapping[str, int], facts: Facts) -> str:
    listed = [f"{counts[split]:,} in {split}" for split in SPLITS if counts[split]]
    text = README.format(
        title=_title(settings),
        counts=f"{sum(counts.values()):,} images: {', '.join(listed)}.",
        about=_about(settings, facts),
        name=facts.name,
        train=shlex.quote(f"{facts.name}/train"),
        toml=shlex.quote(f"{facts.name}/kohya.toml"),
        jsonl=shlex.quote(f"{facts.name}/kohya.jsonl"),
        resolution=settings.resolution,
        repeats=settings.repeats,
        times=TIMES.get(settings.repeats, f"{settings.repeats:,} times"),
        splits=_about_splits(facts),
    )
    if facts.strata:
        uneven = f"\nIt is not level: {facts.uneven}.\n" if facts.uneven else ""
        table = markdown_table(facts.strata)
        groups = _groups(facts.strata)
        text += SHARES.format(groups=groups, table=table, uneven=uneven)
    return text


def _groups(strata: Sequence[Stratum]) -> str:
    """What the rows and columns of the table are, as far as it is known."""
    known = []
    if have_followers(strata):
        known.append("the number of followers")
    if have_dates(strata):
        known.append("the year")
    return f", by {' and '.join(known)}" if known else ""


def _title(settings: Settings) -> str:
    return EVERYTHING if settings.everything else LIKED


def _about(settings: Settings, facts: Facts) -> str:
    """The paragraph on selection, captions and rights."""
    selection = _selection(settings, facts.strata)
    sentences = [selection, CAPTIONS[settings.captions]]
    if facts.selected:
        sentences.insert(1, BY_HAND)
    if settings.trigger:
        sentences.append(f'Each begins with "{settings.trigger}".')
    sentences.append(RIGHTS)
    return textwrap.fill(" ".join(sentences), WIDTH)


def _selection(settings: Settings, strata: Sequence[Stratum]) -> str:
    if settings.everything:
        return "All images that the filters of `twigma liked --all` leave."
    top = f"{100 * (1 - settings.quantile):.3g} %"
    peers = name_peers(have_followers(strata), have_dates(strata))
    text = (
        f"Images whose likes are in the top {top} of {peers}, at most {settings.per_author:,} of an author. "
        "None is without likes."
    )
    unknown = unknown_sentence(strata)
    if unknown:
        text += f" {unknown[0].upper()}{unknown[1:]}."
    return text


def _about_splits(facts: Facts) -> str:
    text = facts.split_rule
    if facts.split_warning:
        text += f"; {facts.split_warning}"
    return f"{text}."
