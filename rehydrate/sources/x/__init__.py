"""The X API v2: the client, the look-up of posts by id, and what it costs.

`bearer_token.py`, `dialects.py` and `refusals.py` are what the client reads, asks for, and raises; `lookup.py` is the
function behind `twigma rehydrate --ids`.
"""

from twigma.rehydrate.sources.x.bearer_token import read_token
from twigma.rehydrate.sources.x.budget import Budget, LookupPlan, plan_lookup
from twigma.rehydrate.sources.x.client import XClient
from twigma.rehydrate.sources.x.refusals import ApiError

__all__ = ["ApiError", "Budget", "LookupPlan", "XClient", "plan_lookup", "read_token"]
