"""Lists as LAION, Civitai and others export them; the expected rows are written by hand."""

import csv
import datetime
import gzip
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from twigma.cli import main
from twigma.rehydrate.posts.removed_ids import add_removed
from twigma.rehydrate.sources.url_lists.add_urls import add_urls, image_name

NOON = datetime.datetime(2022, 8, 7, 12, 0, 0)


def rows(work):
    """The images table by address, without columns that are null and those of the key."""
    found = {}
    for row in pq.read_table(work / "images.parquet").to_pylist():
        assert row["id"] == row["image_name"] == image_name(row["url"])
        assert row["source"] == "local"
        drop = ("id", "image_name", "source", "url")
        found[row["url"]] = {
            name: value
            for name, value in row.items()
            if value is not None and name not in drop
        }
    return found


def written(path, text):
    path.write_text(text, "utf-8")
    return path


def test_laion_as_parquet(tmp_path):
    table = pa.table(
        {
            "SAMPLE_ID": [1, 2, 3],
            "URL": ["https://a.example/1.jpg", "https://b.example/2.jpg", None],
            "TEXT": ["a cat", "", "no address"],
            "NSFW": ["UNLIKELY", "UNSURE", "NSFW"],
            "similarity": [0.3, 0.4, 0.5],
        }
    )
    pq.write_table(table, tmp_path / "laion.parquet")
    added = add_urls(tmp_path / "w", tmp_path / "laion.parquet")
    assert rows(tmp_path / "w") == {
        "https://a.example/1.jpg": {"text": "a cat", "possibly_sensitive": False},
        "https://b.example/2.jpg": {},
    }
    assert (added.new, added.without_url) == (2, 1)
    assert added.unread.rows() == [
        {
            "column": "possibly_sensitive",
            "field": "NSFW",
            "count": 1,
            "example": "'UNSURE'",
            "expected": "true or false",
        }
    ]
    assert added.columns == {
        "url": "URL",
        "text": "TEXT",
        "possibly_sensitive": "NSFW",
    }


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_addresses_in_quotes_or_brackets_are_those_within(tmp_path, first):
    lines = [
        "https://a.example/1.jpg",
        '"https://a.example/2.jpg"',
        " 'https://a.example/3.jpg' ",
        "<https://a.example/4.jpg>",
    ]
    lines = lines[first:] + lines[:first] + ['https://a.example/5.jpg"']
    file = written(tmp_path / "urls.txt", "\n".join(lines) + "\n")
    assert add_urls(tmp_path / "w", file).new == 5
    expected = {f"https://a.example/{number}.jpg" for number in range(1, 5)}
    assert rows(tmp_path / "w").keys() == expected | {'https://a.example/5.jpg"'}


def test_a_quoted_table_without_a_header_is_no_list_of_addresses(tmp_path):
    file = written(tmp_path / "urls.csv", '"https://a.example/1.jpg","a cat"\n')
    with pytest.raises(ValueError, match="expected a column of addresses"):
        add_urls(tmp_path / "w", file)


def test_an_answer_of_civitai_as_json_and_its_items_as_lines(tmp_path):
    item = {
        "id": 7,
        "url": "https://image.civitai.example/7.jpeg",
        "nsfw": "Soft",
        "createdAt": "2022-08-07T14:00:00.000+02:00",
        "stats": {"likeCount": 12, "commentCount": 3},
        "meta": {"prompt": "a castle, 4k", "seed": 5},
        "username": "painter",
    }
    bare = {"url": "https://image.civitai.example/8.jpeg", "meta": None, "nsfw": False}
    answer = json.dumps({"items": [item, bare], "metadata": {"nextCursor": 1}})
    expected = {
        item["url"]: {
            "text": "a castle, 4k",
            "created_at": NOON,
            "like_count": 12,
            "reply_count": 3,
            "possibly_sensitive": True,
            "author_id": "painter",
        },
        bare["url"]: {"possibly_sensitive": False},
    }
    add_urls(tmp_path / "a", written(tmp_path / "page.json", answer))
    assert rows(tmp_path / "a") == expected
    packed = tmp_path / "items.jsonl.gz"
    lines = [json.dumps(item), "{broken", "", json.dumps(bare), "[1]"]
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    added = add_urls(tmp_path / "b", packed)
    assert rows(tmp_path / "b") == expected
    assert added.left_out.first == ["line 2: not JSON", "line 5: not an object"]


def test_csv_with_line_breaks_in_captions_and_with_broken_rows(tmp_path):
    path = tmp_path / "list.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file)
        out.writerow(["Image URL", "Caption", "likes", "timestamp", "other"])
        out.writerow(
            ["https://a.example/1", 'two\nlines, "q"', "1.0", "1659873600", ""]
        )
        out.writerow(["too", "few"])
        out.writerow([" https://a.example/2 ", "", "many", "1659873600123", "x"])
        out.writerow(
            ["https://a.example/3", "é", "-1", "2022-08-07 12:00:00+00:00", ""]
        )
    added = add_urls(tmp_path / "w", path)
    assert rows(tmp_path / "w") == {
        "https://a.example/1": {
            "text": 'two\nlines, "q"',
            "like_count": 1,
            "created_at": NOON,
        },
        "https://a.example/2": {"created_at": NOON.replace(microsecond=123000)},
        "https://a.example/3": {"text": "é", "created_at": NOON},
    }
    assert added.left_out.first == ["line 4: expected 5 cells, found 2"]
    counts = {row["column"]: row["count"] for row in added.unread.rows()}
    assert counts == {"like_count": 2}


def test_a_text_of_addresses_and_each_address_once(tmp_path):
    path = tmp_path / "list.txt"
    written(
        path,
        "# mine\nhttps://a.example/1\n\nhttps://a.example/2\nhttps://a.example/1\n",
    )
    work = tmp_path / "w"
    first = add_urls(work, path)
    assert (first.new, first.repeated, first.known) == (2, 1, 0)
    before = (work / "images.parquet").read_bytes()
    again = add_urls(work, path)
    assert (again.new, again.repeated, again.known) == (0, 1, 2)
    assert (work / "images.parquet").read_bytes() == before
    add_removed(work, [image_name("https://a.example/3")])
    later = add_urls(work, written(path, "https://a.example/3\nhttps://a.example/4\n"))
    assert (later.new, later.removed) == (1, 1)
    assert set(rows(work)) == {f"https://a.example/{n}" for n in (1, 2, 4)}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "metadata.csv",
            "image_name,prompt,seed\na.png,a cat,1\n",
            r"metadata.csv: expected a column of addresses named url or image_url, "
            r"found the columns image_name, prompt, seed: rename",
        ),
        ("empty.jsonl", "", "found the columns none"),
        ("list.parquet", "PAR1", "expected a complete parquet file"),
    ],
)  # fmt: skip
def test_a_list_without_addresses_is_refused_and_nothing_is_added(
    name, text, words, tmp_path
):
    with pytest.raises(ValueError, match=words):
        add_urls(tmp_path / "w", written(tmp_path / name, text))
    assert not (tmp_path / "w" / "images.parquet").exists()


def test_nested_columns_of_parquet_are_read_and_a_bomb_is_refused(tmp_path):
    items = [
        {"url": "https://a.example/1", "stats": {"likeCount": 4}, "meta": None},
        {"url": "https://a.example/2", "stats": None, "meta": {"prompt": "a hill"}},
    ]
    path = tmp_path / "items.parquet"
    pq.write_table(pa.Table.from_pylist(items), path)
    add_urls(tmp_path / "w", path)
    assert rows(tmp_path / "w") == {
        "https://a.example/1": {"like_count": 4},
        "https://a.example/2": {"text": "a hill"},
    }
    # One text of 10 MB on 2,000 rows: 20 GB in memory, under a megabyte on the disk.
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 2000), ["x" * 10_000_000])
    addresses = [f"https://b.example/{n}" for n in range(2000)]
    bomb = pa.table({"url": addresses, "caption": long})
    pq.write_table(bomb, path, dictionary_pagesize_limit=1 << 30)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ValueError, match="at most 65,536 bytes, found one of 10,000"):
        add_urls(tmp_path / "w", path)


MEASURE = """
import re, sys
from pathlib import Path
from twigma.rehydrate.sources.url_lists.add_urls import add_urls
added = add_urls(sys.argv[1], Path(sys.argv[2]))
# Of this process only: ru_maxrss begins with what its parent had.
print(added.new, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
def test_half_a_million_rows_take_a_few_hundred_megabytes(tmp_path):
    count = 500_000
    path = tmp_path / "laion.parquet"
    addresses = [
        f"https://images{n % 997}.example/{'p' * 60}/{n}.jpg" for n in range(count)
    ]
    captions = [f"{'a picture of something, ' * 3}{n}" for n in range(count)]
    pq.write_table(pa.table({"URL": addresses, "TEXT": captions}), path)
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "w"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    new, peak = map(int, done.stdout.split())
    assert new == count
    assert peak < 600_000  # kB, of which 84,000 are Python and its libraries


def test_without_anything_to_add_the_command_says_what_it_takes():
    done = CliRunner().invoke(main, ["add"])
    assert done.exit_code == 2
    assert "name tars, images or folders, or a list with --urls" in done.stderr


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_of_columns_with_one_name_the_first_counts(tmp_path, ending):
    """In a list of addresses as in one of ids."""
    names = ["url", "likes", "url", "likes"]
    cells = ["https://a.example/1.jpg", "3", "https://b.example/2.jpg", "4"]
    path = tmp_path / f"list.{ending}"
    if ending == "parquet":
        columns = [pa.array([cell]) for cell in cells]
        pq.write_table(pa.Table.from_arrays(columns, names), path)
    else:
        separator = "," if ending == "csv" else "\t"
        path.write_text(f"{separator.join(names)}\n{separator.join(cells)}\n")
    add_urls(tmp_path / "w", path)
    assert rows(tmp_path / "w") == {cells[0]: {"like_count": 3}}


def test_metadata_in_a_later_list_is_filled_in(tmp_path):
    """What the table lacks of an address; what it has stays."""
    work = tmp_path / "w"
    urls = [f"https://a.example/{n}.jpg" for n in range(3)]
    first = f"url,text\n{urls[0]},zero\n{urls[1]},\n{urls[2]},\n"
    add_urls(work, written(tmp_path / "a.csv", first))
    second = (
        f"url,text,likes,date\n{urls[0]},other,7,2022-08-07T12:00\n"
        f"{urls[1]},one,,\nhttps://b.example/4.jpg,four,,\n"
    )
    added = add_urls(work, written(tmp_path / "b.csv", second))
    assert (added.new, added.known, added.updated) == (1, 2, 2)
    assert rows(work) == {
        urls[0]: {"text": "zero", "like_count": 7, "created_at": NOON},
        urls[1]: {"text": "one"},
        urls[2]: {},
        "https://b.example/4.jpg": {"text": "four"},
    }
    # In the order of the table: those without a time come last.
    table = pq.read_table(work / "images.parquet")
    assert table["url"][0].as_py() == urls[0]
    before = (work / "images.parquet").read_bytes()
    added = add_urls(work, tmp_path / "b.csv")
    assert (added.new, added.known, added.updated) == (0, 3, 0)
    assert (work / "images.parquet").read_bytes() == before
