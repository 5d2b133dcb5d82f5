"""Public names of a package, imported from their modules when they are first used.

`twigma report` draws, and needs no estimator: importing all of a room for one of its modules would cost seconds.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, tuple[str, ...]]
) -> tuple[list[str], Callable[[str], Any]]:
    """The `__all__` and the `__getattr__` of a package.

    Parameters
    ----------
    package : its `__name__`.
    homes : public names by the module of the package, as "folder.module", that defines them. A name may not be that
        of a module of the package itself: whichever is imported last would win.
    """
    modules = {name: module for module, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return sorted(modules), get
