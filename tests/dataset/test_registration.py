"""The name in `datasets`, and what is left of it when `datasets` renames what it privately calls something."""

from support import releasing

RENAMED = """
import warnings
import datasets, datasets.load, datasets.packaged_modules
{rename}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import twigma
    rows = twigma.load_dataset(split="train")
    stream = twigma.load_dataset("embeddings", split="train", streaming=True)
print(len(rows), len(list(stream)[0]["embedding"]), rows.column_names[0])
print(len(twigma.load_dataset(split="train", filters=[("like_count", ">=", 200)])))
print(caught[0].message)
"""
RENAMES = (
    "datasets.packaged_modules._NAMES = datasets.packaged_modules.__dict__.pop('_PACKAGED_DATASETS_MODULES')",
    "datasets.load.ANewFactory = datasets.load.__dict__.pop('PackagedDatasetModuleFactory')",
)
SENTENCE = "load_dataset('twigma') is not available, use twigma.load_dataset()"


def test_a_renamed_private_name_is_a_warning_and_the_data_still_loads(made, tmp_path):
    place = {"TWIGMA_DATA_DIR": str(made / "twigma")}
    for rename in RENAMES:
        said = releasing.run(tmp_path, RENAMED.format(rename=rename), **place)
        first, popular, warning = said.splitlines()
        assert first == f"26 {releasing.DIM} id"
        assert 0 < int(popular) < 26
        assert SENTENCE in warning


def test_a_look_for_datasets_is_no_import_of_it(made, tmp_path):
    """As by transformers: the name is registered once `datasets` is imported after all."""
    code = """
import importlib.util, twigma
assert importlib.util.find_spec("datasets") and importlib.util.find_spec("datasets")
import datasets
print(len(datasets.load_dataset("twigma", split="train")))
"""
    place = {"TWIGMA_DATA_DIR": str(made / "twigma")}
    assert releasing.run(tmp_path, code, **place).strip() == "26"


def test_an_unknown_datasets_can_be_imported_after_ours(tmp_path):
    (tmp_path / "datasets").mkdir()
    stub = "__version__ = '9.0'\nVALUE = 7\n"
    (tmp_path / "datasets/__init__.py").write_text(stub)
    code = """
import sys, warnings
sys.path.insert(0, ".")
import twigma
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import datasets
print(datasets.VALUE, len(caught), caught[0].message)
"""
    said = releasing.run(tmp_path, code)
    assert said.startswith("7 1 datasets 9.0 has changed")
    assert SENTENCE in said


def test_both_ways_of_loading_give_the_same_rows(made, tmp_path):
    code = """
import datasets, twigma
from twigma.dataset import registration
named = datasets.load_dataset("twigma", split="train")
built = registration._build("metadata", {"split": "train", "keep_in_memory": True})
print(named.features == built.features, named[:] == built[:])
"""
    place = {"TWIGMA_DATA_DIR": str(made / "twigma")}
    assert releasing.run(tmp_path, code, **place).split() == ["True", "True"]
