"""The table by image: the numbers of Fig 2d and Eq (1) again from it, and no .csv of very many rows."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from twigma.analysis.analyze import MOST_CSV_ROWS, write_long_table, write_table
from twigma.analysis.figures.beyond_paper import per_image
from twigma.analysis.inputs.load import load
from twigma.analysis.inputs.requirements import Settings
from twigma.analysis.likes.eq1 import eq1


def test_eq_1_can_be_fitted_again_from_it(analysed, planted):
    table = pd.read_parquet(analysed.out / "results" / "per_image.parquet")
    assert len(table) == len(planted.names)
    assert not table.duplicated(["image_name", "id"]).any()
    likes = planted.rows.select(["image_name", "id", "like_count"]).to_pandas()
    private = pq.read_table(planted.work / "images.parquet").to_pandas()
    joined = table.merge(likes, on=["image_name", "id"], validate="one_to_one")
    private = private[["image_name", "author_id", "follower_count"]]
    joined = joined.merge(private, on="image_name", validate="one_to_one")
    for role in ("photographs", "paintings"):
        found = eq1(joined, quintile=f"quintile_{role}", cluster="author_id")
        ours = pd.read_parquet(analysed.out / "results" / f"eq1_{role}.parquet")
        ours = ours[ours["mode"] == "robust"]
        for column in ("irr", "low", "high"):
            np.testing.assert_allclose(found[column], ours[column])


def test_similarity_nearest_month_and_cluster_are_those_of_the_images(
    analysed, planted
):
    table = pd.read_parquet(analysed.out / "results" / "per_image.parquet")
    table = table.set_index("image_name").loc[planted.names]
    ours, paintings = (
        vectors.astype(np.float16).astype(np.float64)
        for vectors in (planted.vectors, planted.sets["paintings"])
    )
    ours, paintings = (
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        for vectors in (ours, paintings)
    )
    cosines = ours @ paintings.T
    top = np.sort(cosines, axis=1)[:, -5:].mean(axis=1)
    np.testing.assert_allclose(table["similarity_paintings"], top, atol=1e-6)
    np.testing.assert_allclose(
        table["nearest_similarity_paintings"], cosines.max(axis=1), atol=1e-6
    )
    names = (1001 + cosines.argmax(axis=1)).astype(str)
    assert (table["nearest_paintings"] == names).mean() > 0.999
    rows = planted.rows.to_pandas().set_index("image_name").loc[planted.names]
    assert (table["month"] == rows["created_at"].dt.strftime("%Y-%m")).all()
    assert (table["cluster"] == rows["label_10_cluster"]).all()
    assert not {"author_id", "follower_count", "text"} & set(table)


def test_very_many_rows_have_no_csv(tmp_path):
    write_table(tmp_path / "few", pd.DataFrame({"n": range(MOST_CSV_ROWS)}))
    write_table(tmp_path / "many", pd.DataFrame({"n": range(MOST_CSV_ROWS + 1)}))
    assert {path.name for path in tmp_path.iterdir()} == {
        "few.csv", "few.parquet", "many.parquet"
    }  # fmt: skip


def test_blocks_of_any_size_are_one_table(analysed, planted, monkeypatch, tmp_path):
    """What the report has of one block, again in blocks of 100 rows."""
    data = load(planted.release, planted.work, planted.references)
    monkeypatch.setattr(per_image, "BLOCK", 100)
    result = per_image.compute_per_image(data, Settings())
    write_long_table(tmp_path / "per_image", result.long["per_image"])
    path = tmp_path / "per_image.parquet"
    assert pq.read_metadata(path).num_row_groups == -(-result.n // 100)
    written = pd.read_parquet(analysed.out / "results" / "per_image.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(path), written)
    as_text = pd.read_csv(tmp_path / "per_image.csv")
    assert list(as_text) == list(written) and len(as_text) == result.n
