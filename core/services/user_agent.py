"""The name under which services see us: software, version, and an address that says what it is.

Zenodo refuses clients that go by the name of their HTTP library, as others do.
"""

from twigma import __version__

PROJECT_URL = "https://arxiv.org/abs/2306.08310"
USER_AGENT = f"twigma/{__version__} (+{PROJECT_URL})"
