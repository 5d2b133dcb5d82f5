"""The texts of the demo's posts: what people write around a picture, and the hashtags.

`demo/world/build.py` writes them.
"""

from collections.abc import Sequence

from twigma.demo.drawing.scenery import Rng

HASHTAGS = (
    "aiart",
    "generativeart",
    "midjourney",
    "dalle",
    "dalle2",
    "stablediffusion",
)
BESIDE = (
    "digitalart",
    "ArtificialIntelligence",
    "art",
    "nft",
    "conceptart",
    "aiartcommunity",
)
LINK_LETTERS = list("abcdefghkmnpqrstuvwxyz23456789")
TAGGED = 0.85  # of live posts; the others are reachable through their ids only
TEMPLATES = (
    "new AI art: {}",
    "{}",
    "Prompt: {}",
    "my new prompt: {} ✨",
    "another AI generated image, {}",
    "{} — made with AI this morning",
    "just trying new prompts. {}",
    "good night from {} 🌙",
    "@{} look, {}",
    "AI art of the day: {}",
    "“{}”, what do you think?",
    "new art! {}. Prompt in the next post",
)
PROMPT_WORDS = (
    "highly detailed", "trending on artstation", "4k", "cinematic lighting", "soft light", "digital art", "style",
    "beautiful", "fantasy", "concept art", "sharp", "octane render", "by a great artist", "dream like", "misty",
)  # fmt: skip


def post_text(caption: str, tagged: bool, retweet: bool, rng: Rng) -> str:
    """The text of a post; `tagged` says whether it has one of HASHTAGS."""
    template = str(rng.choice(TEMPLATES))
    friend = str(rng.choice(["pixelfan", "ink_echo"]))
    # Where a template has two places, the first is for a friend.
    template = template.replace("{}", friend, template.count("{}") - 1)
    parts = [template.replace("{}", caption)]
    if tagged:
        many = int(rng.integers(1, 4))
        parts += [f"#{tag}" for tag in rng.choice(HASHTAGS, many, replace=False)]
    many = int(rng.integers(0, 3))
    parts += [f"#{tag}" for tag in rng.choice(BESIDE, many, replace=False)]
    link = "".join(rng.choice(LINK_LETTERS, 10))
    text = " ".join([*parts, f"https://t.co/{link}"])
    return f"RT @pixelfan: {text}" if retweet else text


def prompt_text(caption: str, extras: Sequence[str]) -> str:
    """A text-to-image prompt: what to show, then how."""
    return ", ".join([caption.removeprefix("a "), *extras])
