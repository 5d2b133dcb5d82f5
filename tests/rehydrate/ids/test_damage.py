"""Lists that were rounded on the way are refused; lists of real ids, with the structure that X gives them, are not."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from twigma.rehydrate.ids.damage import (
    LOWEST,
    _decimal_marks,
    _float_mark,
    _numbers,
    doubts,
    float_step,
    log_tail_bound,
    refuse_damaged,
)
from twigma.rehydrate.ids.post_ids import read_ids

CASES = Path(__file__).parent / "cases"
# In two public lists, 20 % (2021) and 60 % (2018) of the ids were the first of their machine in their millisecond.
FIRST_OF_MILLISECOND = 0.6


def real_ids(count, year=2022, firsts=FIRST_OF_MILLISECOND, seed=0):
    """Ids as X makes them: milliseconds, a machine, and a small counter."""
    rng = np.random.default_rng(seed)
    start = round(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) - 1288834974657
    times = start + rng.integers(0, 360 * 86_400_000, count)
    machines = rng.integers(300, 400, count)
    counters = np.where(rng.random(count) < firsts, 0, rng.integers(1, 12, count))
    return (times << 22 | machines << 12 | counters).tolist()


def as_text(numbers):
    return list(dict.fromkeys(map(str, numbers)))


def spreadsheet(number):
    """What 15 digits leave of a number."""
    return int(f"{number:.14e}".replace(".", "").partition("e")[0]) * 10 ** (
        len(str(number)) - 15
    )


@pytest.mark.parametrize("year", [2014, 2016, 2018, 2022, 2024])
@pytest.mark.parametrize("firsts", [0.2, 0.6])
@pytest.mark.parametrize("count", [1, 3, 8, 60, 20_000])
def test_real_lists_pass(year, firsts, count):
    for seed in range(5):
        refuse_damaged("list", as_text(real_ids(count, year, firsts, seed)))


@pytest.mark.parametrize("year", [2014, 2016, 2018, 2022])
@pytest.mark.parametrize("count", [40, 60, 20_000])
def test_a_float64_round_trip_is_refused_from_forty_ids_on(year, count):
    rounded = [int(float(number)) for number in real_ids(count, year)]
    with pytest.raises(ValueError, match=r"rounded by a float64 column"):
        refuse_damaged("list", as_text(rounded))


@pytest.mark.parametrize("count", [3, 8, 60, 20_000])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_what_a_spreadsheet_rounded_is_refused_even_in_part(count, share):
    numbers = real_ids(count)
    part = max(3, round(share * count))
    rounded = [*map(spreadsheet, numbers[:part]), *numbers[part:]]
    with pytest.raises(ValueError, match="are multiples of 10,000, as") as caught:
        refuse_damaged("list", as_text(rounded))
    found = int(str(caught.value).split()[1].replace(",", ""))
    assert part <= found <= part + 0.002 * count  # some real ids are multiples too


def test_the_bound_is_above_the_exact_probability_and_near_it():
    for total in (8, 60, 1000):
        for share in (0.0016, 1 / 64, 0.7):
            counts = np.arange(int(share * total) + 1, total + 1)
            exact = binom.logsf(counts - 1, total, share)
            bound = [log_tail_bound(int(count), total, share) for count in counts]
            assert np.all(exact <= np.array(bound) + 1e-9)
            # Chernoff's bound loses a factor of the square root of the number of draws.
            far = np.isfinite(exact)
            assert np.all((bound - exact)[far] <= np.log(8 * np.sqrt(total)))
    assert log_tail_bound(0, 0, 0.5) == log_tail_bound(3, 10, 0.3) == 0


def test_the_marks_are_counted_as_python_counts_them():
    rng = np.random.default_rng(3)
    near = [
        2**bits + more for bits in (58, 59, 60, 61, 62) for more in range(-600, 600)
    ]
    ids = [*near, *(int(float(number)) for number in real_ids(500)), *real_ids(500)]
    ids += [int(number) * 1000 for number in rng.integers(2**49, 2**52, 300)]
    ids = [number for number in ids if number >= LOWEST]
    floats = [number for number in ids if int(float(number)) == number]
    odd = sum(number % 4096 != 0 for number in floats)
    numbers = np.array(ids, np.int64)
    assert 0 < odd < len(floats) < 0.7 * len(ids)  # too few to be taken for rounded
    assert _float_mark(numbers).rounded == odd
    decimals = [mark.rounded for mark in _decimal_marks(numbers)]
    expected = [sum(number % 10**power == 0 for number in ids) for power in range(3, 8)]
    assert decimals == expected


def test_float_steps():
    for number in (1 << 58, 1 << 59, 1547770898463771828, 1 << 61):
        assert float_step(number) == np.spacing(float(number))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ids_few_rounded.csv", r"40 of 40 ids \(100.0%\) are multiples of 256, as"),
        ("ids_half_rounded.csv", r"469 of 1,000 ids \(46.9%\) are multiples of 256 bu"),
        ("ids_most_rounded.csv", r"875 of 1,000 ids \(87.5%\) are multiples of 10,000"),
        ("removals_rounded.txt", r"60 of 60 ids \(100.0%\) are multiples of 256, as"),
        ("ids_half_scientific.csv", r"100 of 200 ids .* '1.40714E\+18' on line 2"),
        ("removals_scientific.txt", r"20 of 21 ids are written as floating-point"),
        ("ids.tar.gz", "this is a tar archive"),
    ],
)
def test_damaged_cases_are_refused_with_the_numbers(name, message):
    with pytest.raises(ValueError, match=rf"{name}: {message}"):
        read_ids(CASES / name)


@pytest.mark.parametrize(
    "name",
    [
        *("ids_json_indented.json", "ids_nul.txt", "ids_pipe.csv", "ids_rtweet.csv"),
        *("ids_excel_safe.csv", "ids_addresses.txt", "ids.dta"),
    ],
)
def test_good_cases_have_sixty_ids(name):
    ids, bad = read_ids(CASES / name)
    assert (len(ids), bad) == (60, [])
    assert ids[:2] == ["1407142115100341788", "1362595677962660410"]


def test_ids_of_users_and_of_a_time_to_come_are_noticed():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert doubts(as_text(real_ids(20, 2025)), now) == []
    users = doubts(["783214", "1344951"], now)
    assert users == [
        "2 of 2 ids, such as 783214, have 6 to 7 digits: they are of posts before November 2010, or of users"
    ]
    late = doubts(["12345678901234567890", *as_text(real_ids(2, 2027))], now)
    assert late[0].startswith("3 of 3 ids, such as 12345678901234567890, are of a time")


def test_a_column_of_users_is_no_list_of_posts(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("user_id\n783214\n")
    with pytest.raises(ValueError, match=r"a\.csv: .* holds ids of users"):
        read_ids(path)
    assert read_ids(path, "user_id")[0] == ["783214"]


def test_a_list_most_of_whose_lines_hold_no_id_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id\n17\nx\ny\n18\n")
    assert read_ids(path)[0] == ["17", "18"]
    path.write_text("id\n17\nx\ny\n")
    with pytest.raises(ValueError, match=r"expected post ids, found 1 on 3 lines; line 3: .* 'x'"):  # fmt: skip
        read_ids(path)


@pytest.mark.parametrize("beyond", [[], [2**63], [10**20 - 1]])
def test_the_numbers_are_those_of_posts_that_63_bits_hold(beyond):
    texts = ["7", "0" * 18 + "17", str(LOWEST - 1), str(LOWEST), "0" + str(2**63 - 1)]
    ids = dict.fromkeys([*texts, *map(str, beyond)])
    assert _numbers(ids).tolist() == [LOWEST, 2**63 - 1]
    assert _numbers([]).tolist() == []
