"""Every number and direction that the paper states, as claims; a module for each part of the paper."""

from twigma.analysis.paper.claims.paper_claims import NAMES, claims

__all__ = ["NAMES", "claims"]
