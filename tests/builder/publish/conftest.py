"""A loopback Hub, and a release to publish there."""

import shutil
import warnings

import pytest
from huggingface_hub import constants
from support.hub import Hub

from twigma.builder.publish.hub import publish_hub
from twigma.core.services import hub_calls
from twigma.core.services.backoff import BackoffPolicy

REPO = "acme/twigma"


@pytest.fixture
def hub(monkeypatch):
    # Large files through Git LFS: Xet is a service of its own.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    policy = BackoffPolicy(rate_limit_wait=0.0)
    monkeypatch.setattr(hub_calls, "RETRY", policy)
    monkeypatch.setattr(hub_calls.time, "sleep", lambda _: None)
    with Hub() as server, warnings.catch_warnings():
        # The Hub's client sends large files in a way that its HTTP client no longer likes.
        warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)
        yield server


@pytest.fixture
def twigma(made, tmp_path):
    """A release that may be changed."""
    shutil.copytree(made / "twigma", tmp_path / "twigma")
    return tmp_path / "twigma"


@pytest.fixture
def publish(hub, twigma, tmp_path):
    """Publish `twigma`, by default with --go and without a working folder."""

    def run(go=True, **options):
        options = {"endpoint": hub.url, "token": hub.token} | options
        options = {"work": tmp_path / "nowhere"} | options
        return publish_hub(twigma, REPO, go=go, **options)

    return run
