"""One client floods the server: how much longer do others wait?

python tests/bench/fairness.py [--only FLOOD] [--rounds N] [--seconds S]

The server, with its default limits, has one core; the clients have the other. Two clients call
each other at a steady pace, and a user calls over HTTP. They are measured beside a process that is
as busy as a flood but leaves the server alone, then beside each flood; what is shown is p50 and
p99 in milliseconds, and the ratio of the p99. Numbers of one machine in one hour: no test.
"""

import argparse
import contextlib
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from families.httpcalls import raw_provider, request
from floods import FLOODS, run
from servers import HYPHAD, Lab, Target
from victims import Times, Victims

SETTLE_SECONDS = 1.0
BASELINE = "nothing"


def main() -> int:
    arguments = parser().parse_args()
    floods = [name for name in arguments.only or FLOODS if name != BASELINE]
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory(prefix="hyphad-fairness-") as folder,
        Lab(Path(folder), None, limited=True) as lab,
    ):
        target = lab.start(HYPHAD)
        _pin(target.pid, cores[0])
        os.sched_setaffinity(0, {cores[-1]})
        _prefer(target.pid, os.getpid())
        with raw_provider(target) as (workspace, service_id):
            victims = Victims(target, request(target, workspace, service_id))
            print(f"{'flood, and call':26}{'p50 alone':>12}{'beside':>9}", end="")
            print(f"{'p99 alone':>12}{'beside':>9}{'ratio':>7}{'server CPU':>12}", flush=True)
            for name in floods:
                compare(target, victims, name, arguments, cores[-1])
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description="How much longer others wait beside a flood.")
    result.add_argument("--only", action="append", choices=FLOODS, metavar="FLOOD")
    result.add_argument("--rounds", type=int, default=3)
    result.add_argument("--seconds", type=float, default=3.0)
    return result


def compare(
    target: Target, victims: Victims, name: str, arguments: argparse.Namespace, core: int
) -> None:
    """Rounds without and with the flood in turn; a line for RPC, and one for HTTP."""
    found: dict[str, list[Times]] = {BASELINE: [], name: []}
    busy = 0.0
    for _ in range(arguments.rounds):
        for which, rounds in found.items():
            with flooding(which, target, core):
                with target.spent() as spent:
                    rounds.append(victims.measure(arguments.seconds))
                busy = spent.cpu / spent.wall
            target.settle()
    for kind in ("rpc", "http"):
        middle, late = _quantiles(found[name], kind)
        usual_middle, usual = _quantiles(found[BASELINE], kind)
        print(f"{name + ', ' + kind:26}{usual_middle:12.2f}{middle:9.2f}", end="")
        print(f"{usual:12.2f}{late:9.2f}{late / usual:7.2f}{busy:12.0%}", flush=True)


def _quantiles(rounds: list[Times], kind: str) -> tuple[float, float]:
    """Medians of the rounds' p50 and p99, in milliseconds."""
    cuts = [statistics.quantiles(times[kind], n=100) for times in rounds]
    return (
        1e3 * statistics.median(cut[49] for cut in cuts),
        1e3 * statistics.median(cut[98] for cut in cuts),
    )


@contextmanager
def flooding(name: str, target: Target, core: int) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=run, args=(name, target, core))
    process.start()
    try:
        time.sleep(SETTLE_SECONDS)
        yield
        if not process.is_alive():
            raise RuntimeError(f"The flood of {name} has ended by itself")
    finally:
        for child in _children(process.pid):
            os.kill(child, 9)
        process.kill()
        process.join()


def _children(pid: int | None) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()] if tasks.exists() else []


def _pin(pid: int, core: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def _prefer(*pids: int) -> None:
    """Before whatever else the machine does, where one may ask for that."""
    with contextlib.suppress(PermissionError):
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.setpriority(os.PRIO_PROCESS, int(task.name), -15)


if __name__ == "__main__":
    raise SystemExit(main())
