"""Bytes, hours and dollars of every stage for 1 million to 1 billion images, from the unit costs in
`docs/unit_costs.csv`; the tables of `docs/scale.md`.

python tools/make_scale.py                                    # write the page's tables
python tools/make_scale.py --check                            # exit code 1 when they are out of date, as a test asks
python tools/make_scale.py --images 5e6 --nodes 4 --cores 32  # print them for your own plan
"""

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, COSTS = DOCS / "scale.md", DOCS / "unit_costs.csv"
BEGIN, END = "<!-- tables: made by tools/make_scale.py -->", "<!-- end -->"
SIZES = (1e6, 1e7, 1e8, 1e9)
GB = 1e9
MILLION = 1e6
HOUR = 3600.0


@dataclass(frozen=True)
class UnitCost:
    """What one stage costs.

    worker      who works: "core", "GPU", or "service" (a remote one, whose speed more machines do not raise)
    seconds     of one worker for a million images
    serial      of those that a cluster cannot spread: seconds of the one driver for a million images
    fixed       seconds for any number of images
    power       of the number of images with which seconds grow: 1 for all but the search for near duplicates
    memory      bytes an image of the one process that sees all of them
    stored      bytes an image on disk
    price       dollars an image that a service charges
    basis       "measured" or "calculated"
    source      the command, or what it is calculated from
    """

    stage: str
    worker: str
    seconds: float
    serial: float
    fixed: float
    power: float
    memory: float
    stored: float
    price: float
    basis: str
    source: str

    def hours(self, images: float, workers: float) -> float:
        """Wall hours with so many workers."""
        if self.worker == "service":
            workers = 1
        spread = max(self.seconds - self.serial, 0) / workers
        return (self.fixed + self._growth(images) * (self.serial + spread)) / HOUR

    def worker_hours(self, images: float) -> float:
        """Hours of all workers together."""
        return (self.fixed + self._growth(images) * self.seconds) / HOUR

    def _growth(self, images: float) -> float:
        """How many times the work of a million images."""
        return float((images / MILLION) ** self.power)


@dataclass(frozen=True)
class Plan:
    """The machines and the prices; dollars."""

    nodes: int = 1
    cores: int = 16
    gpus: int = 1
    core_hour: float = 0.04
    gpu_hour: float = 3.0
    gb_month: float = 0.023

    def workers(self, cost: UnitCost) -> int:
        """Cores or GPUs that work on a stage."""
        return self.nodes * (self.gpus if cost.worker == "GPU" else self.cores)

    def hours(self, cost: UnitCost, images: float) -> float:
        """Wall hours of a stage."""
        return cost.hours(images, self.workers(cost))

    def dollars(self, cost: UnitCost, images: float) -> float:
        """What a stage costs, without storage."""
        rate = {"core": self.core_hour, "GPU": self.gpu_hour, "service": 0.0}
        return cost.price * images + rate[cost.worker] * cost.worker_hours(images)


def main() -> int:
    """Write, check or print the tables; the exit code."""
    options = _parser().parse_args()
    costs = read_costs()
    if options.images is not None:
        names = ("nodes", "cores", "gpus", "core_hour", "gpu_hour", "gb_month")
        plan = Plan(**{name: getattr(options, name) for name in names})
        print(plan_table(costs, [options.images], plan))
        return 0
    page = PAGE.read_text("utf-8")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    made = f"{head}{BEGIN}\n\n{tables(costs)}\n\n{END}{tail}"
    if not options.check:
        PAGE.write_text(made, "utf-8")
        return 0
    if made != page:
        print(f"{PAGE} is out of date: python tools/make_scale.py")
    return int(made != page)


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    plan = Plan()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--images", type=float, help="print a plan for so many")
    parser.add_argument("--nodes", type=int, default=plan.nodes)
    parser.add_argument("--cores", type=int, default=plan.cores, help="of a node")
    parser.add_argument("--gpus", type=int, default=plan.gpus, help="of a node")
    parser.add_argument("--core-hour", type=float, default=plan.core_hour, help="$")
    parser.add_argument("--gpu-hour", type=float, default=plan.gpu_hour, help="$")
    parser.add_argument("--gb-month", type=float, default=plan.gb_month, help="$")
    return parser


def read_costs(file: Path = COSTS) -> list[UnitCost]:
    """The unit costs, a row a stage."""
    texts = ("stage", "worker", "basis", "source")
    costs = []
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            numbers = {
                key: float(value) for key, value in row.items() if key not in texts
            }
            words = {key: row[key] for key in texts}
            costs.append(UnitCost(**words, **numbers))
    return costs


# ------------------------------------------------------------------ tables


def tables(costs: Sequence[UnitCost]) -> str:
    """All tables of the page."""
    one, ten = Plan(), Plan(nodes=10)
    prices = (
        f"at ${one.core_hour:g} a core hour, ${one.gpu_hour:g} a GPU hour, "
        f"${one.gb_month:g} a GB and month"
    )
    parts = [
        "### What a million images cost\n\n" + unit_table(costs),
        "### Bytes kept\n\n" + stored_table(costs),
        "### Memory that grows with the images, of the process that sees all of them\n\n"
        + memory_table(costs)
        + "\n\nTo this come, however few the images, 1.2 GB for `cluster`, 0.6 GB for `analyze` and 1.5 GB for "
        "`release` with\nembeddings.",
        "### Hours on one machine of 16 cores and a GPU\n\n" + hours_table(costs, one),
        "### Hours on ten of them\n\n" + hours_table(costs, ten),
        f"### Dollars, {prices}\n\n" + dollars_table(costs, one),
    ]
    return "\n\n".join(parts)


def unit_table(costs: Sequence[UnitCost]) -> str:
    """The unit costs themselves, with where they come from."""
    rows = []
    for cost in costs:
        seconds = f"{cost.seconds:,.0f}"
        serial = f"{cost.serial:,.0f}" if cost.serial else ""
        stored = f"{cost.stored:,.0f}" if cost.stored else ""
        source = f"{cost.basis}: {cost.source}"
        rows.append([cost.stage, cost.worker, seconds, serial, stored, source])
    heads = ["stage", "worker", "its seconds", "not spread, s", "bytes an image", ""]
    return markdown(heads, rows)


def stored_table(costs: Sequence[UnitCost]) -> str:
    """Bytes on disk by stage and number of images."""
    kept = [cost for cost in costs if cost.stored]

    def cell(cost: UnitCost, images: float) -> str:
        return size(cost.stored * images)

    rows = _by_size(kept, cell)
    total = sum(cost.stored for cost in kept)
    rows.append(["together", *(size(total * images) for images in SIZES)])
    return markdown(["made by", *_size_heads()], rows)


def memory_table(costs: Sequence[UnitCost]) -> str:
    """Bytes of memory by stage and number of images, of the stages that do not work by shard."""
    grown = [cost for cost in costs if cost.memory]

    def cell(cost: UnitCost, images: float) -> str:
        return size(cost.memory * images)

    return markdown(["stage", *_size_heads()], _by_size(grown, cell))


def hours_table(costs: Sequence[UnitCost], plan: Plan) -> str:
    """Wall hours by stage and number of images."""
    return markdown(
        ["stage", *_size_heads()],
        _by_size(costs, lambda cost, images: duration(plan.hours(cost, images))),
    )


def dollars_table(costs: Sequence[UnitCost], plan: Plan) -> str:
    """Dollars by stage and number of images, and of storage."""
    rows = _by_size(costs, lambda cost, images: money(plan.dollars(cost, images)))
    stored = sum(cost.stored for cost in costs)
    months = [money(stored * images / GB * plan.gb_month) for images in SIZES]
    rows.append(["all bytes kept, a month", *months])
    return markdown(["stage", *_size_heads()], rows)


def plan_table(costs: Sequence[UnitCost], sizes: Sequence[float], plan: Plan) -> str:
    """Bytes, hours and dollars of one plan."""
    rows = []
    for images in sizes:
        for cost in costs:
            stored = size(cost.stored * images) if cost.stored else ""
            hours = duration(plan.hours(cost, images))
            dollars = money(plan.dollars(cost, images))
            rows.append([cost.stage, hours, dollars, stored])
    return markdown(["stage", "time", "dollars", "kept"], rows)


def _by_size(
    costs: Sequence[UnitCost], cell: Callable[[UnitCost, float], str]
) -> list[list[str]]:
    return [[cost.stage, *(cell(cost, images) for images in SIZES)] for cost in costs]


def _size_heads() -> list[str]:
    return ["1M", "10M", "100M", "1B"]


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


# ------------------------------------------------------------------ numbers as people read them


def size(count: float) -> str:
    """
    >>> size(1.5e9), size(9.5e13)
    ('1.5 GB', '95 TB')
    """
    for unit, factor in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9)):
        if count >= factor:
            return f"{two_digits(count / factor)} {unit}"
    return f"{two_digits(count / 1e6)} MB"


def duration(hours: float) -> str:
    """
    >>> duration(.01), duration(5), duration(100), duration(30_000)
    ('36 s', '5 h', '4.2 d', '3.4 y')
    """
    if hours < 1 / 30:
        return f"{two_digits(hours * 3600)} s"
    if hours < 1.5:
        return f"{two_digits(hours * 60)} min"
    if hours < 72:
        return f"{two_digits(hours)} h"
    if hours < 24 * 365:
        return f"{two_digits(hours / 24)} d"
    return f"{two_digits(hours / 24 / 365)} y"


def money(dollars: float) -> str:
    """
    >>> money(.004), money(12.3), money(5e6)
    ('< $0.01', '$12', '$5,000,000')
    """
    if dollars == 0:
        return "—"
    return f"${two_digits(dollars)}" if dollars >= 0.01 else "< $0.01"


def two_digits(value: float) -> str:
    """
    >>> two_digits(1234.5), two_digits(.0123), two_digits(9.99)
    ('1,200', '0.012', '10')
    """
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


if __name__ == "__main__":
    sys.exit(main())
