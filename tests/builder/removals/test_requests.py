"""Requests are read as people and X write them; one that cannot be is refused with its line, and none is skipped."""

import json
from pathlib import Path

import pytest

from twigma.builder.removals.requests import read_requests

CASES = Path(__file__).parents[2] / "rehydrate" / "ids" / "cases"


def test_requests_come_as_ids_keys_and_addresses(tmp_path):
    file = tmp_path / "requests.txt"
    file.write_text(
        "# asked on Monday\n1565745318061842433\n3_1565745318061842434  # a media key\n\n"
        "https://x.com/somebody/status/1565745318061842435?s=20\n"
        "https://twitter.com/somebody/status/1565745318061842436/photo/1\n"
        "https://pbs.twimg.com/media/FbqlEjPOoAAxxxx?format=jpg&name=small\nprivate-1\n"
    )
    assert read_requests(file).names == [
        "1565745318061842433", "1565745318061842434", "1565745318061842435", "1565745318061842436",
        "1565745318061842432", "private-1",
    ]  # fmt: skip
    file.write_text("1565745318061842433\nhttps://example.org/my page\n")
    with pytest.raises(
        ValueError, match=r"requests\.txt, line 2: expected the id or address"
    ):
        read_requests(file)
    file.write_text("\n")
    with pytest.raises(ValueError, match="names nothing"):
        read_requests(file)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("head", ["", "id\n", "# asked for on Monday\n", "Tweet ID\n"])
def test_requests_with_a_header_in_any_encoding(tmp_path, encoding, head):
    file = tmp_path / "requests.csv"
    lines = ["1565745318061842433", "'1565745318061842434", '="1565745318061842435"']
    file.write_text(head + "\n".join([*lines, "a.jpg"]), encoding)
    numbers = [f"156574531806184243{n}" for n in (3, 4, 5)]
    assert read_requests(file).names == [*numbers, "a.jpg"]


def test_a_column_of_a_table_names_them(tmp_path):
    file = tmp_path / "requests.csv"
    file.write_text("name of sender;image_name\nx;1565745318061842433\ny;own-1.png\n")
    assert read_requests(file).names == ["1565745318061842433", "own-1.png"]
    file.write_text("a;b\nx;1565745318061842433\n")
    with pytest.raises(ValueError, match=r"requests\.csv: expected one id or address"):
        read_requests(file)


def test_the_result_of_a_compliance_job(tmp_path):
    file = tmp_path / "results.jsonl"
    asked = [("deleted", "delete"), ("suspended", "delete"), ("scrub_geo", "scrub_geo")]
    lines = []
    for n, (reason, action) in enumerate(asked):
        line = {
            "id": f"156574531806184243{n}",
            "action": action,
            "created_at": "2022-09-02T16:33:24.000Z",
            "redacted_at": "2026-01-12T09:00:00.000Z",
            "reason": reason,
        }
        lines.append(json.dumps(line))
    file.write_text("\n".join(lines) + "\n")
    requests = read_requests(file)
    assert requests.names == ["1565745318061842430", "1565745318061842431"]
    assert requests.other_actions == {"scrub_geo": 1}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "removals_rounded.txt",
            r"60 of 60 ids \(100.0%\) are multiples of 256.* \(lines 1, 2, 3, 4, 5, …\)",
        ),
        (
            "removals_scientific.txt",
            r"line 2: .* digits are lost, '1.40714E\+18'; likewise 20 more, on lines 3, 4, 5, 6, 7, …",
        ),
        ("ids_half_scientific.csv", r"line 2: .*likewise 99 more, on lines 4, "),
        ("ids.tar.gz", "this is a tar archive"),
    ],
)
def test_what_lost_its_digits_is_refused_with_its_lines(name, message):
    with pytest.raises(ValueError, match=rf"{name}.*{message}"):
        read_requests(CASES / name)


def test_a_letter_among_the_digits_is_named(tmp_path):
    file = tmp_path / "requests.txt"
    file.write_text("1565745318061842433\nl565745318061842434\n")
    with pytest.raises(ValueError, match=r"line 2: .* the letter l, I or O among"):
        read_requests(file)


def test_the_address_of_a_post_has_no_zeros_in_front(tmp_path):
    file = tmp_path / "requests.txt"
    file.write_text("https://x.com/i/status/0017\n0018\n")
    assert read_requests(file).names == ["17", "0018"]


def test_one_more_bad_line_is_a_line(tmp_path):
    path = tmp_path / "requests.txt"
    path.write_text("two words\n1\nthree more words\n")
    with pytest.raises(ValueError, match=r"likewise 1 more, on line 3; correct"):
        read_requests(path)
