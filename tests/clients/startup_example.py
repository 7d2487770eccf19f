"""What an operator may write for `--startup-functions`; the tests call it from clients."""

import asyncio
import collections
from typing import Any

seen: dict[str, Any] = collections.defaultdict(list)


async def hypha_startup(server: Any) -> None:
    """Offers `everything`, and keeps in touch with clients."""

    async def count(end: int):
        for number in range(end):
            yield number

    def letters(text: str):
        yield from text

    async def call_back(times: int, callback: Any) -> list[Any]:
        return [await callback(number) for number in range(times)]

    async def ask(service_id: str, value: Any) -> Any:
        """Call a client's service the way another client would."""
        api = await server.get_service(service_id)
        return [await api.f(value), [item async for item in await api.count(3)], api.id]

    async def make_clock(context: Any) -> Any:
        seen["clock"].append(context["user"]["id"])
        return {"now": lambda: 42, "who": context["user"]["id"], "broken": lambda: 1 / 0}

    def fail() -> None:
        raise ValueError("broken by design")

    async def fail_later(end: int):
        yield end
        raise KeyError("later")

    record = await server.register_service(
        {
            "id": "everything",
            "name": "Everything",
            "type": "demo",
            "config": {"visibility": "public", "require_context": ["who", "make_clock"]},
            "constant": 5,
            "add": lambda a, b=10: a + b,
            "slow": lambda: asyncio.sleep(1.0, "slept"),
            "count": count,
            "letters": letters,
            "call_back": call_back,
            "who": lambda context: [context["ws"], context["from"], context["user"]["id"]],
            "ask": ask,
            "make_clock": make_clock,
            "fail": fail,
            "fail_later": fail_later,
            "kinds": lambda value: {key: type(item).__name__ for key, item in value.items()},
            "sets": lambda: {1, 2},
            "nested": {"deep": {"er": lambda: "found"}},
            "events": lambda: list(seen["events"]),
        }
    )
    assert record["id"] == f"public/{server.config.client_id}:everything"
    assert server.config.workspace == "public"
    server.on("service_added", lambda event: seen["events"].append(event["data"]["name"]))
    await server.subscribe("service_added")
    await server.create_workspace({"id": "made-at-start", "persistent": True}, overwrite=True)
    token = await server.generate_token({"workspace": "made-at-start", "permission": "read"})
    assert token.count(".") == 2


def plain(server: Any) -> None:
    """A plain function will do, too."""
    seen["plain"].append(server.config.server_id)


async def broken(server: Any) -> None:
    """Fails on purpose."""
    raise RuntimeError("the database is on holiday")


async def half_done(server: Any) -> None:
    """Registers something, then fails."""
    await server.register_service({"id": "half", "f": lambda: 1})
    await server.get_service("public/not-there")
