"""Files and folders as options name them: of this machine, or of an object store where a command can work there."""

import contextlib
import functools
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from twigma.core.safety.owned_folders import refuse_as_work
from twigma.core.storage.address import (
    ONE_SLASH,
    address_of,
    in_store,
    mirror_folder,
    parse,
)

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
USES = ("read", "write", "pages")  # each holds those before it
OPENED = "twigma.stores"  # key of click's context: what each address is used for
SHOWN = "twigma.addresses"  # and the address of each mirror


class LocalPath(click.Path):
    """A path on this machine; an address such as s3://bucket/work would become a local folder `s3:`."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """The path; a usage error for an address."""
        if ONE_SLASH.match(str(value)):
            scheme = str(value).partition(":")[0].lower()
            self.fail(
                f"expected {scheme}://BUCKET/FOLDER or a folder of this machine, found {value}; a folder of that name "
                f"is ./{value}",
                param,
                ctx,
            )
        if ADDRESS.match(str(value)):
            self.fail(
                f"expected a file or folder of this machine, found the address {value}: mount the storage here, or "
                "work on a local disk and copy the results",
                param,
                ctx,
            )
        # A shell leaves the ~ of `--work=~/mine` as it is.
        return super().convert(os.path.expanduser(value), param, ctx)  # noqa: PTH111


class StoreFolder(LocalPath):
    """A folder of this machine, or s3://BUCKET/FOLDER or gs://BUCKET/FOLDER: then its mirror, open for the command.

    `use` says for what: to `read`, to `write`, or to write and read `pages` too, which are on one machine.
    """

    def __init__(self, use: str) -> None:
        super().__init__(path_type=Path, file_okay=False)
        self.use = use

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """The folder, or the mirror of one; a usage error for an address of another kind."""
        address = _address(str(value))
        if address is None or ctx is None:
            folder = super().convert(value, param, ctx)
            if param is not None and param.name == "work":
                self._refuse_as_work(folder, param, ctx)
            return folder
        where = parse(address)
        folder = mirror_folder(where)
        ctx.meta.setdefault(SHOWN, {})[str(folder)] = str(where)
        uses = ctx.meta.setdefault(OPENED, {})
        before = uses.get(where.uri, self.use)
        uses[where.uri] = max(self.use, before, key=USES.index)
        if param is not None and param.name == "work":
            # Opened first and closed last: a release is made of what it holds.
            ctx.meta[OPENED] = {where.uri: uses.pop(where.uri), **uses}
        return folder

    def _refuse_as_work(
        self, folder: Path, param: click.Parameter, ctx: click.Context | None
    ) -> None:
        try:
            refuse_as_work(folder)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def with_addresses(text: str, ctx: click.Context) -> str:
    """A text with the address of each mirror that the command was given in place of its path."""
    for folder, address in ctx.meta.get(SHOWN, {}).items():
        text = text.replace(folder, address)
    return text


def in_stores(callback: Callable[..., Any]) -> Callable[..., Any]:
    """A command that has the mirrors of its folders open while it runs."""

    @functools.wraps(callback)
    def run(*arguments: Any, **options: Any) -> Any:
        uses = click.get_current_context().meta.pop(OPENED, {})
        with contextlib.ExitStack() as opened:
            for address, use in uses.items():
                opened.enter_context(_open(address, use))
            return callback(*arguments, **options)

    return run


def _open(address: str, use: str) -> AbstractContextManager[Path]:
    from twigma.core.storage.mirrors import local_copy, mirrored

    if use == "read":
        return local_copy(address)
    return mirrored(address, pages=use == "pages")


def _address(text: str) -> str | None:
    """The address in a store that this names, itself or by the path of its mirror; None for a local folder."""
    return text if in_store(text) else address_of(Path(text))


FOLDER = LocalPath(path_type=Path, file_okay=False)
FILE = LocalPath(path_type=Path, dir_okay=False)
EXISTING_FILE = LocalPath(path_type=Path, dir_okay=False, exists=True)
PATH = LocalPath(path_type=Path)
EXISTING = LocalPath(path_type=Path, exists=True)
STORE = StoreFolder("write")
STORE_WITH_PAGES = StoreFolder("pages")
STORE_TO_READ = StoreFolder("read")
