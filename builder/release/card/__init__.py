"""What a release says of itself to readers: the dataset card and the datasheet, from its rows and its identity."""

from twigma.builder.release.card.card import card
from twigma.builder.release.card.datasheet import datasheet
from twigma.builder.release.card.facts import Facts

__all__ = ["Facts", "card", "datasheet"]
