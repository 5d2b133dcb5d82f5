"""The name `twigma` in `datasets`: after `import twigma`, `datasets.load_dataset("twigma")` works in any folder.

`datasets` has no public way to add a name, so this uses private ones; where a later version has renamed them, a warning
says so, and `twigma.load_dataset` builds the dataset without them. It imports the standard library only.
"""

import importlib.abc
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

NAME = "twigma"
LOADER = Path(__file__).with_name("loader.py")  # its hash is in the cache's key
PREPARE_OPTIONS = (
    "download_config",
    "download_mode",
    "verification_mode",
    "num_proc",
    "storage_options",
)


def load_dataset(name: str = "metadata", **options: Any) -> Any:
    """Load a configuration as `datasets.load_dataset` does, also where the name could not be registered."""
    import datasets

    if register():
        return datasets.load_dataset(NAME, name, **options)
    return _build(name, options)


# ------------------------------------------------------------------ registering


def register() -> bool:
    """Teach `datasets` the name; done at `import twigma`, or when `datasets` is imported.

    False, with a warning, where `datasets` has renamed what this needs.
    """
    try:
        _add_name()
    except (ImportError, AttributeError, TypeError) as error:
        version = getattr(sys.modules.get("datasets"), "__version__", "?")
        warnings.warn(
            f"datasets {version} has changed ({error}): datasets.load_dataset({NAME!r}) is not available, "
            "use twigma.load_dataset()",
            stacklevel=2,
        )
        return False
    return True


def _add_name() -> None:
    """Packaged datasets are looked up by name before any folder or the Hub; ours becomes one of them.

    The stock factory scans the working folder for data files; ours leaves that to the builder, and every other name to
    the stock factory.
    """
    import datasets.load
    from datasets.data_files import DataFilesDict
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES as MODULES

    if NAME in MODULES:
        return
    stock: Any = datasets.load.PackagedDatasetModuleFactory
    result: Any = datasets.load.DatasetModule

    class Factory(stock):  # type: ignore[misc]
        def get_module(self) -> Any:
            if self.name != NAME or self.data_files is not None:
                return super().get_module()
            module, code = MODULES[NAME]
            arguments = {
                "dataset_name": NAME,
                "data_files": DataFilesDict(),
                "data_dir": self.data_dir,
            }
            return result(module, code, arguments)

    MODULES[NAME] = ("twigma.dataset.loader", _loader_hash())
    datasets.load.PackagedDatasetModuleFactory = Factory


def _loader_hash() -> str:
    from twigma.dataset.release_folder import sha256

    return sha256(LOADER)


# ------------------------------------------------------------------ without the name


def _build(name: str, options: dict[str, Any]) -> Any:
    """What `datasets.load_dataset` does with a builder, by public methods only."""
    from twigma.dataset.loader import Twigma

    options = dict(options)
    split = options.pop("split", None)
    streaming = options.pop("streaming", False)
    in_memory = options.pop("keep_in_memory", None)
    prepare = {key: options.pop(key) for key in PREPARE_OPTIONS if key in options}
    # What is left are arguments of the builder, and options of its configuration.
    builder = Twigma(
        dataset_name=NAME, config_name=name, hash=_loader_hash(), **options
    )
    if streaming:
        return builder.as_streaming_dataset(split=split)
    builder.download_and_prepare(**prepare)
    return builder.as_dataset(split=split, in_memory=bool(in_memory))


# ------------------------------------------------------------------ the import hook


def register_when_imported() -> None:
    """Register at once if `datasets` is imported already, else right after it is: importing it takes seconds."""
    if "datasets" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _Hook())


class _Hook(importlib.abc.MetaPathFinder):
    """Calls `register` right after `datasets` has been imported; a mere look for it, as by transformers, does not."""

    def __init__(self) -> None:
        self._is_looking = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find `datasets` as the other finders do, and wrap its execution."""
        if fullname != "datasets" or self._is_looking:
            return None
        self._is_looking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._is_looking = False
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            sys.meta_path.remove(self)
            execute(module)
            register()

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
