"""A service of type `a2a` as an agent: its card, and its `run` function (MCP-70 to MCP-73)."""

import base64
import re
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

from hyphad.core.errors import Fault
from hyphad.core.records import Caller, Service
from hyphad.web.failures import Refusal
from hyphad.web.gateway import Function, Gateway
from hyphad.web.mcp.content import json_text, media_type_of, plain
from hyphad.web.mcp.offer import NO_LIMIT, failure_text
from hyphad.web.mcp.tools import clean_text

Entry = dict[str, Any]
PROTOCOL = "0.3.0"
_SNAKE = re.compile(r"_([a-z0-9])")
_FREE_FORM = ("metadata", "params")
_CHAT = {
    "id": "chat",
    "name": "Chat",
    "description": "Chat with the agent",
    "tags": ["chat"],
    "examples": ["hello", "help"],
}
_CAPABILITIES = {"streaming": True, "pushNotifications": False, "stateTransitionHistory": False}


class Agent:
    """An agent, to one caller. `tree` are the members of its service."""

    def __init__(
        self, gateway: Gateway, caller: Caller, service: Service, tree: dict[str, Any]
    ) -> None:
        self._gateway = gateway
        self._caller = caller
        self.service = service
        self._tree = tree

    @property
    def _run(self) -> Function:
        """Raises `Refusal` where the service is no agent after all (MCP-70)."""
        function = self._tree.get("run")
        if not isinstance(function, Function):
            raise Refusal(500, "Internal server error: Service does not have a 'run' function")
        return function

    def check(self) -> None:
        """Raises `Refusal` if it cannot be talked to."""
        assert self._run

    async def given_card(self) -> Entry | None:
        """The card as the service has it."""
        card = self._tree.get("agent_card") or self._tree.get("extended_agent_card")
        if isinstance(card, Function):
            card = await self._call(card, [])
        return card if isinstance(card, dict) else None

    async def run(self, message: Entry) -> Any:
        """What the agent answers to a message; of a generator its descriptor. Raises `Fault`."""
        return await self._call(self._run, [message, *_more_arguments(self.service)])

    def items(self, generator: Any) -> AsyncGenerator[Any, None]:
        return self._gateway.stream(self._caller, self.service, generator, NO_LIMIT)

    async def _call(self, function: Function, arguments: list[Any]) -> Any:
        return await self._gateway.invoke(
            self._caller, self.service, function, arguments, {}, NO_LIMIT
        )


def _more_arguments(service: Service) -> list[None]:
    """Nothing for a second parameter that must be there, unless it gets the context (MCP-71)."""
    if service.record["config"].get("require_context"):
        return []
    schema = (service.record["service_schema"] or {}).get("run")
    function = schema.get("function") if isinstance(schema, dict) else None
    parameters = function.get("parameters") if isinstance(function, dict) else None
    required = parameters.get("required") if isinstance(parameters, dict) else None
    return [None] if isinstance(required, list) and len(required) == 2 else []


# the card


def card_of(service: Service, given: Entry | None, url: str) -> Entry:
    """The agent card: what the service says, completed; the address is always ours (MCP-72)."""
    name = service.id if given is None else str(service.record["name"])
    about = service.record["description"] or f"A2A agent for the service {service.id}"
    card: Entry = {
        "name": name,
        "description": about,
        "version": "1.0.0",
        "protocolVersion": PROTOCOL,
        "defaultInputModes": ["text"],
        "defaultOutputModes": ["text"],
        **_camel(plain(given or {})),
    }
    for key in ("name", "description", "version", "protocolVersion"):
        card[key] = clean_text(str(card[key]))
    capabilities: Any = card.get("capabilities")
    known: Entry = capabilities if isinstance(capabilities, dict) else {}
    card["capabilities"] = {**_CAPABILITIES, **known}
    skills = card.get("skills")
    good = (
        [_skill(item) for item in skills if isinstance(item, dict)]
        if isinstance(skills, list)
        else []
    )
    card["skills"] = good or [dict(_CHAT)]
    card.pop("additionalInterfaces", None)
    interface = {"url": url, "protocolBinding": "JSONRPC"}
    card["url"], card["preferredTransport"] = url, "JSONRPC"
    card["supportedInterfaces"] = [
        {**interface, "protocolVersion": version} for version in ("1.0", "0.3")
    ]
    if service.visibility == "protected" and "securitySchemes" not in card:
        card["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        card["security"] = [{"bearer": []}]
    return {key: value for key, value in card.items() if value is not None}


def _skill(given: Entry) -> Entry:
    skill = {**_CHAT, "examples": None, **given}
    for key in ("id", "name", "description"):
        skill[key] = clean_text(str(skill[key]))
    tags = given.get("tags")
    skill["tags"] = [str(tag) for tag in tags] if isinstance(tags, list) else ["chat"]
    return {key: value for key, value in skill.items() if value is not None}


def _camel(value: Any) -> Any:
    """Keys as the protocol writes them; Python writes `protocol_version`."""
    if isinstance(value, dict):
        return {
            _SNAKE.sub(lambda found: found[1].upper(), key): (
                item if key in _FREE_FORM else _camel(item)
            )
            for key, item in value.items()
        }
    return [_camel(item) for item in value] if isinstance(value, list) else value


# messages


def heard(message: Entry) -> Entry:
    """A message as `run` gets it (MCP-70)."""
    keep = ("parts", "role", "messageId", "contextId", "taskId", "metadata")
    return {key: message[key] for key in keep if message.get(key) is not None}


def said(parts: list[Entry], context_id: str) -> Entry:
    """A message of the agent."""
    return {
        "kind": "message",
        "messageId": str(uuid4()),
        "role": "agent",
        "parts": parts,
        "contextId": context_id,
    }


def error_parts(error: Fault) -> list[Entry]:
    """A failure is something the agent says, not an error of the protocol (MCP-73)."""
    first = (failure_text(error).strip().splitlines() or ["unknown"])[0]
    return [text_part(f"Error: {first}")]


def parts_of(value: Any) -> list[Entry]:
    """The parts of what `run` returned, or yielded."""
    if isinstance(value, str):
        return [text_part(value)]
    if isinstance(value, bytes):
        content = {"bytes": base64.b64encode(value).decode(), "mimeType": media_type_of(value)}
        return [{"kind": "file", "file": content}]
    if isinstance(value, dict) and "_rtype" not in value:
        parts = _given_parts(value)
        return parts or [{"kind": "data", "data": plain(value)}, text_part(json_text(value))]
    if isinstance(value, list):
        return [{"kind": "data", "data": {"result": plain(value)}}, text_part(json_text(value))]
    return [text_part(json_text(value))]


def _given_parts(value: Entry) -> list[Entry]:
    """Parts that the service made itself: a message, or one part."""
    items = value.get("parts") if isinstance(value.get("parts"), list) else [value]
    parts = [_part(item) for item in items or []]
    return [part for part in parts if part is not None]


def _part(value: Any) -> Entry | None:
    if not isinstance(value, dict):
        return None
    kind = value.get("kind", value.get("type"))
    if kind == "text" and isinstance(value.get("text"), str):
        return text_part(value["text"])
    if kind == "data" and isinstance(value.get("data"), dict):
        return {"kind": "data", "data": plain(value["data"])}
    if kind == "file" and isinstance(value.get("file"), dict):
        return {"kind": "file", "file": plain(value["file"])}
    return None


def text_part(text: str) -> Entry:
    return {"kind": "text", "text": text}


def joined(items: list[Any]) -> list[Entry]:
    """Everything that was yielded as one answer; texts run together."""
    if all(isinstance(item, str) for item in items):
        return [text_part("".join(items))]
    return [part for item in items for part in parts_of(item)]
