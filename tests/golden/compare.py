"""Two texts compared line by line: words exactly, numbers within a tolerance."""

import difflib
import re

NUMBER = re.compile(r"(?<![\w.])[-−]?\d[\d,]*(?:\.\d+)?(?:e[-+−]?\d+)?(?![\w.]*\d{12})")
NEAR = 0.01  # of a number; CPUs multiply matrices in another order and in other precisions, and train other models
LAST = 1.01  # units of the last digit of a number with a decimal point, which rounding may move


def difference(golden: str, found: str, name: str) -> str:
    """A unified diff of what really differs; empty when nothing does."""
    old = golden.splitlines()
    new = settle(old, found.splitlines())
    lines = difflib.unified_diff(
        old, new, f"tests/golden/{name}", f"{name} as it is now", lineterm="", n=2
    )
    return "\n".join(lines)


def settle(old: list[str], new: list[str]) -> list[str]:
    """`new` with the lines of `old` wherever the words are equal and the numbers near enough."""
    skeletons = [[NUMBER.sub("#", line) for line in lines] for lines in (old, new)]
    matcher = difflib.SequenceMatcher(None, *skeletons, autojunk=False)
    settled = list(new)
    for tag, start, end, at, _ in matcher.get_opcodes():
        if tag == "equal":
            for i in range(end - start):
                if _near(old[start + i], new[at + i]):
                    settled[at + i] = old[start + i]
    return settled


def _near(old: str, new: str) -> bool:
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    return all(_numbers_near(a, b) for a, b in pairs)


def _numbers_near(old: str, new: str) -> bool:
    if old == new:
        return True
    a, b = _number(old), _number(new)
    slack = NEAR * abs(a)
    if "." in old or "." in new:
        slack = max(slack, LAST * max(_unit(old), _unit(new)))
    return abs(a - b) <= slack


def _number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def _unit(text: str) -> float:
    """One in the last digit."""
    mantissa, _, exponent = text.replace("−", "-").partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - decimals)
