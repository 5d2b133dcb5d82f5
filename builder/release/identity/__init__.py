"""What a dataset is: title, creators, contact, licence, source and citation, of a working folder and its releases."""

from twigma.builder.release.identity.dataset_identity import TWIGMA, Creator, Identity
from twigma.builder.release.identity.load import (
    identity_of_release,
    init,
    load_identity,
)

__all__ = [
    "TWIGMA",
    "Creator",
    "Identity",
    "identity_of_release",
    "init",
    "load_identity",
]
