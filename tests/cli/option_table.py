"""One case for every option of every command, with another value than its default."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from support import releasing
from support.hub import Hub

from .looks import DIFFERENT, Case, Look, Variable, leaves, prints, to

HASHTAGS = to("twigma.builder.collect.hashtag_curation.hashtags")
ESTIMATE = to("twigma.builder.collect.estimate.estimate")
COLLECT, LOOKUP = (
    to("twigma.builder.collect.collect.collect"),
    to("twigma.rehydrate.sources.x.lookup.lookup"),
)
CLIENT, FETCH = (
    to("twigma.rehydrate.sources.x.client.XClient"),
    to("twigma.rehydrate.fetch.fetch.fetch"),
)
IMPORT, ADD, ADD_URLS = (
    to("twigma.rehydrate.sources.archives.import_archives.import_archives"),
    to("twigma.rehydrate.sources.own_files.add_images.add_tars"),
    to("twigma.rehydrate.sources.url_lists.add_urls.add_urls"),
)
EMBED, CAPTION = (
    to("twigma.builder.stages.embed.embed_shards"),
    to("twigma.builder.stages.caption.caption_shards"),
)
TEXTS, NSFW = (
    to("twigma.builder.stages.embed_texts.embed_texts"),
    to("twigma.builder.stages.nsfw.nsfw_parts"),
)
DEDUPE, BUILD = (
    to("twigma.builder.stages.dedupe.dedupe"),
    to("twigma.builder.build.build"),
)
HUB = to("twigma.builder.publish.hub.publish_hub")
CLUSTER, ASSIGN, CHOOSE_K = (
    to("twigma.builder.clusters.cluster.cluster"),
    to("twigma.builder.clusters.assign.assign_new_images"),
    to("twigma.builder.clusters.choose_k.choose_k"),
)
ZENODO, LIKED = (
    to("twigma.builder.publish.zenodo.publish_zenodo"),
    to("twigma.builder.finetuning.liked.liked"),
)
RECORDS, REFERENCE = (
    to("twigma.builder.references.record.read_records"),
    to("twigma.builder.references.add_reference.add_reference"),
)
ANALYZE, REPORT = (
    to("twigma.analysis.analyze.analyze"),
    to("twigma.analysis.report.report"),
)
EXPLORE, SERVE, SEARCH = (
    to("twigma.analysis.explorer.page.explore"),
    to("twigma.analysis.explorer.server.serve"),
    to("twigma.analysis.explorer.search.search"),
)
REMOVALS, STATUS = (
    to("twigma.builder.removals.removals.removals"),
    to("twigma.builder.status.status.status"),
)
FREE = to("twigma.builder.status.free_pictures.free_pictures")
DEMO = to("twigma.demo.demo.demo")
INIT = to("twigma.builder.release.identity.init")
SHEETS = to("twigma.analysis.inputs.annotation_sheets.sheets")
DRAW = to("twigma.analysis.annotation.draw_sheets.draw_sheets")
LABEL = to("twigma.analysis.annotation.label_server.serve")
OTHER = Path("other")


def _engine(function: Callable[..., Look]) -> tuple[Case, ...]:
    """`--engine`, a tuple like the others."""
    from twigma.core.pools.ray_pool import Engine

    return (Case("--engine ray", function("engine"), Engine("ray")),)


def _shards(function: Callable[..., Look]) -> Case:
    """`--shards`, as the slice that it names."""
    from twigma.builder.engine.slices import Slice

    return Case("--shards 2/3", function("only"), Slice(2, 3))


def _api(function: Callable[..., Look], base: str = "") -> tuple[Case, ...]:
    """What `collect` and `rehydrate` share."""
    return (
        Case("--followers", function("followers"), True, base),
        Case("--budget 7.5", function("budget"), 7.5, base),
    )


def _clip(function: Callable[..., Look]) -> tuple[Case, ...]:
    """`--model` and the two arguments that it becomes."""
    return (
        Case("--model ViT-B-32/openai", function("model"), "ViT-B-32"),
        Case("--model ViT-L-14/laion2b", function("pretrained"), "laion2b"),
        Case("--model ViT-L-14/none", function("pretrained"), "none"),
        Case("--model hf-hub:timm/vit", function("model"), "hf-hub:timm/vit"),
        Case("--model work", function("model"), "work"),
    )


def _commit(function: Callable[..., Look]) -> Case:
    return Case("--model a/b@0123abc", function("revision"), "0123abc")


def metadata(folder: str = "twigma") -> Any:
    return releasing.read(Path(folder)).to_pandas()


def embedding_type() -> str:
    """The type of the numbers in the embeddings of the release."""
    table = releasing.read(Path("twigma"), "embeddings")
    return str(table.schema.field("embedding").type.value_type)


def sheet_rows() -> tuple[int, int]:
    """Sheets, and rows of the first of them."""
    sheets = sorted(
        path for path in Path("sheets").glob("*.csv") if path.name != "key.csv"
    )
    return len(sheets), len(sheets[0].read_text("utf-8-sig").splitlines()) - 1


def on_hub(observe: Callable[[Hub], Any]) -> Look:
    """What is on a loopback Hub after a command that has to succeed."""

    def look(run: Callable[..., Result], words: list[str]) -> Any:
        with Hub() as hub, pytest.MonkeyPatch.context() as patch:
            patch.setenv("HF_TOKEN", hub.token)
            patch.setenv("TWIGMA_HUB_URL", hub.url)
            result = run(*words)
            assert result.exit_code == 0, result.output
            return observe(hub)

    return look


def shown_spaces(hub: Hub) -> list[str]:
    """The names of the Spaces there."""
    names = [name for name in hub.repos if name.startswith("spaces/")]
    return [name.removeprefix("spaces/") for name in names]


def names_images(hub: Hub) -> bool:
    """Whether the page of the Space holds ids."""
    (space,) = shown_spaces(hub)
    card = hub.repos[f"spaces/{space}"].commits[-1][1]["README.md"].decode()
    return "of every image, with its id" in " ".join(card.split())


LISTED = "--ids ids.csv"
SENT = "acme/twigma --go"
SENT_WITH_PAGE = f"{SENT} --space"
SAMPLED = f"{LISTED} --sample 3 --dry-run"
BUYING = "--hashtag dalle --budget 1"
TABLE: dict[str, tuple[Case, ...]] = {
    "": (Case("--version", prints("twigma, version"), True),),
    "hashtags": (
        Case("--work other", HASHTAGS("work"), OTHER),
        Case("--out other", HASHTAGS("out"), OTHER),
        Case("--hashtag art", HASHTAGS("seeds"), ("art",)),
    ),
    "collect": (
        Case("--work other", COLLECT("work"), OTHER, BUYING),
        Case("--hashtag art", COLLECT("hashtags"), ("art",), "--budget 1"),
        Case("--start 2022-06-01", COLLECT("start"), date(2022, 6, 1), BUYING),
        Case("--end 2022-06-30", COLLECT("end"), date(2022, 6, 30), BUYING),
        Case(
            "--dry-run",
            ESTIMATE("hashtags", "twigma.builder.collect.collect.collect"),
            ("dalle",),
            BUYING,
        ),
        *_api(COLLECT, BUYING),
    ),
    "ids": (
        Case("--column other", prints("ids.csv: 2 distinct ids"), True, "ids.csv"),
    ),
    "import": (Case("--work other", IMPORT("work"), OTHER, "archive.jsonl"),),
    "rehydrate": (
        Case("--work other", FETCH("work"), OTHER),
        Case("--ids ids.csv", LOOKUP("ids"), [str(10**18 + 7 * n) for n in range(9)]),
        Case("--column other", LOOKUP("ids"), [str(10**17), str(10**17 + 7)], LISTED),
        Case(
            "--select chosen.txt",
            LOOKUP("ids"),
            [str(10**18 + 7 * n) for n in (2, 5)],
            LISTED,
        ),
        Case("--sample 3", prints("sample: 3 of 9 ids"), True, f"{LISTED} --dry-run"),
        Case("--stratify kind", prints("3 strata of kind"), True, SAMPLED),
        Case("--seed 5", LOOKUP("ids"), DIFFERENT, f"{LISTED} --sample 3"),
        Case(
            "--dry-run",
            prints("9 to ask: 1 call", "twigma.rehydrate.sources.x.lookup.lookup"),
            True,
            LISTED,
        ),
        *_api(LOOKUP, LISTED),
        Case("--size large", FETCH("size"), "large"),
        Case("--image-size 256", FETCH("image_size"), 256),
        Case("--connections 5", FETCH("connections"), 5),
        *_engine(FETCH),
        Case("--shard-size 50", FETCH("rows_per_shard"), 50),
        Case("--retry failed,noai", FETCH("retry"), ("failed", "noai")),
    ),
    "add": (
        Case("--work other", ADD("work"), OTHER, "ids.csv"),
        Case("--group artist", ADD("group_key"), "artist", "ids.csv"),
        Case("--urls ids.csv", ADD_URLS("file"), Path("ids.csv")),
        Case("--shard-size 50", ADD("per_shard"), 50, "ids.csv"),
    ),
    "embed": (
        Case("--work other", EMBED("work"), OTHER),
        *_clip(EMBED),
        _commit(EMBED),
        Case("--precision bf16", EMBED("precision"), "bf16"),
        Case("--name siglip2", EMBED("name"), "siglip2"),
        Case("--replace", EMBED("replace"), True),
        Case("--device cuda:1", EMBED("device"), "cuda:1"),
        *_engine(EMBED),
        _shards(EMBED),
    ),
    "caption": (
        Case("--work other", CAPTION("work"), OTHER),
        Case("--model git", CAPTION("model"), "git"),
        _commit(CAPTION),
        Case("--name siglip2", CAPTION("name"), "siglip2"),
        Case("--replace", CAPTION("replace"), True),
        Case("--device cuda:1", CAPTION("device"), "cuda:1"),
        *_engine(CAPTION),
        _shards(CAPTION),
    ),
    "texts": (
        Case("--work other", TEXTS("work"), OTHER),
        *_clip(TEXTS),
        _commit(TEXTS),
        Case("--device cuda:1", TEXTS("device"), "cuda:1"),
        Case("--embedding siglip2", TEXTS("embedding"), "siglip2"),
    ),
    "nsfw": (
        Case("--work other", NSFW("work"), OTHER),
        Case("--detector head.zip", NSFW("detector"), Path("head.zip")),
        Case("--embedding siglip2", NSFW("embedding"), "siglip2"),
        *_engine(NSFW),
        _shards(NSFW),
    ),
    "dedupe": (
        Case("--work other", DEDUPE("work"), OTHER),
        Case("--near 0.9", DEDUPE("near"), 0.9),
        Case("--embedding siglip2", DEDUPE("embedding"), "siglip2"),
        *_engine(DEDUPE),
    ),
    "cluster": (
        Case("--work other", CLUSTER("work"), OTHER),
        Case("--clusters 7", CLUSTER("k"), 7),
        Case("--seed 5", CLUSTER("seed"), 5),
        Case("--embedding siglip2", CLUSTER("embedding"), "siglip2"),
        *_engine(CLUSTER),
    ),
    "assign": (Case("--work other", ASSIGN("work"), OTHER), *_engine(ASSIGN)),
    "choose-k": (
        Case("--work other", CHOOSE_K("work"), OTHER, "5 8"),
        Case("--embedding siglip2", CHOOSE_K("embedding"), "siglip2", "5 8"),
    ),
    "build": (
        Case("--work other", BUILD("work"), OTHER),
        *_clip(BUILD),
        Case("--captioner git", BUILD("captioner"), "git"),
        Case("--detector head.zip", BUILD("detector"), Path("head.zip")),
        Case("--precision bf16", BUILD("precision"), "bf16"),
        Case("--device cuda:1", BUILD("device"), "cuda:1"),
        *_engine(BUILD),
    ),
    "init": (Case("--work other", INIT("work"), OTHER),),
    "release": (
        *_engine(to("twigma.builder.release.release.release")),
        Case("--embeddings float32", leaves(embedding_type), "float"),
        Case("--work other", leaves(lambda: len(metadata())), 25),
        Case("--out elsewhere", leaves(Path("elsewhere/MANIFEST.json").exists), True),
        Case(
            "--version 2.0.0",
            leaves(
                lambda: json.loads(Path("twigma/MANIFEST.json").read_text("utf-8"))[
                    "version"
                ]
            ),
            "2.0.0",
        ),
        Case("--near-duplicates keep", leaves(lambda: len(metadata())), 27),
        Case(
            "--nsfw-threshold 0.5",
            leaves(lambda: bool((metadata()["nsfw_score"] <= 0.5).all())),
            True,
        ),
        Case(
            "--without cluster",
            leaves(lambda: bool(metadata()["label_10_cluster"].isna().all())),
            True,
        ),
        Case(
            "--select images.txt",
            leaves(lambda: len(metadata("part"))),
            2,
            "--out part",
        ),
    ),
    "publish hub": (
        Case("--go", HUB("go"), True, "acme/twigma"),
        Case("--gated manual", HUB("gated"), "manual", "acme/twigma"),
        Case("--private", HUB("private"), True, "acme/twigma"),
        Case("--public", HUB("private"), False, "acme/twigma"),
        Case("--erase-history", HUB("erase_history"), True, "acme/twigma"),
        Case("--space", on_hub(shown_spaces), ["acme/twigma-explorer"], SENT),
        Case(
            "--space-name acme/map", on_hub(shown_spaces), ["acme/map"], SENT_WITH_PAGE
        ),
        Case("--ids", on_hub(names_images), True, SENT_WITH_PAGE),
        Case("--work other", HUB("work"), OTHER, "acme/twigma"),
    ),
    "publish zenodo": (
        Case("--go", ZENODO("go"), True),
        Case("--record 12", ZENODO("record"), "12"),
        Case("--sandbox", ZENODO("sandbox"), True),
        Case("--work other", ZENODO("work"), OTHER),
    ),
    "liked": (
        Case("--work other", LIKED("work"), OTHER),
        Case("--out other", LIKED("out"), OTHER),
        Case("--all", LIKED("everything"), True),
        Case("--quantile 0.5", LIKED("quantile"), 0.5),
        Case("--per-author 3", LIKED("per_author"), 3),
        Case("--nsfw-threshold 0.2", LIKED("nsfw_threshold"), 0.2),
        Case("--captions text", LIKED("captions"), "text"),
        Case("--trigger mystyle", LIKED("trigger"), "mystyle"),
        Case("--min-side 512", LIKED("min_side"), 512),
        Case("--max-aspect 2", LIKED("max_aspect"), 2.0),
        Case("--resolution 512", LIKED("resolution"), 512),
        Case("--repeats 4", LIKED("repeats"), 4),
        Case("--acknowledge-x-terms", LIKED("acknowledge_x_terms"), True),
        Case("--webdataset", LIKED("webdataset"), True),
        Case("--select token", LIKED("select"), Path("token")),
    ),
    "sheets": (
        Case("--out elsewhere", leaves(Path("elsewhere/key.csv").exists), True),
        Case("--annotators 2", leaves(lambda: sheet_rows()[0]), 2),
        Case("--images 3", leaves(lambda: sheet_rows()[1]), 9),
        Case("--for nsfw_score", DRAW("column"), "nsfw_score"),
        Case("--n 7", DRAW("n"), 7, "--for nsfw_score"),
        Case("--width 0.1", DRAW("width"), 0.1, "--for nsfw_score"),
        Case("--pilot other", DRAW("pilot"), OTHER, "--for nsfw_score"),
        Case("--question Why?", DRAW("question"), "Why?", "--for nsfw_score"),
        Case("--work other", DRAW("work"), OTHER, "--for nsfw_score"),
        Case("--seed 5", SHEETS("seed"), 5),
    ),
    "label": (
        Case("--work other", to("twigma.open_images")("work"), OTHER, "work"),
        Case("--port 8001", LABEL("port"), 8001, "work"),
    ),
    "reference list": (Case("--refs other", RECORDS("refs"), OTHER),),
    "reference add": (
        Case("--refs other", REFERENCE("refs"), OTHER, "mine"),
        Case("--like other", REFERENCE("like"), OTHER, "mine"),
        Case(
            "--model ViT-B-32/laion2b", REFERENCE("model"), "ViT-B-32/laion2b", "mine"
        ),
        Case("--group artist", REFERENCE("group"), "artist", "mine"),
        Case("--column picture", REFERENCE("column"), "picture", "mine"),
        Case("--role paintings", REFERENCE("role"), "paintings", "mine"),
        Case("--licence CC0", REFERENCE("licence"), "CC0", "mine"),
        Case("--files *.zip", REFERENCE("files"), ("*.zip",), "mine"),
        Case("--parts 2,4-5", REFERENCE("parts"), [2, 4, 5], "mine"),
        Case("--revision abc", REFERENCE("revision"), "abc", "mine"),
    ),
    "analyze": (
        Case("--out other", ANALYZE("out"), OTHER),
        Case("--work other", ANALYZE("work"), OTHER),
        Case("--reference mine=other", ANALYZE("references"), {"mine": OTHER}),
        Case("--projection umap", ANALYZE("projection"), "umap"),
        Case("--thorough", ANALYZE("thorough"), True),
        Case("--sheets other", ANALYZE("sheets"), OTHER),
        Case("--select token", ANALYZE("select"), Path("token")),
        Case("--embedding siglip2", ANALYZE("embedding"), "siglip2"),
        Case("--seed 5", ANALYZE("seed"), 5),
        *_engine(ANALYZE),
    ),
    "report": (
        Case("--work work", REPORT("pictures"), DIFFERENT),
        Case("--reference mine=work", REPORT("pictures"), DIFFERENT),
    ),
    "explore": (
        Case("--out page.html", EXPLORE("out"), Path("page.html")),
        Case("--ids", EXPLORE("ids"), True),
        Case("--no-ids", EXPLORE("ids"), False),
        Case("--before other", EXPLORE("before"), OTHER),
        Case("--work other", SERVE("work"), OTHER),
        Case("--port 8001", SERVE("port"), 8001, "--work work"),
        Case("--embedding siglip2", SERVE("embedding"), "siglip2", "--work work"),
        Case("--model a/b", SERVE("model"), ("a", "b", None), "--work work"),
    ),
    "search": (
        Case("--image token", SEARCH("image"), Path("token")),
        Case("--release other", SEARCH("release"), OTHER, "castle"),
        Case("--most 5", SEARCH("most"), 5, "castle"),
        Case("--model ViT-B-32/openai", SEARCH("model"), "ViT-B-32", "castle"),
        Case("--out found.csv", SEARCH("out"), Path("found.csv"), "castle"),
        Case("--html found.html", SEARCH("html"), Path("found.html"), "castle"),
        Case("--work other", SEARCH("work"), OTHER, "castle"),
        Case("--embedding siglip2", SEARCH("embedding"), "siglip2", "castle"),
        Case("--device cpu", SEARCH("device"), "cpu", "castle"),
    ),
    "removals": (
        Case("--work other", REMOVALS("work"), OTHER, "requests.txt"),
        Case("--derived other", REMOVALS("derived"), (OTHER,), "requests.txt"),
    ),
    "status": (Case("--work other", STATUS("work"), OTHER),),
    "free": (
        Case("--work other", FREE("work"), OTHER),
        Case("--without caption", FREE("without"), ("caption",)),
        Case("--go", FREE("go"), True),
    ),
    "columns": (Case("--released", prints("author_id"), False),),
    "demo": (Case("--out other", DEMO("out"), OTHER),),
}
# What few need is set by the environment: the variable, a value, and what it reaches.
ENVIRONMENT = (
    Variable(
        "TWIGMA_X_URL", "http://h", f"collect {BUYING}", CLIENT("base_url"), "http://h"
    ),
    Variable(
        "TWIGMA_X_TOKEN_FILE",
        "token",
        f"collect {BUYING}",
        CLIENT("token"),
        "of-a-file",
    ),
    Variable(
        "TWIGMA_X_DIALECT", "current", f"collect {BUYING}", CLIENT("dialect"), "current"
    ),
    Variable(
        "TWIGMA_IMAGE_URL", "http://h", "rehydrate", FETCH("image_base_url"), "http://h"
    ),
    Variable(
        "TWIGMA_ALLOW_HOSTS",
        "127.0.0.1:80, h",
        "rehydrate",
        FETCH("allow_hosts"),
        ("127.0.0.1:80", "h"),
    ),
    Variable(
        "TWIGMA_HUB_URL", "http://h", "publish hub a/b", HUB("endpoint"), "http://h"
    ),
    Variable(
        "TWIGMA_HUB_URL",
        "http://h",
        "reference add mine",
        REFERENCE("endpoint"),
        "http://h",
    ),
    Variable(
        "TWIGMA_ZENODO_URL", "http://h", "publish zenodo", ZENODO("url"), "http://h"
    ),
)
# Arguments that have a default.
ARGUMENTS = (
    ("publish hub acme/twigma other", HUB("release"), OTHER),
    ("publish zenodo other", ZENODO("release"), OTHER),
    ("analyze other", ANALYZE("release"), OTHER),
    ("sheets other", SHEETS("release"), OTHER),
    ("label other", LABEL("folder"), OTHER),
    ("report other", REPORT("out"), OTHER),
    ("explore other", EXPLORE("release"), OTHER),
    ("search castle", SEARCH("text"), "castle"),
    ("choose-k 5 8", CHOOSE_K("ks"), (5, 8)),
)
ALL = [(command, case) for command, cases in TABLE.items() for case in cases]
