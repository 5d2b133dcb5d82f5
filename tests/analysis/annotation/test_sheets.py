"""The sample has the chances that the key states, and filled sheets come back with them; nothing is guessed."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

from twigma.analysis.annotation import labelled_images, read_answers
from twigma.analysis.annotation.draw_sheets import draw_sheets
from twigma.analysis.annotation.read_labels import distinct_images
from twigma.analysis.inputs import load
from twigma.analysis.measurement import labels_needed, residual_variance, share
from twigma.cli import main
from twigma.core.files import read_parquet, write_parquet

from .conftest import EVIL, N, fill


def key_of(folder):
    return pd.read_csv(folder / "key.csv", dtype={"item": str, "image_name": str})


def yes_or_no(value, item):
    return "1" if value else "2"


def test_the_key_states_the_chances_and_the_sheets_no_scores(planted, sheets):
    key = key_of(sheets)
    assert len(key) == 120 and key["image_name"].is_unique
    score = pd.Series(planted.score)
    for stratum, rows in key.groupby("stratum"):
        scores = score[rows["image_name"]]
        between = score[(score >= scores.min()) & (score <= scores.max())]
        # The stratum may reach a little beyond the scores drawn.
        assert len(rows) / len(between) >= rows["probability"].iloc[0] - 1e-9, stratum
    assert np.isclose((1 / key["probability"]).sum(), N, atol=1e-6)
    sheet = pd.read_csv(sheets / "annotator-1.csv", dtype=str)
    assert list(sheet) == ["item", "image_name", "id", "label"]
    assert sheet["label"].isna().all()
    other = pd.read_csv(sheets / "annotator-2.csv", dtype=str)
    assert sheet["item"].tolist() != other["item"].tolist()
    assert set(sheet["item"]) == set(other["item"]) == set(key["item"])
    about = json.loads((sheets / "measurement.json").read_text())
    assert about["column"] == "nsfw_score" and about["images"] == N
    assert about["blur"] and "safe for work" in about["question"]


def test_filled_sheets_come_back_through_a_spreadsheet(planted, sheets):
    fill(sheets, 1, yes_or_no, planted.truth)
    answers = read_answers(sheets)
    assert len(answers.images) == answers.drawn == 120
    found = answers.images.set_index("image_name")
    assert all(planted.truth[name] == label for name, label in found["label"].items())
    key = key_of(sheets).set_index("image_name")["probability"]
    assert np.allclose(found["probability"], key[found.index])
    data = labelled_images(answers, distinct_images(planted.rows, "nsfw_score"))
    table = share(data).set_index("estimator")
    corrected, naive = table.loc["corrected"], table.loc["model alone"]
    assert corrected["low"] < planted.share < corrected["high"]
    flags = np.mean([score > 0.5 for score in planted.score.values()])
    assert naive["value"] == pytest.approx(flags)


def test_two_annotators_part_of_the_images_and_those_nobody_can_tell(planted, sheets):
    fill(sheets, 1, yes_or_no, planted.truth)
    items = [str(i) for i in range(1, 121)]
    unsure, wrong, open_ = items[:3], items[3:9], items[60:]

    def second(value, item):
        if item in unsure:
            return "0"
        if item in open_:
            return ""
        return yes_or_no(value != (item in wrong), item)

    fill(sheets, 2, second, planted.truth)
    answers = read_answers(sheets)
    assert answers.unsure == 3
    names = key_of(sheets).set_index("item")["image_name"]
    labels = answers.images.set_index("image_name")["label"]
    assert set(labels[names[wrong]]) == {0.5}
    assert answers.labels["1"].notna().sum() == 120
    assert answers.labels["2"].notna().sum() == 57


def test_images_without_an_author_are_each_by_another(planted, sheets):
    fill(sheets, 1, yes_or_no, planted.truth)
    rows = distinct_images(planted.rows, "nsfw_score")
    rows["author_id"] = [str(i % 9) if i % 3 else None for i in range(len(rows))]
    data = labelled_images(read_answers(sheets), rows)
    alone = rows["author_id"].isna().sum()
    assert len(np.unique(data.author_codes)) == rows["author_id"].nunique() + alone


def test_unlabelled_images_lower_the_chance_of_their_stratum(planted, sheets):
    key = key_of(sheets).set_index("item")
    fill(sheets, 1, lambda value, item: "" if int(item) % 3 else "1", planted.truth)
    found = read_answers(sheets).images.set_index("image_name")["probability"]
    for _, rows in key.groupby("stratum"):
        labelled = [name for name in rows["image_name"] if name in found.index]
        expected = rows["probability"].iloc[0] * len(labelled) / len(rows)
        assert np.allclose(found[labelled], expected)
    assert np.isclose((1 / found).sum(), N)


def test_a_stratum_without_labels_is_refused(planted, sheets):
    strata = key_of(sheets).set_index("item")["stratum"]
    fill(
        sheets,
        1,
        lambda value, item: "1" if strata[item] < strata.max() else "",
        planted.truth,
    )
    with pytest.raises(
        ValueError, match=f"every stratum, found none of {strata.max()}"
    ):
        read_answers(sheets)


def test_what_is_no_sheet_of_ours_is_named_with_its_line(planted, sheets):
    with pytest.raises(ValueError, match=r"no image .* is labelled: `twigma label"):
        read_answers(sheets)
    with pytest.raises(FileNotFoundError, match="twigma sheets --for COLUMN"):
        read_answers(sheets / "nowhere")
    path = sheets / "annotator-1.csv"
    path.write_text("item,label\n1,1\n2,maybe\n")
    with pytest.raises(
        ValueError, match=r"annotator-1.csv, line 3.*cannot tell.*'maybe'"
    ):
        read_answers(sheets)
    path.write_text("item,label\n1,1\n1,2\n")
    with pytest.raises(ValueError, match=r"line 3.*each item of key.csv at most once"):
        read_answers(sheets)
    key = (sheets / "key.csv").read_text().replace("0.", "7.")
    (sheets / "key.csv").write_text(key)
    with pytest.raises(ValueError, match=r"key.csv, line .*probability.*from 0 to 1"):
        read_answers(sheets)


def first_rows(planted, folder, n):
    """A release of so many images."""
    rows = read_parquet(planted.release / "metadata-00000.parquet")[:n]
    write_parquet(folder / "metadata-00000.parquet", rows)
    return folder


@pytest.mark.parametrize("n", [2, 5, 9, 10])
def test_an_interval_is_promised_only_where_analyze_gives_one(planted, tmp_path, n):
    """Labelled as well as can be: five of yes, and the rest no."""
    release, out = first_rows(planted, tmp_path / "twigma", n), tmp_path / "labels"
    words = ["sheets", str(release), "--for", "nsfw_score", "--out", str(out)]
    done = CliRunner().invoke(main, [*words, "--annotators", "1"])
    assert done.exit_code == 0, done.output
    promised = "a 95% interval of the share of ±" in done.output
    assert promised != ("a share without an interval" in done.output)
    assert "needs at least 5 answers yes and 5 no" in done.output
    fill(out, 1, lambda value, item: "1" if int(item) <= 5 else "2", planted.truth)
    rows = distinct_images(load.read_rows(release, None), "nsfw_score")
    table = share(labelled_images(read_answers(out), rows))
    limits = table.set_index("estimator")["low"].reindex(["labels alone", "corrected"])
    assert promised == bool(limits.notna().all()) == (n == 10)
    assert promised == bool(limits.notna().any())


def test_the_next_command_names_the_folder_that_was_given(planted, tmp_path):
    out = tmp_path / "my labels"
    words = ["sheets", str(planted.release), "--for", "nsfw_score", "--n", "20"]
    drawn = CliRunner().invoke(main, [*words, "--out", str(out)])
    assert drawn.output.endswith(f"  next: twigma label '{out}' --work WORK\n")
    out = tmp_path / "labels"
    words += ["--work", str(planted.work), "--out", str(out)]
    drawn = CliRunner().invoke(main, words)
    assert drawn.output.endswith(f"  next: twigma label {out} --work {planted.work}\n")


def test_one_image_is_not_drawn(planted, tmp_path):
    one = first_rows(planted, tmp_path / "twigma", 1)
    with pytest.raises(ValueError, match="at least 2 images to label, found 1"):
        draw_sheets(one, tmp_path / "labels", column="nsfw_score")


def test_images_of_two_authors_are_promised_no_interval(tmp_path):
    table = pa.table(
        {
            "image_name": [str(each) for each in range(20)],
            "id": ["1", "2"] * 10,
            "nsfw_score": [0.1, 0.9] * 10,
        }
    )
    write_parquet(tmp_path / "twigma" / "metadata-00000.parquet", table)
    drawn = draw_sheets(tmp_path / "twigma", tmp_path / "out", column="nsfw_score")
    assert (drawn.drawn, drawn.width) == (20, None)


def test_a_width_asks_for_as_many_labels_as_an_interval_needs(planted, tmp_path):
    drawn = draw_sheets(planted.release, tmp_path / "a", column="nsfw_score", width=0.9)
    assert drawn.drawn == 12  # two of each of six strata
    few = first_rows(planted, tmp_path / "few", 7)
    with pytest.raises(
        ValueError, match=r"at least 10 labels, 5 yes and 5 no, and .* 7 images"
    ):
        draw_sheets(few, tmp_path / "b", column="nsfw_score", width=0.9)


def test_the_plan_says_the_width_or_the_number(planted, tmp_path):
    flags = np.mean([score > 0.5 for score in planted.score.values()])
    variance = residual_variance((flags - 0.05) / 0.75, 0.8, 0.05)
    drawn = draw_sheets(planted.release, tmp_path / "a", column="nsfw_score", width=0.2)
    assert drawn.drawn == labels_needed(0.2, variance)
    assert drawn.width <= 0.2
    assert "finds 80% and flags 5%" in drawn.basis and drawn.authors == "id"
    with pytest.raises(ValueError, match=r"needs about .* there are 600 images"):
        draw_sheets(planted.release, tmp_path / "b", column="nsfw_score", width=0.01)
    assert not (tmp_path / "b").exists()


def test_of_fewer_images_than_labels_all_are_drawn(planted, tmp_path, capsys):
    drawn = draw_sheets(planted.release, tmp_path / "a", column="nsfw_score", n=9_999)
    assert drawn.drawn == 600
    assert "has all 600 images, fewer than the 9,999 labels" in capsys.readouterr().err


def test_a_pilot_tells_how_many_labels_are_needed(planted, sheets, tmp_path):
    fill(sheets, 1, yes_or_no, planted.truth)
    rows = distinct_images(planted.rows, "nsfw_score")
    table = share(labelled_images(read_answers(sheets), rows)).set_index("estimator")
    width = table.loc["corrected", "high"] - table.loc["corrected", "low"]
    wanted = width / 1.5
    drawn = draw_sheets(
        planted.release,
        tmp_path / "more",
        column="nsfw_score",
        width=wanted,
        pilot=sheets,
    )
    assert drawn.drawn == pytest.approx(120 * 1.5**2, abs=1)
    assert f"as the 120 labels of {sheets}" in drawn.basis
    with pytest.raises(ValueError, match="a pilot for possibly_sensitive"):
        draw_sheets(
            planted.release,
            tmp_path / "other",
            column="possibly_sensitive",
            pilot=sheets,
        )


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("nowhere", "the column nowhere"),
        ("all_captions", "a score from 0 to 1 or a flag, found all_captions"),
        ("label_10_cluster", "yes or no for label_10_cluster: name it with --question"),
    ],
)
def test_columns_that_cannot_be_measured_are_refused(
    planted, tmp_path, column, message
):
    question = None if column == "label_10_cluster" else "Is it?"
    with pytest.raises(ValueError, match=message):
        draw_sheets(planted.release, tmp_path / "x", column=column, question=question)
    with pytest.raises(ValueError, match=r"found label_10_cluster from 1 to 3"):
        draw_sheets(
            planted.release, tmp_path / "x", column="label_10_cluster", question="?"
        )


def test_a_theme_is_measured_by_whether_an_image_is_in_it(planted, tmp_path):
    """Labels say which of cluster 2 show it, and what of the others: the corrected share is that of the truth."""
    folder = tmp_path / "theme"
    column = "label_10_cluster=2"
    draw_sheets(
        planted.release, folder, column=column, n=300, annotators=1, question="Is it?"
    )
    fill(folder, 1, yes_or_no, planted.truth)
    answers = read_answers(folder)
    rows = distinct_images(planted.rows, column)
    assert answers.about.column == column
    in_it = np.array(planted.rows["label_10_cluster"].to_pylist()) == 2
    assert rows[column].tolist() == in_it.astype(float).tolist()
    found = share(labelled_images(answers, rows)).set_index("estimator")
    assert found.loc["model alone", "value"] == in_it.mean()
    right = found.loc["corrected"]
    assert right["low"] < planted.share < right["high"] < in_it.mean() + 0.2
    assert abs(right["value"] - planted.share) < 0.06


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("label_10_cluster=9", "some images with label_10_cluster=9 and some without"),
        ("nsfw_score>7", "some images with nsfw_score>7 and some without"),
        ("label_10_cluster=two", "expected a number after '='"),
        ("nowhere>1", "the column nowhere"),
        ("all_captions=1", "found all_captions, a string"),
    ],
)
def test_a_theme_that_is_none_is_refused(planted, tmp_path, column, message):
    with pytest.raises(ValueError, match=message):
        draw_sheets(planted.release, tmp_path / "x", column=column, question="Is it?")


def test_a_score_of_another_scale_is_measured_above_a_value(planted):
    rows = distinct_images(planted.rows, "nsfw_score > 0.25")
    score = planted.rows["nsfw_score"].to_numpy()
    assert rows["nsfw_score > 0.25"].tolist() == (score > 0.25).astype(float).tolist()


def test_nothing_filled_in_is_drawn_over(planted, sheets):
    with pytest.raises(FileExistsError, match="another folder with --out"):
        draw_sheets(planted.release, sheets, column="nsfw_score")
    # The key lies elsewhere, so that annotators do not see it.
    (sheets / "key.csv").unlink()
    before = (sheets / "annotator-1.csv").read_bytes()
    with pytest.raises(FileExistsError, match="another folder with --out"):
        draw_sheets(planted.release, sheets, column="nsfw_score")
    assert (sheets / "annotator-1.csv").read_bytes() == before


def test_a_removal_takes_its_rows_out_of_the_sheets(sheets):
    from twigma.builder.removals import erase_lists
    from twigma.rehydrate.posts.removed_ids import Removed, hash_of

    name = key_of(sheets)["image_name"][5]
    removed = Removed("s", frozenset({hash_of("s", name)}))
    assert erase_lists.is_sheets(sheets)
    assert erase_lists.sheets(sheets, removed) == 3
    assert name not in (sheets / "key.csv").read_text()
    assert len(pd.read_csv(sheets / "annotator-2.csv")) == 119


def test_captions_of_strangers_are_text_in_the_key(sheets):
    assert EVIL in set(key_of(sheets)["caption"])
