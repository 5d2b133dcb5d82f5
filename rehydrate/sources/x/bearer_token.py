"""The bearer token of the X API: where it is read from, and what one looks like. It appears in no message."""

import os
import re
import stat
from pathlib import Path

TOKEN_VARIABLE = "X_BEARER_TOKEN"
TOKEN_FILE = Path("~/.config/twigma/x_token")


def read_token(path: Path | None = None) -> str:
    """The bearer token: from `path` where there is one, else from $X_BEARER_TOKEN, else from ~/.config/twigma/x_token.

    Raises PermissionError when there is none or when others may read the file, ValueError when it is not a token.
    """
    if path is None and os.environ.get(TOKEN_VARIABLE):
        return check_token(os.environ[TOKEN_VARIABLE], f"${TOKEN_VARIABLE}")
    file = Path(path or TOKEN_FILE).expanduser()
    try:
        with file.open(encoding="ascii", errors="replace") as handle:
            mode = stat.S_IMODE(os.fstat(handle.fileno()).st_mode)
            if mode & 0o077:
                raise PermissionError(
                    f"{file} has mode {mode:04o}, so others can read the token: chmod 600 {file}"
                )
            return check_token(handle.read(), str(file))
    except FileNotFoundError:
        raise PermissionError(
            f"no X API token: set ${TOKEN_VARIABLE}, or write the bearer token to {file} with mode 0600"
        ) from None


def check_token(token: str, where: str) -> str:
    """The token without white space around it; ValueError, naming `where` it is from, when it is not one."""
    token = token.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError(
            f"{where}: expected a bearer token on one line, found {len(token)} other characters"
        )
    return token
