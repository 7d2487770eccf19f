"""Handshakes that the server ends: what it says, and how it closes."""

import json
from typing import Any

import pytest
from rawclient import RawClient, Refused
from running import Hyphad


async def refused(
    hub: Hyphad, first: bytes | str | dict[str, Any] | None, query: str = ""
) -> Refused:
    """What the server answers to a first message that it does not accept."""
    raw = await RawClient.dial(hub.ws_url + query)
    if first is not None:
        await raw.socket.send(json.dumps(first) if isinstance(first, dict) else first)
    with pytest.raises(Refused) as caught:
        await raw.greeted()
    assert len((caught.value.reason or "").encode()) <= 123
    return caught.value


async def check(hub: Hyphad, hello: dict[str, Any], message: str, code: int) -> None:
    """The hello is refused with that text, that code, and the text cut to be the reason."""
    end = await refused(hub, hello)
    assert end.message == message
    assert end.code == code
    assert end.reason == message.encode()[:123].decode(errors="ignore")
