"""Who may see and download: as it is set on the Hub, unless asked otherwise; restricted first, opened last."""

import pytest
from click.testing import CliRunner
from support import releasing

from twigma.builder.release.release import release
from twigma.cli import main

REPO = "acme/twigma"


@pytest.fixture
def next_version(twigma, tmp_path):
    """A function that makes version 1.1.0 of the release."""
    work = releasing.make_work(tmp_path / "other")

    def make():
        release(work, twigma, version="1.1.0", without=("embed",))

    return make


@pytest.fixture
def command(hub, twigma, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("TWIGMA_HUB_URL", hub.url)

    def run(*words):
        result = CliRunner().invoke(main, ["publish", "hub", REPO, str(twigma), *words])
        assert result.exit_code == 0, result.output
        return result.output.splitlines()

    return run


def test_a_gate_that_was_closed_stays_closed(hub, publish, next_version):
    publish(gated="manual")
    next_version()
    plan = publish(go=False)
    assert str(plan.access) == "manual" and not plan.access.is_changed
    publish()
    assert hub.repos[REPO].gated == "manual"


def test_settings_made_on_the_website_stay(hub, publish, next_version):
    publish()
    store = hub.repos[REPO]
    store.gated, store.private = False, True
    next_version()
    before = len(hub.log)
    publish()
    assert (store.gated, store.private) == (False, True)
    assert not [path for _, path, _ in hub.log[before:] if "settings" in path]


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--private", "visibility: public → private"),
        ("--public", "visibility: private → public"),
    ],
)
def test_visibility_changes_when_asked_and_is_shown(
    hub, publish, command, option, line
):
    private = option == "--private"
    publish(private=not private)
    assert line in command(option)
    assert hub.repos[REPO].private is not private
    assert line in command(option, "--go")
    assert hub.repos[REPO].private is private
    assert "visibility: " + line.split(" → ")[1] in command()


def test_access_and_tags_are_shown_now_and_then(publish, command, next_version):
    assert {"access: auto", "tags: v1.0.0 (would be new)"} <= set(command())
    publish()
    next_version()
    lines = command("--gated", "manual")
    assert {"access: auto → manual", "tags: v1.0.0, v1.1.0 (would be new)"} <= set(
        lines
    )
    command("--gated", "manual", "--go")
    lines = command()
    assert {"access: manual", "visibility: public", "tags: v1.0.0, v1.1.0"} <= set(
        lines
    )
    assert lines[-1] == "acme/twigma: up to date, v1.1.0 is published"


def test_closing_comes_before_the_files_and_opening_after_them(
    hub, publish, next_version
):
    publish(gated="auto")
    store = hub.repos[REPO]
    seen = []
    hub.before_commit = lambda: seen.append((store.gated, store.private))
    next_version()
    publish(gated="manual", private=True)
    assert seen == [("manual", True)]
    store.commit({"README.md": b"old"})
    store.tags.clear()
    publish(gated="none", private=False)
    assert seen[1:] == [("manual", True)]
    assert (store.gated, store.private) == (False, False)


def test_a_run_that_stopped_before_it_gated_the_repository_gates_it_later(hub, publish):
    hub.fault("PUT", "/settings", 403)
    with pytest.raises(PermissionError):
        publish()
    assert hub.repos[REPO].gated is False
    plan = publish(go=False)
    assert str(plan.access) == "none → auto"
    publish()
    assert hub.repos[REPO].gated == "auto"


def test_open_to_everybody_only_when_asked(hub, publish):
    publish(gated="none")
    assert hub.repos[REPO].gated is False
    assert publish(go=False).is_current
