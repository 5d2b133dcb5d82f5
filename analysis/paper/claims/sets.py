"""What the paper states of the four sets: how far apart (Fig 2a to 2c) and how varied they are (Fig 3)."""

from collections.abc import Iterator, Mapping

from twigma.analysis.inference.intervals import Z
from twigma.analysis.paper import stated
from twigma.analysis.paper.claim import Claim

DEPENDS_ON_N = (
    "where a cluster is empty the unsmoothed divergence is infinite and the smoothed one grows with the logarithm of "
    "the number of images, which the paper does not give"
)
ALL = ("photographs", "paintings", "prompts")
PROMPTS_UNKNOWN = (
    "a p-value depends on the number of prompts, which the paper does not give"
)
AS_TEXTS = {
    "captions of our images": "Captions",
    "posts": "The words of the posts",
    "haiku": "A collection of haiku",
    "book": "A chapter of a book",
}


def set_claims(names: Mapping[str, str]) -> Iterator[Claim]:
    """Fig 2a to 2c."""
    ours, prompts = names["twigma"], names["prompts"]
    photographs, paintings = names["photographs"], names["paintings"]
    yield Claim(
        figure="Fig 2a",
        quantity="overlap of TWIGMA and DiffusionDB less the others",
        sentence="On the map TWIGMA and DiffusionDB overlap most; LAION, TWIGMA and ArtBench hardly.",
        stated="the largest",
        kind="highest",
        keys=(
            f"overlap/{ours}/{prompts}",
            f"overlap/{ours}/{photographs}",
            f"overlap/{ours}/{paintings}",
            f"overlap/{photographs}/{paintings}",
        ),
        roles=ALL,
        result="fig2a",
    )
    yield Claim(
        figure="Fig 2b",
        quantity="share in cluster 1, LAION less all others",
        sentence="Of four clusters of all images, the first is mostly LAION.",
        stated="above 0",
        kind="majority",
        keys=tuple(
            f"share/{name}/1" for name in (photographs, paintings, prompts, ours)
        ),
        roles=ALL,
        result="fig2b",
    )
    yield from _divergence(names)


def _divergence(names: Mapping[str, str]) -> Iterator[Claim]:
    """Fig 2c."""
    human = (names["photographs"], names["paintings"])
    made = (names["twigma"], names["prompts"])
    row, column = human
    yield Claim(
        figure="Fig 2c",
        quantity="KL(LAION‖ArtBench), the paper's recipe",
        sentence="The divergence of LAION from ArtBench is 5.42 nats.",
        stated=f"{stated.KL['photographs', 'paintings']}",
        kind="none",
        keys=(f"kl_paper/{row}/{column}",),
        value=stated.KL["photographs", "paintings"],
        rounding=0.005,
        roles=("photographs", "paintings"),
        result="fig2c",
        why=DEPENDS_ON_N,
    )
    between = [f"kl/{one}/{other}" for one in made for other in human]
    yield Claim(
        figure="Fig 2c",
        quantity="KL(TWIGMA‖DiffusionDB) less KL of AI images and human ones",
        sentence="AI images diverge far more from human ones than TWIGMA does from DiffusionDB.",
        stated="the smallest",
        kind="lowest",
        keys=(f"kl/{made[0]}/{made[1]}", *between),
        roles=ALL,
        result="fig2c",
    )


def variation_claims(names: Mapping[str, str]) -> Iterator[Claim]:
    """Fig 3."""
    yield from _distances(names)
    yield from _groups(names)
    lowest = names[stated.LOWEST_ENTROPY]
    others = [name for name in names.values() if name != lowest]
    yield Claim(
        figure="Fig 3b",
        quantity="entropy of TWIGMA less the others",
        sentence="Of the four sets TWIGMA has the lowest entropy.",
        stated="the smallest",
        kind="lowest",
        keys=tuple(f"entropy/{name}" for name in (lowest, *others)),
        roles=ALL,
        result="fig3ab",
    )
    yield from _prompt_length()
    yield from _texts()


def _distances(names: Mapping[str, str]) -> Iterator[Claim]:
    """Fig 3a, all of each set."""
    most = names[stated.MOST_VARIED]
    alike = [names[role] for role in stated.VARIED_ALIKE]
    yield Claim(
        figure="Fig 3a",
        quantity="mean distance, LAION less the others",
        sentence="LAION varies most, by the mean distance of two images.",
        stated="the largest",
        kind="highest",
        keys=tuple(f"distance/{name}" for name in (most, *alike)),
        roles=ALL,
        result="fig3ab",
    )
    yield Claim(
        figure="Fig 3a",
        quantity="mean distance, ArtBench, DiffusionDB and TWIGMA",
        sentence="ArtBench, DiffusionDB and TWIGMA vary similarly.",
        stated="similar",
        kind="alike",
        keys=tuple(f"distance/{name}" for name in alike),
        roles=("paintings", "prompts"),
        result="fig3ab",
    )


def _groups(names: Mapping[str, str]) -> Iterator[Claim]:
    """Fig 3a, within artists and prompts."""
    yield Claim(
        figure="Fig 3a",
        quantity="mean distance, same artist less all of ArtBench",
        sentence="Paintings by one artist vary less than all paintings.",
        stated="below 0",
        kind="negative",
        keys=("distance/same artist", f"distance/{names['paintings']}"),
        roles=("paintings",),
        result="fig3ab",
    )
    yield Claim(
        figure="Fig 3a",
        quantity="mean distance, same prompt / different prompt",
        sentence="Images of one prompt are about half as far apart as images of different prompts.",
        stated=f"about {stated.SAME_PROMPT_RATIO}",
        kind="amount",
        keys=("ratio/same prompt",),
        value=stated.SAME_PROMPT_RATIO,
        rounding=0.05,
        roles=("prompts",),
        result="fig3ab: same prompt",
    )


def _prompt_length() -> Iterator[Claim]:
    """Fig 3c."""
    tau, p = stated.PROMPT_TAU, stated.PROMPT_TAU_P
    half = Z * abs(tau) / stated.PROMPT_TAU_Z
    yield Claim(
        figure="Fig 3c",
        quantity="Kendall's τ, words and distance (interval from the p-value)",
        sentence="The longer a prompt, the less its images vary: Kendall's τ is −0.1.",
        stated=f"{tau}".replace("-", "−"),
        kind="correlation",
        keys=("prompt_tau",),
        value=tau,
        low=tau - half,
        high=tau + half,
        rounding=0.05,
        roles=("prompts",),
        result="fig3c",
    )
    yield Claim(
        figure="Fig 3c",
        quantity="p of that τ",
        sentence="That τ has p = 0.01.",
        stated=f"{p}",
        kind="none",
        value=p,
        roles=("prompts",),
        why=PROMPTS_UNKNOWN,
    )


def _texts() -> Iterator[Claim]:
    """Fig 3d."""
    for name in stated.TEXTS_ALIKE:
        yield Claim(
            figure="Fig 3d",
            quantity=f"mean distance of two texts, {name} less prompts",
            sentence=f"{AS_TEXTS[name]} vary as much as prompts.",
            stated="similar",
            kind="alike",
            keys=(f"texts/{name}",),
            part="difference",
            roles=("prompts",),
            result="fig3d",
        )
    for name in stated.TEXTS_LESS_VARIED:
        yield Claim(
            figure="Fig 3d",
            quantity=f"mean distance of two texts, {name} less prompts",
            sentence=f"{AS_TEXTS[name]} varies less than prompts.",
            stated="below 0",
            kind="negative",
            keys=(f"texts/{name}",),
            part="difference",
            roles=("prompts",),
            result="fig3d",
        )
