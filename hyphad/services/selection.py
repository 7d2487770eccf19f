"""Which of several services of one name: the selection modes of `get_service` (WS-24)."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from hyphad.core.errors import Fault, Invalid, Misuse
from hyphad.core.records import Service

Ask = Callable[[Service, str, float], Awaitable[Any]]
Load = Callable[[Service], float]
DEFAULT_SELECT_SECONDS = 2.0
_CRITERIA = ("min", "max", "first_success")


def default_mode(workspace: str) -> str:
    """Random among the public services of the server, exact everywhere else."""
    return "random" if workspace == "public" else "exact"


async def select(
    found: list[Service], asked: str, mode: str, timeout: float, ask: Ask, load: Load
) -> Service:
    """One of `found` (not empty, oldest first). Raises `Misuse` or `Invalid`.

    `ask(service, function, seconds)` calls a function of a candidate for the `select:` modes.
    """
    if mode.startswith("select:"):
        return await _select_by_call(found, mode, timeout, ask)
    if mode == "first":
        return found[0]
    if mode == "last":
        return found[-1]
    if mode in ("random", "native:random"):
        return random.choice(found)
    if mode == "min_load":
        return min(found, key=load)
    if mode != "exact":
        raise Invalid(
            f"Invalid mode: {mode}. Mode must be 'random', 'first', 'last', 'exact', 'min_load', "
            "'native:random', or 'select:criteria:function' format (e.g., 'select:min:get_load')"
        )
    if len(found) > 1:
        shown = [service.id for service in found[:5]]
        raise Misuse(
            f"Multiple services found for {asked}, e.g. {shown}. You can either specify the mode "
            "as 'random', 'first', 'last', 'native:random', or use 'select:criteria:function' "
            "format."
        )
    return found[0]


async def _select_by_call(found: list[Service], mode: str, timeout: float, ask: Ask) -> Service:
    _, _, rest = mode.partition(":")
    criteria, colon, function = rest.partition(":")
    if not colon or not function:
        raise Invalid(f"Invalid select mode format: {mode}. Expected 'select:criteria:function'")
    if criteria not in _CRITERIA:
        raise Invalid(f"Unknown selection criteria: {criteria}")
    if len(found) == 1:
        return found[0]

    async def answer(service: Service) -> tuple[Service, Any] | None:
        try:
            async with asyncio.timeout(timeout):
                return service, await ask(service, function, timeout)
        except (Fault, TimeoutError):
            return None

    if criteria == "first_success":
        for next_one in asyncio.as_completed([answer(service) for service in found]):
            result = await next_one
            if result is not None:
                return result[0]
        return random.choice(found)
    answers = [item for item in await asyncio.gather(*map(answer, found)) if item]
    numbers = [
        (service, value)
        for service, value in answers
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    if not numbers:
        return random.choice(found)
    pick = min if criteria == "min" else max
    return pick(numbers, key=lambda item: item[1])[0]
