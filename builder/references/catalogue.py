"""The reference sets that are known by name: what each is for, where it comes from, its licence, what is downloaded.

`twigma reference list` prints them, `twigma reference add NAME` makes them. The data is not ours, nor are the licences.
"""

from dataclasses import dataclass

ARTBENCH = "alfredplpl/artbench-pd-256x256"
CAPTIONS = "google-research-datasets/conceptual_captions"
LAION = "https://sisap-23-challenge.s3.amazonaws.com/SISAP23-Challenge/laion2B-en-clip768v2-n=300K.h5"
GUTENBERG = "https://www.gutenberg.org/cache/epub/11/pg11.txt"
LAION_NOTE = (
    "The embeddings are those LAION published with LAION-5B, made by OpenAI's CLIP ViT-L/14; the file does not name "
    "the model, and they were not made by this program: preprocessing and rounding may differ a little."
)


@dataclass(frozen=True)
class Known:
    """One set of the table: `repo` is a dataset of the Hub, of which `files` are fetched; else `url` is one file."""

    name: str
    kind: str  # images, embeddings, texts
    use: str
    licence: str
    download: str
    repo: str = ""
    files: tuple[str, ...] = ()
    url: str = ""
    checksum: str | None = None  # of the file at `url`
    role: str | None = None  # whose place it takes in the figures
    group: str | None = None  # column of the artist or prompt
    column: str | None = None  # column of the text
    model: str | None = None  # that made the embeddings, of a set of such
    whole_words: bool = False  # texts whose words are run together are left out
    note: str = ""

    @property
    def origin(self) -> str:
        """Address of the data."""
        if not self.repo:
            return self.url
        return f"https://huggingface.co/datasets/{self.repo}"


_TABLE = (
    Known(
        "diffusiondb", "images", "AI images by prompt (Fig 2, 3a, 3c)", "CC0 1.0",
        "195 MB of metadata, then 0.6 GB for each part of 1,000 images (--parts)",
        repo="poloclub/diffusiondb", role="prompts", group="prompt",
        note="Images blurred as NSFW are left out; repeats of (prompt, seed, cfg, step, sampler) are marked. "
        "`twigma texts --work refs/diffusiondb` embeds the prompts for Fig 3d.",
    ),
    Known(
        "artbench", "images", "paintings by artist (Fig 2, 3a, 4e, Eq 1)",
        "ArtBench-10's public-domain paintings (card: MIT)", "1.5 GB",
        repo=ARTBENCH, files=("data/*.parquet",), role="paintings", group="artist",
    ),
    Known(
        "laion", "embeddings", "photographs and other web images (Fig 2, 3a, Eq 1)",
        "CC BY 4.0 for LAION's metadata; the images have licences of their own", "0.5 GB",
        url=LAION, checksum="d238b4b037c32bae41e497f95dffa895", role="photographs", model="ViT-L-14/openai",
        note=LAION_NOTE,
    ),
    Known(
        "captions", "texts", "captions of web images (Fig 3d)", "free use, with credit to Google (Conceptual Captions)",
        "1.8 MB", repo=CAPTIONS, files=("unlabeled/validation-*.parquet",), column="caption",
    ),
    Known(
        "haiku", "texts", "haiku (Fig 3d)", "none stated", "a few MB", repo="statworx/haiku",
        files=("*.parquet", "*.csv"), column="text", whole_words=True,
        note="Rows with words run together are left out.",
    ),
    Known(
        "news", "texts", "summaries of CNN and Daily Mail news (Fig 3d)", "Apache-2.0", "about 35 MB",
        repo="abisee/cnn_dailymail", files=("3.0.0/validation-*.parquet",), column="highlights",
    ),
    Known(
        "book", "texts", "sentences of a book (Fig 3d)", "public domain in the US (Project Gutenberg)", "0.2 MB",
        url=GUTENBERG, note="Alice's Adventures in Wonderland; for another: `twigma reference add book FILE.txt`.",
    ),
)  # fmt: skip
TABLE = {known.name: known for known in _TABLE}
