"""`--json` of every command: run for real, one after the other as a user would, and held against its schema."""

import json
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from huggingface_hub import constants
from support import archived, releasing
from support.hub import Hub
from support.invenio import Invenio
from support.staging import encode, pixels

from twigma.builder.release.identity.dataset_toml import to_toml
from twigma.cli import main
from twigma.cli.facts import JsonOption, output
from twigma.cli.facts.json_schema import document_schema, schema_of
from twigma.cli.facts.schemas import SCHEMAS
from twigma.demo.demo import BLIP, CLIP, NSFW
from twigma.demo.platform.server import Platform

from .test_options import LEAVES

WITHOUT = {"demo", "label"}
# In the order in which they are run; a command may be run twice.
STORY = {
    "ids": "ids ids.csv broken.csv",
    "import": "import pages.jsonl",
    "collect": "collect --hashtag aiart --start 2022-01-01 --end 2022-01-31 --dry-run",
    "rehydrate plan": "rehydrate --ids ids.csv --sample 30 --dry-run --budget 0.05",
    "rehydrate": "rehydrate --ids ids.csv",
    "add": "add pictures",
    "init": "init",
    "build": f"build --model {CLIP} --captioner {BLIP} --detector {NSFW} --device cpu",
    "embed": f"embed --model {CLIP} --device cpu",
    "caption": f"caption --model {BLIP} --device cpu",
    "nsfw": f"nsfw --detector {NSFW}",
    "texts": f"texts --model {CLIP} --device cpu",
    "dedupe": "dedupe",
    "choose-k": "choose-k 2 3",
    "cluster": "cluster --clusters 3",
    "assign": "assign",
    "release": "release",
    "publish hub": "publish hub acme/twigma",
    "publish zenodo": "publish zenodo",
    "liked": "liked --acknowledge-x-terms --quantile 0.1",
    "sheets": "sheets --images 2 --annotators 2",
    "reference add": f"reference add mine pictures --model {CLIP}",
    "reference list": "reference list",
    "analyze": "analyze",
    "report": "report",
    "explore": "explore",
    "search": f"search castle --model {CLIP} --most 3 --device cpu",
    "hashtags": "hashtags --hashtag aiart",
    "free": "free",
    "removals": "removals requests.txt --derived twigma",
    "status": "status",
    "columns": "columns --released",
}


def prepare(folder: Path, world: Path) -> None:
    """Lists, an archive, pictures and vectors, as users have them."""
    listed = (world / "ids.csv").read_text("utf-8")
    (folder / "ids.csv").write_text(f"{listed}many\n", "utf-8")
    (folder / "broken.csv").write_text("id\n\n", "utf-8")
    posts = [archived.post(n) for n in range(3)]
    archived.write(folder / "pages.jsonl", archived.archive("twarc pages", posts))
    (folder / "pictures").mkdir()
    for n in range(12):
        (folder / "pictures" / f"{n}.jpg").write_bytes(encode(pixels(n)))
    first = listed.split()[1]
    (folder / "requests.txt").write_text(f"{first}\n1580661436132757506\n", "utf-8")


@pytest.fixture(scope="module")
def story(
    tiny_world: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Result]:
    """What every command printed with --json."""
    folder = tmp_path_factory.mktemp("story")
    prepare(folder, tiny_world)
    with (
        pytest.MonkeyPatch.context() as patch,
        Platform(tiny_world, slow_seconds=0.1) as platform,
        Hub() as hub,
        Invenio() as zenodo,
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)
        patch.chdir(folder)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        settings = {
            "TWIGMA_X_URL": platform.api_url,
            "TWIGMA_IMAGE_URL": platform.image_url,
            "X_BEARER_TOKEN": "token",
            "TWIGMA_HUB_URL": hub.url,
            "HF_TOKEN": hub.token,
            "TWIGMA_ZENODO_URL": zenodo.url,
            "ZENODO_TOKEN": zenodo.token,
        }
        for name, value in settings.items():
            patch.setenv(name, value)
        results = {}
        for name, words in STORY.items():
            results[name] = CliRunner().invoke(main, [*words.split(), "--json"])
            if name == "init":  # filled in, as a record of Zenodo needs it
                identity = to_toml(releasing.IDENTITY)
                Path("work/dataset.toml").write_text(identity, "utf-8")
    return results


def schema_name(words: str) -> str:
    """The name of the schema that the command of these words has."""
    command: Any = main
    for word in words.split():
        if word in getattr(command, "commands", {}):
            command = command.commands[word]
    (option,) = (each for each in command.params if isinstance(each, JsonOption))
    return option.schema


def document(result: Result) -> dict[str, Any]:
    """The one document on standard output, read strictly."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(result.stdout, parse_constant=refuse)
    return found


@pytest.mark.parametrize("name", STORY)
def test_the_document_is_as_its_schema_says(
    story: dict[str, Result], name: str
) -> None:
    result = story[name]
    assert result.exit_code == int(name == "ids"), result.stderr
    found = document(result)
    jsonschema.validate(found, document_schema(schema_name(STORY[name])))


def test_every_command_that_prints_facts_is_in_the_story() -> None:
    asked = {" ".join(words.split()[:2]) for words in STORY.values()}
    commands = {name for name in LEAVES if name not in WITHOUT}
    assert commands == {
        name
        for name in commands
        for words in asked
        if f"{words} ".startswith(f"{name} ")
    }
    assert {schema_name(words) for words in STORY.values()} == set(SCHEMAS)


def test_a_list_that_is_refused_is_in_the_document_and_on_stderr(
    story: dict[str, Result],
) -> None:
    found = document(story["ids"])
    (good,) = found["lists"]
    assert (good["ids"], good["skipped"]) == (60, 1)
    assert good["skipped_first"][0]["value"] == "many"
    (bad,) = found["refused"]
    assert bad["file"] == "broken.csv" and bad["reason"] in story["ids"].stderr
    assert "1 of 2 lists cannot be used" in story["ids"].stderr


def test_a_plan_is_numbers(story: dict[str, Result]) -> None:
    found = document(story["rehydrate plan"])
    plan, sample = found["plan"], found["sample"]
    assert sample["drawn"] == 30 == plan["ids"] and sample["of"] == 60
    assert plan["dollars"] == pytest.approx(0.005 * plan["to_ask"])
    assert plan["budget"] == {"budget": 0.05, "spent": 0.01, "affordable": 8}
    assert "posts" not in found and "photos" not in found


def test_a_run_of_several_parts_is_one_document(story: dict[str, Result]) -> None:
    found = document(story["rehydrate"])
    assert list(found) == ["schema", "lists", "posts", "photos"]
    assert found["posts"]["outcomes"]["found"] == 44
    assert sum(found["photos"]["by_status"].values()) >= 40
    status = document(story["status"])
    stored = status["photos"]["stored"]
    assert status["work"] == "work" and stored > 30
    assert document(story["build"])["images"]["embed"] > stored - 3
    assert document(story["embed"])["images"] == 0


def test_ids_are_strings_and_times_are_in_utc(story: dict[str, Result]) -> None:
    images = document(story["search"])["images"]
    assert len(images) == 3
    for image in images:
        assert isinstance(image["image_name"], str) and image["image_name"].isdigit()
        assert image["created_at"] is None or image["created_at"].endswith("Z")
    removed = document(story["removals"])
    assert removed["unmatched"] == ["1580661436132757506"] and removed["posts"] == 1
    assert removed["deleted"][0].endswith("/twigma")


def test_the_text_says_the_same_facts(here: Path) -> None:
    (here / "r.csv").write_text(
        f"id\n{releasing.FIRST}\n{releasing.FIRST + 1}\nnone\nor not\n", "utf-8"
    )
    text = CliRunner().invoke(main, ["ids", "r.csv"]).stdout
    found = document(CliRunner().invoke(main, ["ids", "r.csv", "--json"]))["lists"][0]
    assert (
        f"{found['file']}: {found['ids']} distinct ids on {found['rows']} rows" in text
    )
    assert f"{found['skipped']} lines skipped, all in {found['quarantine']}" in text


def test_where_nothing_was_done_there_is_no_document(here: Path) -> None:
    for words in (["status", "--work", "none"], ["analyze", "none"], ["search"]):
        result = CliRunner().invoke(main, [*words, "--json"])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("twigma: ")


def test_a_run_that_failed_midway_says_what_it_did(here: Path, monkeypatch) -> None:
    monkeypatch.delenv("X_BEARER_TOKEN", raising=False)
    monkeypatch.setenv("HOME", str(here))
    (here / "r.csv").write_text(f"id\n{releasing.FIRST + 999}\n", "utf-8")
    words = ["rehydrate", "--ids", "r.csv", "--json"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1 and "no X API token" in result.stderr
    found = document(result)
    assert list(found) == ["schema", "lists"] and found["lists"][0]["ids"] == 1
    jsonschema.validate(found, document_schema("rehydrate"))


def test_a_question_is_not_on_standard_output(monkeypatch, here: Path) -> None:
    """Somebody at a terminal is asked while standard output goes into a file."""
    from twigma.cli.options import money

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    asked = []

    def confirm(question: str, **options: Any) -> None:
        asked.append((question, options["err"]))

    monkeypatch.setattr(money.sys, "stdin", Terminal())
    monkeypatch.setattr(money.click, "confirm", confirm)
    money.approve(60.0, None)
    assert asked == [("Buy this for at most $60.00?", True)]


def test_values_that_json_does_not_have() -> None:
    values = {
        1: float("nan"),
        "path": Path("a/b"),
        "times": (np.datetime64("2022-06-01").item(), np.float32(0.5), np.int64(3)),
        "infinite": [float("inf"), np.float64("nan")],
    }
    assert output.plain(values) == {
        "1": None,
        "path": "a/b",
        "times": ["2022-06-01", 0.5, 3],
        "infinite": [None, None],
    }


def test_every_schema_refuses_what_is_not_its_own() -> None:
    for name in SCHEMAS:
        schema = document_schema(name)
        jsonschema.Draft202012Validator.check_schema(schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"schema": f"twigma.{name}/1", "odd": 1}, schema)
    with pytest.raises(TypeError, match="expected a type of JSON"):
        schema_of(set[str])
