"""The planted number of groups is found; scores are scikit-learn's; diffuse rows are called unstable."""

import numpy as np
import pyarrow.csv as pa_csv
import pytest
from click.testing import CliRunner
from sklearn.metrics import silhouette_score
from support.staging import (
    encode,
    make_images,
    make_shard,
    pixels,
    planted,
    units,
    write_embeddings,
)

from twigma.builder.clusters import choose_k as stage
from twigma.builder.stages.dedupe import dedupe
from twigma.cli import main
from twigma.core.workspace import Workspace


def make_work(folder, rows):
    names = [str(i) for i in range(len(rows))]
    write_embeddings(folder, rows, names)
    make_images(folder, [(name, name, i) for i, name in enumerate(names)])
    make_shard(folder, "00000", {"0": encode(pixels(0))})
    dedupe(folder)
    return folder


def test_the_planted_number_has_the_best_silhouette_and_is_stable(tmp_path):
    rows, group = planted(np.random.default_rng(0), 300, groups=4)
    work = make_work(tmp_path, rows)
    done = CliRunner().invoke(
        main, ["choose-k", "3", "4", "6", "4", "--work", str(work)]
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith(
        "of the stable ones 4 has the best silhouette: twigma cluster --clusters 4\n"
    )
    table = pa_csv.read_csv(Workspace(work).choose_k_file).to_pydict()
    assert table["k"] == [3, 4, 6]
    assert (
        table["stability"][1]
        == table["least_stability"][1]
        == 1
        > table["stability"][2]
        > table["least_stability"][2]
    )
    assert table["silhouette"][1] == pytest.approx(
        silhouette_score(rows.astype(float), group), abs=1e-3
    )
    assert not (work / "columns" / "cluster").exists()


def test_rows_without_groups_are_called_unstable(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "FIT_ROWS", 120)
    monkeypatch.setattr(stage, "JUDGED", 100)
    work = make_work(tmp_path, units(np.random.default_rng(1), 200))
    table = stage.choose_k(work, [5])
    assert stage.best_k(table) is None and table["stability"][0].as_py() < 0.5
    assert (
        "none is stable"
        in CliRunner().invoke(main, ["choose-k", "5", "--work", str(work)]).output
    )


def test_numbers_that_cannot_be(tmp_path):
    work = make_work(tmp_path, units(np.random.default_rng(2), 20))
    with pytest.raises(
        ValueError,
        match=r"below 20, the distinct images that are fitted, found \[1, 20\]",
    ):
        stage.choose_k(work, [1, 5, 20])
    done = CliRunner().invoke(main, ["choose-k", "--work", str(work), "5,8"])
    assert done.exit_code == 2 and "'5,8' is not a valid integer" in done.output
