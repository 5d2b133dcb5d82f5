"""Reference sets found by name, their roles, and embeddings of two models refused."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from twigma.analysis.analyze import analyze
from twigma.analysis.inputs import load
from twigma.analysis.inputs.reference_sets import (
    about,
    find_reference,
    refuse_other_models,
    roles,
)
from twigma.analysis.report import report
from twigma.cli import main
from twigma.core.files import file_sha256, write_json, write_parquet
from twigma.core.parts import read_part, write_part

from ..conftest import write_reference

ABOUT = {
    "name": "laion",
    "role": "photographs",
    "origin": ["https://laion.ai"],
    "licence": "CC BY <4.0>",
}
ABOUT |= {"model": {"model": "planted"}, "note": "Not made here."}


@pytest.fixture
def laion(planted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(planted.references["photographs"], tmp_path / "refs/laion")
    write_json(tmp_path / "refs/laion/reference.json", ABOUT)
    return tmp_path / "refs/laion"


def test_a_name_alone_is_a_folder_of_refs(laion):
    assert find_reference("laion")[1].resolve() == laion
    assert find_reference("a=b/c") == ("a", find_reference("x=b/c")[1])
    with pytest.raises(
        FileNotFoundError,
        match=r"no reference set 'artbench' in refs \(there: laion\): `twigma refer",
    ):
        find_reference("artbench")
    for text in ("", "=refs", "a="):
        with pytest.raises(
            ValueError, match="expected NAME=FOLDER, or NAME for refs/NAME"
        ):
            find_reference(text)


@pytest.mark.parametrize("path", ["../p30", "./p30", "refs/laion", "~/p30", ".."])
def test_a_path_is_told_how_it_is_passed(path, laion):
    with pytest.raises(ValueError, match=f"--reference NAME={path}; ") as refused:
        find_reference(path)
    assert f"`twigma reference add NAME {path}` makes a set" in str(refused.value)


def test_only_a_set_that_is_known_is_made_by_its_name_alone(laion):
    with pytest.raises(FileNotFoundError, match="`twigma reference add artbench` mak"):
        find_reference("artbench")
    with pytest.raises(FileNotFoundError, match="`twigma reference add mine PATH` mak"):
        find_reference("mine")


def test_roles_go_to_the_set_of_that_name_or_the_one_made_for_it(laion, planted):
    assert roles({"laion": laion})["photographs"] == "laion"
    both = {"laion": laion, "photographs": planted.references["photographs"]}
    assert roles(both) == {
        "photographs": "photographs",
        "paintings": "paintings",
        "prompts": "prompts",
    }


def facts_of(path):
    """What a manifest states of a file."""
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path)}


def test_another_model_is_refused_before_anything_is_computed(laion, planted, tmp_path):
    release = tmp_path / "release"
    shutil.copytree(planted.release, release)
    manifest = {
        "dataset": "twigma",
        "files": {path.name: facts_of(path) for path in release.glob("*.parquet")},
    }
    models = {"embed": {"model": "ViT-L-14/openai"}}
    write_json(release / "MANIFEST.json", {**manifest, "models": models})
    with pytest.raises(
        ValueError,
        match=r"reference set laion was embedded by another .* planted and ViT-L-14/openai",
    ):
        analyze(release, tmp_path / "out", references={"laion": laion})
    models = {"embed": {"model": "planted", "revision": "a" * 40}}
    write_json(release / "MANIFEST.json", {**manifest, "models": models})
    refuse_other_models(release, {"laion": laion})  # which says no revision
    one, two = ({"model": "m", "sha256": letter * 64} for letter in "ab")
    for name, made_from in (("one", one), ("two", two)):
        part = read_part(
            next((laion / "columns/embed").glob("*.arrow"))
        ).replace_schema_metadata()
        write_part(tmp_path / name / "columns/embed/00000.arrow", part, made_from)
    with pytest.raises(
        ValueError, match=r"m \(sha256 bbbbbbbbbbbb\) and m \(sha256 aaaaaaaaaaaa\)"
    ):
        refuse_other_models(
            tmp_path, {"one": tmp_path / "one", "two": tmp_path / "two"}
        )


def test_other_lengths_are_refused_where_no_model_is_known(planted, tmp_path):
    write_reference(tmp_path / "short", np.eye(16, dtype=np.float32), None, 1)
    with pytest.raises(ValueError, match="twigma has 32 numbers, short has 16 numbers"):
        load.load(planted.release, None, {"short": tmp_path / "short"})


def test_a_damaged_record_is_said(laion):
    (laion / "reference.json").write_text("{")
    with pytest.raises(ValueError, match=r"reference\.json is damaged"):
        about(laion)


def test_origin_and_licence_stand_in_command_results_and_report(
    laion, planted, tmp_path
):
    few = planted.rows.select(["id", "image_name", "created_at"])
    write_parquet(tmp_path / "few/metadata-00000.parquet", few)
    words = [
        "analyze",
        str(tmp_path / "few"),
        "--out",
        str(tmp_path / "out"),
        "--reference",
        "laion",
    ]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "laion: from https://laion.ai; licence: CC BY <4.0>" in done.output
    found = json.loads((tmp_path / "out/results.json").read_text("utf-8"))
    assert found["made_from"]["settings"]["photographs"] == "laion"
    assert found["data"]["references"]["laion"]["origin"] == ["https://laion.ai"]
    page = report(tmp_path / "out").read_text("utf-8")
    assert (
        "from https://laion.ai; licence CC BY &lt;4.0&gt;; embedded by planted; Not made here."
        in page
    )


def test_a_set_to_which_nothing_was_added_says_what_to_do(laion):
    half = laion.parent / "half"
    half.mkdir()
    (half / "reference.json").write_text('{"name": "half"}')
    advice = r"nothing to compare with: `twigma reference add half` was refused"
    for text in ("half", f"mine={half}"):
        with pytest.raises(FileNotFoundError, match=advice):
            find_reference(text)
    (half / "reference.json").write_text("[]")
    with pytest.raises(ValueError, match=r"delete .*half and run `twigma reference"):
        about(half)
