"""`twigma ids` and the plan and sample of `twigma rehydrate`, as a user meets them."""

from pathlib import Path

from click.testing import CliRunner

from twigma.cli import main
from twigma.demo.platform.server import Platform
from twigma.rehydrate.ids.sampling import draw, read_strata, record
from twigma.rehydrate.ledger.ledger import Ledger
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.lookup import lookup


def test_a_budget_leaves_the_sample_it_paid_for_and_the_plan_knows_it(
    tiny_world: Path, tmp_path: Path
) -> None:
    """Asked in the order of the draw; the plan reads the ledger while a run holds it, and makes no file."""
    work, file = tmp_path / "work", tiny_world / "ids.csv"
    words = [
        "rehydrate",
        "--work",
        str(work),
        "--ids",
        str(file),
        "--sample",
        "40",
        "--budget",
        "0.1",
        "--dry-run",
    ]
    first = CliRunner().invoke(main, words)
    assert (
        "40 ids, 0 known already, 40 to ask: 1 call, at most $0.20, about a minute"
        in first.stdout
    )
    assert (
        "a budget of $0.10, $0.00 of it spent" in first.stdout
        and "reaches 20 of them" in first.stdout
    )
    assert not work.exists()
    ids, strata = read_strata(file)
    drawn = draw(list(ids.ids), strata, 40)
    record(work, drawn)
    with (
        Platform(tiny_world) as platform,
        XClient(platform.api_url, "token", sleep=lambda _: None) as client,
    ):
        done = lookup(work, drawn["id"].to_pylist(), client, budget=0.1)
    assert 0 < done.remaining < 40
    with Ledger(work) as ledger:
        asked = sum(ledger.counts().values())
        listed = drawn["id"].to_pylist()
        outcomes = ledger.outcomes(listed)
        # X has said nothing of some, which are asked again.
        silent = [post for post in listed if outcomes[post] == "absent"]
        assert ledger.unknown(listed) == [*silent, *listed[asked:]]
        smaller = draw(list(ids.ids), strata, asked)["id"].to_pylist()
        assert smaller == drawn["id"].to_pylist()[:asked]
        before = sorted(path.name for path in work.iterdir())
        second = CliRunner().invoke(main, words)
        known = asked - len(silent)
        plan = f"40 ids, {known} known already, {40 - known} to ask: 1 call"
        assert plan in second.stdout
        assert f"${done.dollars:.2f} of it spent" in second.stdout
        assert sorted(path.name for path in work.iterdir()) == before
    words[words.index("40")] = "30"
    refused = CliRunner().invoke(main, words)
    assert (
        refused.exit_code == 1
        and "holds a sample of 40 ids, 10 of which are not in this sample"
        in refused.stderr
    )


def test_a_list_without_ids_and_options_without_a_list_are_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_text("id\nx\n")
    said = CliRunner().invoke(
        main, ["rehydrate", "--work", str(tmp_path), "--ids", str(tmp_path / "a.csv")]
    )
    assert (
        said.exit_code == 1
        and "found none on 1 lines; line 2: not a number" in said.stderr
    )
    assert CliRunner().invoke(main, ["rehydrate", "--sample", "5"]).exit_code == 2


def test_every_list_is_checked_and_the_exit_code_tells(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(
        "id\n" + "".join(f"{10**18 + 256 * n}\n" for n in range(99))
    )
    (tmp_path / "good.csv").write_text("id\n1547770898463771828\nx\n")
    names = [str(tmp_path / name) for name in ("none.csv", "bad.csv", "good.csv")]
    said = CliRunner().invoke(main, ["ids", *names])
    assert said.exit_code == 1 and said.stderr.endswith(
        "twigma: 2 of 3 lists cannot be used\n"
    )
    assert (
        "no file of post ids at" in said.stderr
        and "99 of 99 ids (100.0%) are multiples of 128" in said.stderr
    )
    assert (
        "good.csv: 1 distinct id on 1 row, posts of 2022-07\n  1 line skipped, all in"
        in said.stdout
    )
    assert (
        (tmp_path / "quarantine.csv")
        .read_text()
        .splitlines()[1]
        .startswith("good.csv,3,not a number")
    )
    assert CliRunner().invoke(main, ["ids", names[2]]).exit_code == 0
