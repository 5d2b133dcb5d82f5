"""The contract every stage relies on: columns declared once, checked stages, atomic parts, exact joins."""

import errno
import fcntl
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twigma.core import columns, locks, parts
from twigma.core.files import atomic, read_parquet, write_json, write_parquet
from twigma.core.parts import part_is_current, read_part, read_provenance, write_part
from twigma.core.stage import stage
from twigma.core.workspace import Workspace

NINETEEN = "1489999999999999999"


def images(*names, **values):
    return columns.add(pa.table({"image_name": pa.array(names, pa.string())}), **values)


def test_the_published_columns_are_the_first_twelve():
    assert len(columns.PUBLISHED) == 12 and columns.METADATA[:12] == columns.PUBLISHED
    assert columns.PUBLISHED[:3] == ("id", "image_name", "created_at")
    private = {
        "author_id",
        "text",
        "image",
        "url",
        "hashtags",
        "follower_count",
        "embedding",
    }
    assert not private & set(columns.METADATA)


def test_labels_are_named_by_their_number_of_clusters():
    assert columns.label_column(10) in columns.PUBLISHED
    assert columns.label_column(8) == "label_8_cluster"
    assert columns.declared("label_8_cluster").type == pa.int32()
    for other in ("label_08_cluster", "label_8_clusters", "label_cluster", "label_K"):
        assert columns.find_label_column([other]) is None
    names = ["id", "label_8_cluster", "width"]
    assert columns.find_label_column(names) == "label_8_cluster"
    with pytest.raises(ValueError, match="found label_8_cluster and label_10_cluster"):
        columns.find_label_column([*names, "label_10_cluster"])
    renamed = dict(zip(columns.metadata(names), columns.METADATA, strict=True))
    moved = {new: old for new, old in renamed.items() if new != old}
    assert moved == {"label_8_cluster": "label_10_cluster"}
    assert columns.metadata(["id"]) == list(columns.METADATA)


def test_a_stage_that_adds_labels_may_name_them_by_any_k():
    @stage(reads=("image_name",), adds=(columns.LABELS,))
    def label(table, name):
        return columns.add(table, **{name: [1] * len(table)})

    assert label(images("1"), "label_3_cluster")["label_3_cluster"].to_pylist() == [1]
    with pytest.raises(ValueError, match=r"expected columns .*label_K_cluster"):
        label(images("1"), "width")


def test_features_schema_and_table_agree():
    features = columns.features(columns.METADATA)
    assert features.arrow_schema.types == columns.schema(columns.METADATA).types
    assert columns.features(["embedding"])["embedding"].length == columns.EMBEDDING_DIM
    lines = columns.field_table(columns.METADATA).splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == list(columns.METADATA)
    assert columns.schema(["id"]).field("id").metadata[b"doc"].decode() in lines[0]


def test_require_names_what_is_wrong():
    table = pa.table({"image_name": ["1"], "width": pa.array([1], pa.int64())})
    columns.require(table, ["image_name"], "here")
    with pytest.raises(
        ValueError,
        match=r"here: expected columns \['id'\], found \['image_name', 'width'\]",
    ):
        columns.require(table, ["image_name", "id"], "here")
    with pytest.raises(ValueError, match="'width' is declared int32, found int64"):
        columns.require(table, ["width"], "here")
    short = images("1", embedding=pa.array([[1.0] * 8], pa.list_(pa.float16(), 8)))
    columns.require(short, ["embedding"], "an embedding of another length")


# ---------------------------------------------------------------- stages


def a_stage(result):
    @stage(reads=("image_name",), adds=("width",))
    def treat(table):
        return result(table)

    return treat


def test_a_stage_adds_what_it_declares():
    added = a_stage(lambda t: columns.add(t, width=[1, 2]))(images("a", "b"))
    assert (
        added["width"].to_pylist() == [1, 2]
        and added.schema.field("width").type == pa.int32()
    )


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda t: t, r"on exit: expected columns \['width'\]"),
        (
            lambda t: columns.add(t, width=[1, 2], height=[1, 2]),
            r"adds \['width'\], but it added \['height'\]",
        ),
        (lambda t: images("a", "b", width=[1, 2]).drop(["image_name"]), "lost"),
        (lambda t: columns.add(t, width=[1, 2]).slice(1), "2 rows in, 1 out"),
        (lambda t: columns.add(t, width=[1, 2]).take([1, 0]), "keep rows and order"),
        (
            lambda t: t.append_column("width", pa.array([1.0, 2.0])),
            "declared int32, found double",
        ),
    ],
)
def test_a_stage_that_breaks_its_contract_is_named(result, message):
    with pytest.raises(ValueError, match=message) as error:
        a_stage(result)(images("a", "b"))
    assert "'treat'" in str(error.value)


def test_a_stage_without_its_input_is_named():
    with pytest.raises(
        ValueError, match=r"stage 'treat', on entry: expected columns \['image_name'\]"
    ):
        a_stage(lambda t: t)(pa.table({"id": ["1"]}))


def test_add_casts_and_replaces_in_place():
    table = images("a", "b", width=[1, 2])
    again = columns.add(table, width=pa.array([3, None], pa.int64()))
    assert again.column_names == table.column_names and again["width"].to_pylist() == [
        3,
        None,
    ]
    with pytest.raises(pa.ArrowInvalid):
        columns.add(table, width=pa.array([2**40, 1]))
    with pytest.raises(KeyError):
        columns.add(table, colour=["red", "blue"])


# ------------------------------------------------------- writes and resume


def test_atomic_leaves_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "deep/file.json"
    write_json(path, {"b": 1, "a": "é"})
    assert json.loads(path.read_text()) == {"a": "é", "b": 1}
    with pytest.raises(RuntimeError, match="disk"), atomic(path) as partial:
        partial.write_text("half")
        raise RuntimeError("disk")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, float("nan"))
    assert json.loads(path.read_text()) == {"a": "é", "b": 1}
    assert list(path.parent.iterdir()) == [path]


def test_parts_know_what_they_were_made_from(tmp_path):
    path = tmp_path / "columns/embed/00000.arrow"
    made = {"model": "tiny", "seed": 1}
    assert not part_is_current(path, made)
    write_part(path, images("1"), made)
    assert part_is_current(path, {"seed": 1, "model": "tiny"})
    assert not part_is_current(path, made | {"seed": 2})
    assert read_provenance(path) == made
    assert read_part(path).equals(images("1"))


def test_a_damaged_part_is_made_again(tmp_path):
    path = tmp_path / "00000.arrow"
    write_part(path, images("1", "2"), {})
    whole = path.read_bytes()
    for damaged in (b"", whole[:20], whole[: len(whole) // 2], whole[:-4]):
        path.write_bytes(damaged)
        assert not part_is_current(path, {})


def test_what_has_changed_since_a_part_was_written(tmp_path, capsys):
    path = tmp_path / "columns" / "dedupe" / "a.arrow"
    before = {"code_revision": 1, "near": None, "shard": "a" * 64, "embed": {"a": "b"}}
    assert parts.changes(path, before) == []  # nothing to replace
    write_part(path, images("1"), before)
    assert parts.changes(path, before) == []
    after = {"code_revision": 2, "near": 0.9, "shard": "c" * 64, "k": 3}
    words = ["code revision 1 → 2", "near unset → 0.9", "shard", "k unset → 3", "embed"]
    assert parts.changes(path, after) == words
    path.write_bytes(path.read_bytes()[:-9])
    assert parts.changes(path, after) == ["damaged"]
    missing = path.with_name("b.arrow")
    parts.announce_recreated("dedupe", [(missing, after)])
    assert capsys.readouterr().err == ""
    parts.announce_recreated("dedupe", [(path, after), (path, after), (missing, after)])
    assert (
        capsys.readouterr().err
        == "dedupe: re-creating 2 parts, changed since: damaged\n"
    )


def test_what_a_killed_writer_left_is_put_away_and_what_another_writes_is_not(tmp_path):
    path = tmp_path / "a[1].json"
    code = "import os, sys, pathlib\nfrom twigma.core.files import atomic\n"
    code += "with atomic(pathlib.Path(sys.argv[1])) as p:\n"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code + " p.write_text('half'); os.kill(os.getpid(), 9)",
            str(path),
        ]
    )
    assert done.returncode == -9 and len(list(tmp_path.iterdir())) == 1
    of_nobody = tmp_path / ".a[1].json.mine.partial"
    of_nobody.write_text("mine")
    with atomic(path) as of_a_living_one:
        of_a_living_one.write_text("later")
        write_json(path, {})
        assert set(tmp_path.iterdir()) == {path, of_a_living_one, of_nobody}
    assert set(tmp_path.iterdir()) == {path, of_nobody}
    assert path.read_text() == "later"


def test_a_partial_file_of_a_process_that_is_not_listed_here_stays_while_it_is_held(
    tmp_path,
):
    path = tmp_path / "a.json"
    elsewhere = tmp_path / f".a.json.{2**22 + 1}.partial"  # no process of this machine
    handle = locks.acquire(elsewhere)
    write_json(path, {})
    assert elsewhere.exists()
    os.close(handle)
    write_json(path, {})
    assert not elsewhere.exists()


def test_files_are_written_on_a_disk_without_locks_and_none_is_deleted(
    tmp_path, monkeypatch
):
    def refuse(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / "a.json"
    left = tmp_path / ".a.json.0123abcd.partial"
    left.touch()
    write_json(path, {})
    assert set(tmp_path.iterdir()) == {path, left}


def test_a_damaged_table_is_named(tmp_path):
    path = tmp_path / "images.parquet"
    write_parquet(path, images(*map(str, range(9000, 9100))))
    whole = path.read_bytes()
    for at in range(4, len(whole) - 8, 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            found = read_parquet(path)
            columns.require(found, ["image_name"], str(path))
            assert found["image_name"].to_pylist() == list(
                map(str, range(9000, 9100))
            ), at
        except ValueError as error:  # pages have checksums; the names of columns do not, but are asked for
            assert "images.parquet is damaged" in str(
                error
            ) or "expected columns" in str(error)
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / "none.parquet")


def test_equal_parts_are_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_part(tmp_path / name, images("1", width=[7]), {"x": 1, "y": [2]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_missing_tables_say_which_command_makes_them(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match="`twigma rehydrate --ids` makes one from post ids, `twigma add`",
    ):
        Workspace(tmp_path).table()
    write_parquet(tmp_path / "images.parquet", images("1"))
    with pytest.raises(FileNotFoundError, match="run `twigma embed`"):
        Workspace(tmp_path).table("embed")


# ------------------------------------------------------------------- joins


def test_stages_are_joined_by_their_key(tmp_path):
    rows = images(
        "30", "10", "10", "20", id=["1", NINETEEN, "1490000000000000000", None]
    )
    write_parquet(tmp_path / "images.parquet", rows)
    folder = tmp_path / "columns"
    write_part(folder / "embed/0.arrow", images("10", width=[1]), {"part": 0})
    write_part(folder / "embed/1.arrow", images("40", "30", width=[4, 3]), {"part": 1})
    by_row = images(
        "10",
        "20",
        "10",
        id=["1490000000000000000", None, NINETEEN],
        duplicate_of=["x", "y", None],
    )
    write_part(folder / "dedupe/part.arrow", by_row, {})
    table = Workspace(tmp_path).table("embed", "dedupe")
    assert table["width"].to_pylist() == [3, 1, 1, None]
    assert table["duplicate_of"].to_pylist() == [None, None, "x", "y"]
    assert table["id"].to_pylist() == ["1", NINETEEN, "1490000000000000000", None]


def test_rows_without_a_name_are_joined_with_nothing():
    table = columns.join(images("1", None), images(None, "1", width=[5, 6]))
    assert table["width"].to_pylist() == [6, None]


def test_images_without_a_post_are_told_apart():
    table = images("1", "2", "3", id=[None, None, None])
    part = images("3", "1", id=[None, None], duplicate_reason=["near", None])
    assert columns.join(table, part)["duplicate_reason"].to_pylist() == [
        None,
        None,
        "near",
    ]


@given(
    st.lists(st.integers(0, 30), max_size=30),
    st.lists(st.integers(0, 30), unique=True, max_size=30),
)
def test_a_join_is_a_dictionary_look_up(left, right):
    part = images(*map(str, right), width=right)
    found = columns.join(images(*map(str, left)), part)["width"].to_pylist()
    assert found == [n if n in right else None for n in left]


@given(st.lists(st.from_regex(r"[0-9]{1,20}", fullmatch=True) | st.none(), max_size=60))
def test_ids_go_through_parquet_and_arrow_unchanged(tmp_path_factory, ids):
    folder = tmp_path_factory.mktemp("ids")
    table = columns.add(
        pa.table(
            {"image_name": pa.array([str(i) for i in range(len(ids))], pa.string())}
        ),
        id=ids,
    )
    write_parquet(folder / "a.parquet", table)
    write_part(folder / "a.arrow", table, {})
    assert pq.read_table(folder / "a.parquet")["id"].to_pylist() == ids
    assert read_part(folder / "a.arrow")["id"].to_pylist() == ids


def test_embeddings_are_memory_mapped_and_bit_equal(tmp_path):
    vectors = (
        np.random.default_rng(0)
        .normal(size=(50, columns.EMBEDDING_DIM))
        .astype(np.float16)
    )
    column = pa.FixedSizeListArray.from_arrays(
        pa.array(vectors.ravel()), columns.EMBEDDING_DIM
    )
    write_part(tmp_path / "a.arrow", images(*map(str, range(50)), embedding=column), {})
    before = pa.total_allocated_bytes()
    table = read_part(tmp_path / "a.arrow")
    assert pa.total_allocated_bytes() - before < vectors.nbytes / 10
    assert (
        table["embedding"].chunk(0).flatten().to_numpy().reshape(50, -1) == vectors
    ).all()
