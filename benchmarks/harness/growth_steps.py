"""The steps that `benchmarks/growth.py` measures, each a `twigma` command or some Python; alone it does nothing.

In braces are `folder`, and in it `work`, `release`, `archive` and `ids`. A step may need what those before it wrote.
"""

LOAD = """
import os
os.environ |= {{"HF_HOME": "{folder}/hf", "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}}
import datasets, twigma
rows = datasets.load_dataset("twigma", data_dir="{release}", split="train")
print(len(rows), rows[len(rows) // 2])
"""
OPEN = """
import twigma
release = twigma.open_release("{release}")
print(len(release), sum(release.metadata["like_count"].to_numpy()))
"""
EXPLORE_WORK = """
from pathlib import Path
from twigma.analysis.explorer.page import read_explorer
from twigma.analysis.explorer.server import ExplorerServer
server = ExplorerServer(read_explorer(Path("{release}")), "{work}")
print(len(server.page.body), server.not_embedded)
server.server_close()
"""
DEDUPE = """
from twigma.builder.stages.dedupe import dedupe
print(dedupe("{work}", near=None))
"""
# The clusters and the map of a hundred thousand other images: what `assign` does grows with the images it places.
FIT = """
import shutil
from pathlib import Path
from benchmarks.harness.large_folder import write_folder
from twigma.builder.clusters.cluster import cluster
others = Path("{folder}/fitted")
write_folder(others, 100_000, embeddings=True)
cluster(others)
shutil.copytree(others / "models", "{work}/models", dirs_exist_ok=True)
"""
# No image has a place any more: all of them are placed.
ASSIGN = """
from pathlib import Path
from twigma.builder.clusters.assign import assign_new_images
Path("{work}/columns/cluster/all.arrow").unlink()
print(assign_new_images("{work}"))
"""
# The pictures of the folder were freed, so no set can be written: its images are chosen.
LIKED = """
from twigma.builder.finetuning.liked import choose_images
from twigma.builder.finetuning.settings import Settings
from twigma.core.workspace import Workspace
chosen = choose_images(Workspace("{work}"), Settings(), acknowledge_x_terms=True)
print(chosen.splits, chosen.dropped)
"""
REMOVALS = """
import pyarrow.parquet as pq
from twigma.builder.removals.removals import removals
posts = pq.read_table("{work}/images.parquet", columns=["id"])["id"]
receipt = removals("{work}", [posts[row].as_py() for row in range(0, len(posts), len(posts) // 10)])
print(receipt.posts, receipt.images, receipt.changed)
"""
# Of a folder without embeddings.
ROWS = {
    "status": "twigma status --work {work}",
    "release": "twigma release --work {work} --out {release} --without embed",
    "load_dataset": LOAD,
    "open_release": OPEN,
    "analyze": "twigma analyze {release} --work {work} --out {folder}/report",
    "explore": "twigma explore {release} --out {folder}/explorer.html",
    "explore --work until ready": EXPLORE_WORK,
    "sheets": "twigma sheets {release} --out {folder}/sheets",
    "sheets --for": "twigma sheets {release} --for nsfw_score --work {work} --out {folder}/labels",
}
# Of one with embeddings.
EMBEDDINGS = {
    "nsfw": "twigma nsfw --work {work}",
    "dedupe without near": DEDUPE,
    "dedupe": "twigma dedupe --work {work}",
    "choose liked images": LIKED,
    "cluster": "twigma cluster --work {work}",
    "fit of others": FIT,
    "assign": ASSIGN,
    "release of embeddings": "twigma release --work {work} --out {release}",
    "removals": REMOVALS,
}
# Of an archive of posts, and of a list of their ids.
POSTS = {
    "ids": "twigma ids {ids}",
    "rehydrate --dry-run": "twigma rehydrate --ids {ids} --dry-run --work {folder}/planned",
    "import": "twigma import {archive} --work {work}",
    "status of posts": "twigma status --work {work}",
    "images table again": "twigma import {archive} --work {work}",
}
