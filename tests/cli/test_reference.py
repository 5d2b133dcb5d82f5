"""`twigma reference list` and `add`, as a user meets them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from twigma.builder.references.catalogue import TABLE
from twigma.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, ["reference", *words])


def test_the_list_has_use_origin_licence_and_size_of_every_known_set(run):
    said = run("list").output
    for known in TABLE.values():
        assert f"{known.name}: {known.use}" in said
        for text in (known.origin, known.licence, known.download):
            assert text in said


def test_what_was_added_is_said_and_listed(run, tmp_path):
    np.save("v.npy", np.eye(4, 768, dtype=np.float32))
    done = run(
        "add",
        "theirs",
        "v.npy",
        "--model",
        "ViT-L-14/openai",
        "--licence",
        "CC0 1.0",
        "--role",
        "paintings",
    )
    assert done.exit_code == 0, done.output
    assert "4  embeddings" in done.output
    assert "from v.npy; licence: CC0 1.0; model: ViT-L-14/openai" in done.output
    assert "next: twigma analyze --reference theirs" in done.output
    assert (
        "nothing to do"
        in run("add", "theirs", "v.npy", "--model", "ViT-L-14/openai").output
    )
    assert (
        "refs/theirs: embeddings from v.npy; CC0 1.0; ViT-L-14/openai"
        in run("list").output
    )


def test_the_next_command_finds_the_set_and_its_release(run, here):
    np.save("v.npy", np.eye(4, 16, dtype=np.float32))
    (here / "twigma").rename(here / "my release")
    words = ["--model", "tiny", "--refs", "other/refs"]
    done = run("add", "z", "v.npy", *words, "--like", "my release")
    expected = "next: twigma analyze 'my release' --reference z=other/refs/z"
    assert done.output.splitlines()[-1] == expected


def test_a_working_folder_is_not_taken_for_a_set(run, here):
    done = CliRunner().invoke(
        main, ["reference", "add", "work", "x.npy", "--refs", "."]
    )
    assert done.exit_code == 1
    assert "did not make: use another name" in done.stderr


def test_a_bad_file_is_named_at_the_end_with_exit_code_1(run, tmp_path):
    np.save("v.npy", np.eye(4, 768, dtype=np.float32))
    (tmp_path / "bad.npy").write_bytes(b"no numbers")
    done = run("add", "theirs", "bad.npy", "v.npy", "--model", "ViT-L-14/openai")
    assert done.exit_code == 1
    assert "4  embeddings" in done.stdout
    assert "bad.npy is not a readable .npy of numbers" in done.stderr


def test_the_list_survives_a_damaged_and_a_half_record(run, tmp_path):
    np.save("v.npy", np.eye(4, 768, dtype=np.float32))
    run("add", "theirs", "v.npy", "--model", "ViT-L-14/openai")
    for name, text in {"bad": "{", "list": "[]", "half": '{"name": "half"}'}.items():
        (tmp_path / "refs" / name).mkdir()
        (tmp_path / "refs" / name / "reference.json").write_text(text)
    done = run("list")
    assert done.exit_code == 0, done.output
    assert "refs/bad: cannot be used: refs/bad/reference.json is damaged" in done.output
    assert "refs/list: cannot be used: refs/list/reference.json is dam" in done.output
    assert (
        "refs/half: cannot be used: refs/half holds a reference.json and nothing"
        in done.output
    )
    assert "refs/theirs: embeddings from v.npy" in done.output
    here = json.loads(run("list", "--json").output)["here"]
    assert [bool(each["problem"]) for each in here] == [True, True, True, False]
    assert [each["kind"] for each in here] == ["unknown"] * 3 + ["embeddings"]
    # A set that was renamed is listed where it is, and a half one can be made again.
    (tmp_path / "refs/theirs").rename("refs/ours")
    assert "refs/ours: embeddings" in run("list").output
    again = run("add", "half", "v.npy", "--model", "ViT-L-14/openai")
    assert again.exit_code == 0, again.output
    assert "refs/half: embeddings from v.npy" in run("list").output
