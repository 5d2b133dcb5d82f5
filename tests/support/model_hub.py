"""A loopback Hub with model repositories in memory; and CLIP models whose files try to be more than a model."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import loopback
from .staging import tiny_clip

NEWEST, MISSING = "a" * 40, "c" * 40


@dataclass
class ModelHub:
    """Repositories by name, each as its files by name; the paths that were asked for; and the newest commit of all."""

    repos: dict[str, dict[str, bytes]]
    url: str = ""
    sha: str = NEWEST
    asked: list[str] = field(default_factory=list)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)  # status, code
    agents: set[str] = field(default_factory=set)  # the names that clients gave

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
        self.asked.append(path)
        parts = path.strip("/").split("/")
        name = "/".join(parts[2:4] if parts[:2] == ["api", "models"] else parts[:2])
        if name in self.refused:
            status, code = self.refused[name]
            return status, b"", {"X-Error-Code": code} if code else {}
        files = self.repos.get(name)
        if files is None or MISSING in path:
            return 404, b"", {}
        if parts[:2] != ["api", "models"]:
            commit, file = (
                self.sha if parts[3] == "main" else parts[3],
                "/".join(parts[4:]),
            )
            if file not in files:
                return 404, b"", {"X-Error-Code": "EntryNotFound"}
            digest = hashlib.sha256(files[file]).hexdigest()
            return 200, files[file], {"ETag": f'"{digest}"', "X-Repo-Commit": commit}
        if parts[4:5] == ["tree"]:
            return (
                200,
                json.dumps(
                    [_entry(file, data) for file, data in files.items()]
                ).encode(),
                {},
            )
        sha = (
            parts[5] if parts[4:5] == ["revision"] and parts[5] != "main" else self.sha
        )
        siblings = [_described(file, data) for file, data in files.items()]
        return (
            200,
            json.dumps({"id": name, "sha": sha, "siblings": siblings}).encode(),
            {},
        )


def _entry(name: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}


def _described(name: str, data: bytes) -> dict[str, Any]:
    lfs = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "pointerSize": 130,
    }
    return {"rfilename": name, "size": len(data), "blobId": "0" * 40, "lfs": lfs}


@contextlib.contextmanager
def serving(**repos: dict[str, bytes]) -> Iterator[ModelHub]:
    """Serve these repositories of the organisation `org`."""
    hub = ModelHub({f"org/{name}": files for name, files in repos.items()})

    class Handler(loopback.Handler):
        def do_GET(self) -> None:
            hub.agents.add(self.headers.get("User-Agent", ""))
            status, body, headers = hub.answer(self.path.split("?")[0])
            self.reply(status, body, **headers)

        do_HEAD = do_GET

    with loopback.Server(Handler) as server:
        hub.url = server.url
        yield hub


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, as a repository holds them."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ------------------------------------------------------------------ models that try more

CODE = """
import os, pathlib
pathlib.Path({canary!r}).write_text(os.environ.get("X_BEARER_TOKEN", ""))
from transformers import PreTrainedTokenizer
class Evil(PreTrainedTokenizer):
    vocab_size = 10
    def __init__(self, **options): super().__init__(**options)
    def get_vocab(self): return {{}}
    def _tokenize(self, text): return []
"""
ALLOWED_CODE = {"tokenizer_kwargs": {"trust_remote_code": True}}
EVIL = {  # changes of text_cfg, of vision_cfg, the tokenizer's class; what the sentence names
    "own code": (ALLOWED_CODE, {}, "evil.Evil", "tokenizer_kwargs"),
    "code of a second repository": (
        ALLOWED_CODE,
        {},
        "org/second--evil.Evil",
        "tokenizer_kwargs",
    ),
    "code that is only named": ({}, {}, "evil.Evil", "auto_map"),
    "a second repository's code, named": ({}, {}, "org/second--evil.Evil", "auto_map"),
    "another tokenizer": (
        {"tokenizer_kwargs": {"subfolder": "../second"}},
        {},
        None,
        "tokenizer_kwargs",
    ),
    "another vocabulary": (
        {"tokenizer_kwargs": {"bpe_path": "/etc/passwd"}, "hf_tokenizer_name": None},
        {},
        None,
        "tokenizer_kwargs",
    ),
    "another text tower": ({"hf_model_name": "org/second"}, {}, None, "hf_model_name"),
    "another image tower": (
        {},
        {"timm_model_name": "hf-hub:org/second"},
        None,
        "timm_model_name",
    ),
    "an image tower elsewhere": (
        {},
        {"timm_model_name": "local-dir:/tmp/second"},
        None,
        "timm_model_name",
    ),
}


def evil_clip(folder: Path, kind: str, canary: Path, *, code: bool = True) -> Path:
    """A CLIP model that runs code or takes files from elsewhere; with its `code` in the folder or not."""
    text, vision, tokenizer, _ = EVIL[kind]
    path = tiny_clip(folder) / "open_clip_config.json"
    config = json.loads(path.read_text("utf-8"))
    config["model_cfg"]["text_cfg"] |= {"hf_tokenizer_name": "evil"} | text
    config["model_cfg"]["vision_cfg"] |= vision
    path.write_text(json.dumps(config), "utf-8")
    if tokenizer is not None:
        named = {
            "tokenizer_class": "Evil",
            "auto_map": {"AutoTokenizer": [tokenizer, None]},
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(named), "utf-8")
    if code:
        (folder / "evil.py").write_bytes(evil_code(canary))
    return folder


def evil_code(canary: Path) -> bytes:
    """A module that leaves a file when it is imported."""
    return CODE.format(canary=str(canary)).encode()
