"""The tables of docs/scale.md are those of its unit costs; hours and dollars follow by plain arithmetic."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "make_scale.py"


def run(*words):
    return subprocess.run(
        [sys.executable, TOOL, *words], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def make_scale():
    spec = importlib.util.spec_from_file_location("make_scale", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_scale"] = module  # where a dataclass looks for its module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_scale"]


def test_the_page_is_current():
    done = run("--check")
    assert done.returncode == 0, done.stdout


def test_a_changed_cost_is_noticed(make_scale, tmp_path):
    changed = tmp_path / "costs.csv"
    changed.write_text(make_scale.COSTS.read_text().replace(",2200,", ",2300,"))
    assert make_scale.tables(make_scale.read_costs(changed)) != make_scale.tables(
        make_scale.read_costs()
    )


def cost(make_scale, **given):
    values = {
        "stage": "embed",
        "worker": "core",
        "seconds": 3600.0,
        "serial": 0.0,
        "fixed": 0.0,
        "power": 1.0,
        "memory": 0.0,
        "stored": 0.0,
        "price": 0.0,
        "basis": "measured",
        "source": "",
    }
    return make_scale.UnitCost(**values | given)


@pytest.mark.parametrize(
    ("given", "hours"),
    [
        ({}, 10 / 16),
        ({"worker": "GPU"}, 10.0),
        ({"worker": "service"}, 10.0),
        ({"serial": 3600.0}, 10.0),
        ({"fixed": 3600.0}, 1 + 10 / 16),
        ({"power": 2.0}, 100 / 16),
    ],
)
def test_hours_of_ten_million(make_scale, given, hours):
    plan = make_scale.Plan(cores=16, gpus=1)
    assert plan.hours(cost(make_scale, **given), 1e7) == pytest.approx(hours)


def test_ten_nodes_spread_what_can_be_spread(make_scale):
    plan = make_scale.Plan(nodes=10, cores=16)
    half = cost(make_scale, serial=1800.0)
    assert plan.hours(half, 1e6) == pytest.approx(0.5 + 0.5 / 160)


def test_dollars(make_scale):
    plan = make_scale.Plan(core_hour=0.5, gpu_hour=4.0)
    assert plan.dollars(cost(make_scale), 2e6) == pytest.approx(1.0)
    assert plan.dollars(cost(make_scale, worker="GPU"), 2e6) == pytest.approx(8.0)
    sold = cost(make_scale, worker="service", price=0.001)
    assert plan.dollars(sold, 2e6) == pytest.approx(2000.0)


def test_a_plan_of_ones_own_is_printed():
    done = run("--images", "5e6", "--nodes", "4", "--gpus", "2")
    assert done.returncode == 0, done.stderr
    assert "| fetch images | 2.9 min | $0.12 | 430 GB |" in done.stdout
