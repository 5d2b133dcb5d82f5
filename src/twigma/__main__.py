"""`python -m twigma`, which is `twigma` of this Python."""

from twigma.cli import main

main(prog_name="twigma")
