"""Sentences about a release that depend on where its images come from and on what it is; its texts share them.

The sources are those of the rows (`source`): posts on X, images added from files, or another by its name. What holds of
posts alone is not said of other images.
"""

from twigma.builder.release.card.facts import Facts
from twigma.builder.release.column_origins import license_url
from twigma.builder.release.identity import Identity

NO_CONTACT = "write in the Community tab, or to the address, of the page this dataset was downloaded from"
PAPER = "[arXiv:2306.08310](https://arxiv.org/abs/2306.08310)"
METHOD = (
    "Made with the software `twigma`, after the method of Chen & Zou (NeurIPS 2023 Datasets and Benchmarks,\n"
    f"{PAPER})."
)
HOW_POSTS_WERE_FOUND = {
    "search": "by a search for hashtags",
    "lookup": "from a list of their ids",
    "import": "in archives that somebody else had collected",
}


def contact(identity: Identity) -> str:
    """Where to write to, as the end of a sentence."""
    return f"write to {identity.contact}" if identity.contact else NO_CONTACT


def published_by(identity: Identity) -> str:
    """Who publishes the dataset, and how to reach them."""
    names = []
    for creator in identity.creators:
        name = creator.full_name
        if creator.orcid:
            name = f"[{name}](https://orcid.org/{creator.orcid})"
        if creator.affiliation:
            name += f" ({creator.affiliation})"
        names.append(name)
    who = ", ".join(names) or "not stated by whoever made it"
    return f"**Made by:** {who}. **Contact:** {contact(identity)}."


def summary(facts: Facts) -> str:
    """One sentence: how many images there are, on how many posts or from files, and from when to when."""
    months = list(facts.months)
    span = f", {months[0]} to {months[-1]}" if months else ""
    part = f" {selected(facts)}" if facts.part else ""
    if not facts.on_posts:
        return f"{facts.rows:,} images, added from files{span}.{part}"
    text = f"{facts.rows:,} images on {facts.posts:,} posts{span}."
    if facts.own:
        text = (
            f"{facts.rows:,} images: {facts.on_posts:,} on {facts.posts:,} posts{span}, and {facts.own:,} added from "
            "files."
        )
    return text + part


def selected(facts: Facts) -> str:
    """What the images were selected of; empty for a whole release."""
    if facts.part is None:
        return ""
    return (
        f"They are a selection, made by hand, of the {facts.part.of:,} images of {facts.part.dataset} that could be "
        "released."
    )


def platforms(facts: Facts) -> str:
    """The places where the posts are: "X", or the names of the sources."""
    names = [name for name in facts.images_by_source if name != "local"]
    return " and ".join("X" if name == "x" else name for name in names)


def collection(facts: Facts) -> str:
    """How the images were collected, in sentences."""
    sentences = []
    if facts.identity.source:
        sentences.append(facts.identity.source.rstrip(".") + ".")
    if facts.on_posts:
        ways = [HOW_POSTS_WERE_FOUND[kind] for kind in facts.collected]
        how = f" were found {' and '.join(ways)}" if ways else " were collected"
        sentences.append(
            f"The {facts.posts:,} posts of {platforms(facts)}{how}; their photos were fetched within the limits and "
            "opt-outs that their hosts state."
        )
    if facts.own:
        sentences.append(
            f"{facts.own:,} images were added from files of whoever made the dataset."
        )
    return " ".join(sentences)


def contents(facts: Facts) -> str:
    """What is inside and what is not, in two lines."""
    if not facts.on_posts:
        return (
            "**What is inside:** names of images, and columns computed from the pixels.\n"
            "**What is not:** the images themselves."
        )
    text = (
        "**What is inside:** ids of posts and images, counts, and columns computed from the pixels.\n"
        "**What is not:** no images, no text of posts, no user ids or names."
    )
    if facts.from_x:
        text += (
            " Anyone with access to the platform's API can\nlook the posts up again (`twigma rehydrate`), and sees "
            "what still stands there on that day."
        )
    return text


def licence(identity: Identity) -> str:
    """The licence of the table, linked where it has a page; says so where none is stated."""
    if not identity.license:
        return "no licence that its makers have stated: ask them before you use it"
    url = license_url(identity.license)
    return f"[{identity.license}]({url})" if url else identity.license


def rights(facts: Facts) -> str:
    """What the licence is of, and what it is not of."""
    text = f"This table is under {licence(facts.identity)}."
    if facts.on_posts:
        return (
            f"{text} The images and posts it points to keep their own copyright, and are\nsubject to the terms of the "
            "platform; they are not part of this release."
        )
    return f"{text} The images keep their own copyright; they are not part of this release."


def gate(facts: Facts) -> str:
    """What those who ask for access are shown: what they find, and requests. It takes back nothing of the licence."""
    parts = []
    if facts.is_sensitive:
        parts.append(
            "Some of the images may show nudity and other content that is not for all audiences."
        )
    if facts.identity.license:
        parts.append(
            f"The table is under {facts.identity.license}, whose terms are all that bind you in using it; the images "
            "belong to the people who made them."
        )
    else:
        parts.append("The images belong to the people who made them.")
    parts.append(
        "You are asked not to identify or profile people, and to drop what newer versions no longer hold."
    )
    if facts.on_posts:
        parts.append(
            "If you look posts up, the terms of the platform apply to what you get there."
        )
    return " ".join(parts)
