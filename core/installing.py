"""How a user installs an extra of this package, from where this copy of it came."""

import json
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname


def install_command(extra: str) -> str:
    """The pip command for an extra of this package, as `pip install '/home/me/twigma[models]'`.

    pip records where it installed a package from (PEP 610): a folder, an archive or a repository. Where nothing is
    recorded, the package came from an index by its name.
    """
    origin = _origin()
    url = origin.get("url", "")
    if "dir_info" in origin:
        editable = "-e " if origin["dir_info"].get("editable") else ""
        folder = url2pathname(urlsplit(url).path)
        return f"pip install {editable}'{folder}[{extra}]'"
    if url:
        scheme = origin["vcs_info"]["vcs"] + "+" if "vcs_info" in origin else ""
        return f"pip install 'twigma[{extra}] @ {scheme}{url}'"
    return f"pip install 'twigma[{extra}]'"


def _origin() -> dict[str, Any]:
    """What pip recorded of the installation; empty where it recorded nothing."""
    try:
        recorded = distribution("twigma").read_text("direct_url.json")
    except PackageNotFoundError:
        recorded = None
    return json.loads(recorded) if recorded else {}
