"""hyphad and the reference server side by side, in one run: what each costs, and the ratio.

python tests/bench/run.py [--only NAME] [--reference-python PYTHON] [--quick] [--report FILE.md]

The reference is any Python that has the PyPI package `hypha`; without one, hyphad's numbers stand
alone. Rounds alternate between the servers, so that a busy machine is busy for both; the medians
of the rounds are shown. No number here is a test: machines differ, ratios less.
"""

import argparse
import contextlib
import multiprocessing
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import curves
from awake import awake
from families import FAMILIES
from measure import Effort, Family, Result, Round
from servers import FLOOR, REFERENCE, Lab, Target, raise_file_limit
from table import markdown

QUICK = Effort(0.2)
ROUND_SECONDS = 600
GIVE_UP = 2  # failed rounds of one family


def main() -> int:
    arguments = parser().parse_args()
    families = [FAMILIES[name] for name in arguments.only or FAMILIES]
    effort = QUICK if arguments.quick else Effort()
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    results: list[Result] = []
    with (
        awake() if arguments.awake else contextlib.nullcontext(),
        tempfile.TemporaryDirectory(prefix="hyphad-bench-") as folder,
        Lab(Path(folder), arguments.reference_python) as lab,
    ):
        for family in families:
            results += measure(lab, family, effort, rounds)
        drawn = curves.draw(lab, arguments.quick) if arguments.curves else []
    table = machine() + "\n\n" + markdown(results)
    print(table)
    if drawn:
        print(curves.tables(drawn))
    if arguments.report:
        charts = curves.charts(drawn, arguments.report)
        arguments.report.write_text(f"# hyphad measured\n\n{table}\n{charts}")
        print(f"Written to {arguments.report}")
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        description="Measure hyphad, and the reference server beside it.",
    )
    result.add_argument(
        "--only", action="append", choices=FAMILIES, metavar="NAME",
        help=f"one family of measures ({', '.join(FAMILIES)}); may be repeated",
    )  # fmt: skip
    result.add_argument(
        "--reference-python", metavar="PYTHON", default=os.environ.get("HYPHAD_BENCH_REFERENCE"),
        help="a Python with the package hypha (default: $HYPHAD_BENCH_REFERENCE)",
    )  # fmt: skip
    result.add_argument("--rounds", type=int, help="rounds of each server (default 5)")
    result.add_argument("--quick", action="store_true", help="one short round: does it run?")
    result.add_argument(
        "--awake", action="store_true", help="keep processors from sleeping (virtual machines)"
    )
    result.add_argument(
        "--curves", action="store_true", help="how costs grow, with charts; minutes"
    )
    result.add_argument("--report", type=Path, metavar="FILE.md", help="write a report as well")
    return result


def measure(lab: Lab, family: Family, effort: Effort, rounds: int) -> list[Result]:
    """All rounds of one family, the servers in turn."""
    results = {m.key: Result(m) for m in family.measures}
    kinds = [*lab.kinds, FLOOR] if family.floor else lab.kinds
    failures = dict.fromkeys(kinds, 0)
    with servers(lab, family, kinds) as target:
        for number in range(rounds):
            for kind in kinds if number % 2 == 0 else reversed(kinds):
                if failures[kind] == GIVE_UP:
                    continue
                note(f"{family.name}, round {number + 1} of {rounds}, {kind}")
                try:
                    values = in_process(family, target(kind), effort)
                except Exception as error:
                    failures[kind] += 1
                    note(f"{family.name} fails on {kind}: {type(error).__name__}: {error}")
                    continue
                for key, value in values.items():
                    results[key].values.setdefault(kind, []).append(value)
    return list(results.values())


@contextlib.contextmanager
def servers(lab: Lab, family: Family, kinds: list[str]) -> Iterator[Callable[[str], Target]]:
    """Gives the running server of a kind: always the same, or a new one at each call."""
    running: dict[str, Target] = {}

    def target(kind: str) -> Target:
        if family.fresh and kind in running:
            lab.stop(running.pop(kind).pid)
        if kind not in running:
            flags = family.reference_flags if kind == REFERENCE else ()
            running[kind] = lab.start(kind, twice=family.fresh, flags=flags)
        return running[kind]

    try:
        yield target
    finally:
        for server in running.values():
            lab.stop(server.pid)


def in_process(family: Family, target: Target, effort: Effort) -> Round:
    """One round, in a process that ends with it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, raise_file_limit) as pool:
        return pool.submit(family.run, target, effort).result(ROUND_SECONDS)


def machine() -> str:
    """What and where, in one line."""
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return (
        f"{when}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
