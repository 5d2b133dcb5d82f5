"""What can be chosen about a fine-tuning set, and its checks."""

from dataclasses import dataclass

QUANTILE = 0.9  # the top tenth
PER_AUTHOR = 10  # images
NSFW = 0.5  # the highest score
RESOLUTION = 1024  # pixels: SDXL and later; 512 for Stable Diffusion 1.5
STEP = 64  # trainers' buckets have sides of multiples of this many pixels
# What `captions` may be, and the column it is.
CAPTION_COLUMNS = {"caption": "all_captions", "prompt": "prompt", "text": "text"}


@dataclass(frozen=True)
class Settings:
    """The choices that decide which images are in the set, with what text, and for what training.

    Raises ValueError for a value out of range.
    """

    everything: bool = False  # every image that may be trained on, liked or not
    quantile: float = QUANTILE
    per_author: int = PER_AUTHOR
    nsfw_threshold: float = NSFW
    captions: str = "caption"
    trigger: str = ""
    min_side: int = 0  # pixels; 0 for any
    max_aspect: float = 0  # longer side by shorter side; 0 for any
    resolution: int = RESOLUTION
    repeats: int = 1
    webdataset: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _require(
            0 <= self.quantile < 1,
            f"quantile: expected a share from 0 to below 1, found {self.quantile}",
        )
        _require(
            self.per_author >= 1,
            f"per_author: expected at least 1 image of an author, found {self.per_author}",
        )
        _require(
            0 <= self.nsfw_threshold <= 1,
            f"nsfw_threshold: expected a score from 0 to 1, found {self.nsfw_threshold}",
        )
        _require(
            self.captions in CAPTION_COLUMNS,
            f"captions: expected {' or '.join(CAPTION_COLUMNS)}, found {self.captions!r}",
        )
        _require(
            self.trigger == " ".join(self.trigger.split()),
            f"trigger: expected words on one line, found {self.trigger!r}",
        )
        _require(
            self.min_side >= 0,
            f"min_side: expected a number of pixels, found {self.min_side}",
        )
        _require(
            self.max_aspect == 0 or self.max_aspect >= 1,
            f"max_aspect: expected 1 (squares only) or more, found {self.max_aspect}",
        )
        _require(
            self.resolution >= 4 * STEP and self.resolution % STEP == 0,
            f"resolution: expected a multiple of {STEP} from {4 * STEP} pixels, found {self.resolution}",
        )
        _require(
            self.repeats >= 1,
            f"repeats: expected at least 1, found {self.repeats}",
        )


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
