"""Sentences about what users of a release should know first: limits, gaps, biases, uses. `wording.py` has the rest."""

from twigma.builder.release.card.facts import SENSITIVE, Facts
from twigma.builder.release.card.wording import selected


def limits(facts: Facts) -> list[str]:
    """What a reader has to know before using it, each as one paragraph with its heading in bold."""
    return [f"**{name}.** {text}" for name, text in [*biases(facts), *gaps(facts)]]


def biases(facts: Facts) -> list[tuple[str, str]]:
    """Who and what is in it more than elsewhere, by heading."""
    listed = []
    if facts.part is not None:
        listed.append(
            (
                "A selection",
                f"{selected(facts)} Shares, trends and comparisons hold of the selection alone, and not of that "
                "dataset.",
            )
        )
    if "search" in facts.collected:
        listed.append(
            (
                "Hashtags decide who is in it",
                "Posts were found by hashtags that their authors chose: people who do not mark their images are "
                "missing, and a mark is no proof of what an image is.",
            )
        )
    if facts.on_posts:
        listed.append(
            (
                "Survivors only",
                "Posts that were deleted, and accounts that were suspended or protected, before the look-up are "
                "missing, and not at random.",
            )
        )
    if facts.own:
        listed.append(
            (
                "Chosen by hand",
                f"{facts.own:,} of {facts.rows:,} images are those that somebody had and added: they are no sample of "
                "anything wider.",
            )
        )
    if facts.origins:
        listed.append(
            (
                "Values of models",
                "Embeddings, captions and scores carry the errors and biases of the data their models were trained on.",
            )
        )
    return listed


def gaps(facts: Facts) -> list[tuple[str, str]]:
    """What is missing or inexact, by heading."""
    listed = []
    left_out = facts.found - facts.rows
    if left_out:
        listed.append(
            (
                "Not everything",
                f"{left_out:,} of {facts.found:,} rows were left out, each for a stated reason.",
            )
        )
    if facts.on_posts:
        listed.append(
            (
                "Counts are snapshots",
                "Likes, quotes and replies are those of the day of the look-up; younger posts had less time.",
            )
        )
    counts = [f"`{name}` {count:,}" for name, count in facts.missing.items()]
    if counts:
        listed.append(
            (
                "Missing values",
                f"Null means not known, and never 0. Rows without a value, of {facts.rows:,}: {', '.join(counts)}.",
            )
        )
    if facts.has("all_captions") or facts.has("nsfw_score"):
        mark = ""
        if facts.on_posts:
            mark = " `possibly_sensitive` is the author's or the platform's mark."
        listed.append(
            (
                "Captions and NSFW scores are guesses of models",
                f"A low score does not make an image safe, a high one does not make it unsafe.{mark}",
            )
        )
    listed.append(
        (
            "Duplicates",
            "They are found by media id and by pixels or embedding: a crop or a heavy edit remains as an image of its "
            "own.",
        )
    )
    return listed


def sensitive(facts: Facts) -> str:
    """What personal or sensitive information there is, counted."""
    if facts.on_posts:
        what = (
            "Ids of public posts, which lead whoever has access to the platform to posts of people; no user ids, no "
            "names, no text of posts, no images."
        )
    else:
        what = (
            "Names of images as their files have them; no images, no users, no texts."
        )
    counts = []
    if facts.has("possibly_sensitive"):
        counts.append(f"{facts.marked:,} are on posts marked as possibly sensitive")
    if facts.has("nsfw_score"):
        counts.append(f"{facts.scored_above:,} have an nsfw_score above {SENSITIVE:g}")
    if counts:
        what += f" Of {facts.rows:,} images, {' and '.join(counts)}."
    return what


def uses(facts: Facts) -> list[str]:
    """What it is good for."""
    listed = ["Themes of images, and how they change with time."]
    if not facts.days:
        listed = ["Themes of images."]
    if facts.embeddings:
        listed.append("Distances between this set of images and others.")
    if facts.has("like_count"):
        listed.append("Which images are liked.")
    return listed


def not_for(facts: Facts) -> str:
    """What it is not good for, as the end of a sentence."""
    text = "identifying or profiling people"
    if facts.on_posts:
        text += ", or ranking authors"
    if facts.from_x:
        text += (
            "; nor, for the posts and images behind the ids, training foundation models, which the developer agreement "
            "of the platform forbids"
        )
    return text


def synthetic(facts: Facts) -> str:
    """Whether the images or the columns were made by generative models."""
    images = {
        True: "The images were made by generative models.",
        False: "The images were not made by generative models.",
        None: "Whether generative models made the images is not stated.",
    }[facts.identity.ai_generated]
    if facts.has("all_captions"):
        images += " The captions were written by a model."
    return images


def has_synthetic(facts: Facts) -> bool:
    """Whether anything in it was made by a generative model."""
    return facts.identity.ai_generated is True or facts.has("all_captions")
