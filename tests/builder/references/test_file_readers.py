"""Files that somebody gives: told apart, read by blocks, refused with a sentence when they are anything else."""

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twigma.builder.references import file_readers, text_files


@pytest.fixture
def table(tmp_path):
    def write(**values):
        pq.write_table(pa.table(values), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"

    return write


def test_kinds_are_told_by_content(table, tmp_path):
    bytes_ = pa.array([{"bytes": b"x", "path": "a"}])
    vector = pa.array([[1.0, 2.0]])
    assert file_readers.kind_of(table(image=bytes_, caption=["a"])) == "images"
    assert file_readers.kind_of(table(jpg=pa.array([b"x"]), text=["a"])) == "images"
    assert file_readers.kind_of(table(embedding=vector, text=["a"])) == "embeddings"
    assert file_readers.kind_of(table(scores=vector, text=["a"])) == "texts"
    assert (
        file_readers.kind_of(table(scores=vector, text=["a"]), "scores") == "embeddings"
    )
    for name, kind in {
        "a.tar": "images",
        "a.JPG": "images",
        "a.jpg_large": "images",
        "a.tiff": "images",
        "a.zip": "images",
        "a.tar.gz": "images",
        "a.npy": "embeddings",
        "a.txt": "texts",
    }.items():
        assert file_readers.kind_of(tmp_path / name) == kind
    assert file_readers.kind_of(tmp_path) == "images"
    with pytest.raises(ValueError, match="--column says which"):
        file_readers.kind_of(table(n=[1]))
    with pytest.raises(ValueError, match="has no column 'x'"):
        file_readers.kind_of(table(text=["a"]), "x")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match="not a readable Parquet"):
        file_readers.kind_of(tmp_path / "t.parquet")


def test_vectors_are_read_alike_from_every_format(table, tmp_path, monkeypatch):
    monkeypatch.setattr(file_readers, "BLOCK", 4)
    rows = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    np.save(tmp_path / "v.npy", rows)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["emb"], file["ids"] = rows, np.arange(10)
    table(
        embedding=pa.array(rows.tolist(), pa.list_(pa.float32())),
        image_name=[f"i{n}" for n in range(10)],
    )
    for name in ("v.npy", "v.h5", "t.parquet"):
        blocks = list(file_readers.vectors(tmp_path / name))
        assert [len(block) for _, block in blocks] == [4, 4, 2]
        np.testing.assert_array_equal(
            np.concatenate([block for _, block in blocks]), rows
        )
    assert blocks[1][0] == ["i4", "i5", "i6", "i7"]


def test_other_arrays_are_refused(table, tmp_path):
    np.save(tmp_path / "v.npy", np.arange(6))
    with pytest.raises(ValueError, match="expected a matrix of floats"):
        list(file_readers.vectors(tmp_path / "v.npy"))
    np.save(tmp_path / "v.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"not a readable \.npy"):
        list(file_readers.vectors(tmp_path / "v.npy"))
    (tmp_path / "v.h5").write_bytes(b"not HDF5")
    with pytest.raises(ValueError, match="not a readable HDF5"):
        list(file_readers.vectors(tmp_path / "v.h5"))
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["a"], file["b"] = np.eye(2), np.eye(2)
    with pytest.raises(ValueError, match=r"found \['a', 'b'\]; --column"):
        list(file_readers.vectors(tmp_path / "v.h5"))
    np.testing.assert_array_equal(
        next(file_readers.vectors(tmp_path / "v.h5", "b"))[1], np.eye(2)
    )
    with pytest.raises(ValueError, match="vectors of one length"):
        list(file_readers.vectors(table(embedding=pa.array([[1.0], [1.0, 2.0]]))))


def test_texts_are_lines_cells_or_sentences(tmp_path, table):
    (tmp_path / "a.txt").write_text("one line\n\n one   line\nmcDonald eats\n")
    assert text_files.texts(tmp_path / "a.txt") == ["one line", "mcDonald eats"]
    assert text_files.texts(tmp_path / "a.txt", whole_words=True) == ["one line"]
    pd.DataFrame({"n": [1, 2], "caption": ["a, b", "two\nlines"]}).to_csv(
        tmp_path / "a.csv", index=False
    )
    assert text_files.texts(tmp_path / "a.csv") == ["a, b", "two lines"]
    assert text_files.texts(table(highlights=["x", None, "y"]), "highlights") == [
        "x",
        "y",
    ]
    book = (
        "About it.\n*** START OF THE PROJECT GUTENBERG EBOOK ALICE ***\nAlice was\ntired. “Oh dear!” said she.\n"
        "*** END OF THE PROJECT GUTENBERG EBOOK ALICE ***\nThe licence."
    )
    (tmp_path / "b.txt").write_text(book)
    assert text_files.texts(tmp_path / "b.txt") == [
        "Alice was tired.",
        "“Oh dear!” said she.",
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_texts_as_spreadsheets_save_them(tmp_path, encoding, separator):
    texts = ["un café – a", 'he said "no"\nand left', "a; b, c"]
    frame = pd.DataFrame({"n": range(3), "prompt": texts})
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False, sep=separator, encoding=encoding)
    clean = ["un café – a", 'he said "no" and left', "a; b, c"]
    assert text_files.texts(path) == clean
    (tmp_path / "a.txt").write_text("un café – a\nb\n", encoding)
    assert text_files.texts(tmp_path / "a.txt") == ["un café – a", "b"]


def test_embeddings_in_a_csv_are_no_texts(tmp_path):
    path = tmp_path / "emb.csv"
    frame = pd.DataFrame(
        {"embedding": ["[0.34, -8.2e-05]", "[ 1. 2.\n3]"], "n": [1, 2]}
    )
    frame.to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"texts \(text, .* Parquet, not from a CSV"):
        text_files.texts(path)
    with pytest.raises(ValueError, match=r"line 2: expected a text, found numbers, "):
        text_files.texts(path, "embedding")


def test_a_row_of_too_many_cells_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("n,text\n1,a\n2,b,c\n")
    with pytest.raises(ValueError, match=r"a\.csv, line 3: expected 2 cells, found 3"):
        text_files.texts(path)
