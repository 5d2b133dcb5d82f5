"""What OneTrainer's modules read of a folder, as one line of JSON: each picture and its prompt.

The modules and their settings are those of its DataLoaderText2ImageMixin, with subfolders off as by default.
"""

import json
import sys
from pathlib import Path

import torch
from mgds.MGDS import MGDS
from mgds.OutputPipelineModule import OutputPipelineModule
from mgds.PipelineModule import PipelineState
from mgds.pipelineModules.CollectPaths import CollectPaths
from mgds.pipelineModules.LoadMultipleTexts import LoadMultipleTexts
from mgds.pipelineModules.ModifyPath import ModifyPath
from mgds.pipelineModules.SelectRandomText import SelectRandomText

SUFFIXES = {".bmp", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".avif"}
modules = [
    CollectPaths(
        "concept",
        "path",
        "concept.include_subdirectories",
        "enabled",
        "image_path",
        "concept",
        SUFFIXES,
        None,
        ["-masklabel", "-condlabel"],
    ),
    ModifyPath("image_path", "prompt_path", "", ".txt"),
    LoadMultipleTexts("prompt_path", "texts"),
    SelectRandomText("texts", "prompt"),
    OutputPipelineModule(["image_path", "prompt"]),
]
concept = {
    "name": "liked",
    "path": sys.argv[1],
    "enabled": True,
    "include_subdirectories": False,
    "seed": 0,
}
dataset = MGDS(
    torch.device("cpu"), [concept], {}, [modules], 1, PipelineState(), seed=0
)
dataset.start_next_epoch()
print(json.dumps({Path(row["image_path"]).name: row["prompt"] for row in dataset}))
