"""A2A over HTTP: the card of an agent, and messages to it (section 8).

A message is answered with a message. An agent that yields has its answer streamed as a task, which
can be asked for again, read along anew, and cancelled.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

from tornado.iostream import StreamClosedError

from hyphad.core.errors import Fault, NotFound, PeerGone
from hyphad.web.a2a.agent import Agent, card_of, error_parts, heard, joined, parts_of, said
from hyphad.web.a2a.dialects import Dialect, dialect_of
from hyphad.web.a2a.tasks import Owner, Task
from hyphad.web.agents import AgentHandler, encoded, is_shallow
from hyphad.web.failures import Refusal
from hyphad.web.gateway import is_stream
from hyphad.web.mcp.content import plain, weight
from hyphad.web.steps import steps

PING_SECONDS = 15.0
MAX_ITEMS = 10_000
MAX_BYTES = 64 << 20
PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
NO_TASK, NOT_CANCELABLE, NO_PUSH, BAD_VERSION, NO_CARD = -32001, -32002, -32003, -32009, -32007
Entry = dict[str, Any]


class A2aError(Exception):
    """An error of the protocol."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}
        if data is not None:
            self.error["data"] = data


class A2aHandler(AgentHandler):
    """What needs the agent of a URL."""

    kind = "a2a"

    async def agent(self, workspace: str, part: str) -> Agent:
        """Raises `Refusal` where there is none, or it is no agent."""
        self.check_origin()
        caller = self.caller(workspace)
        service = await self.service(caller, workspace, part)
        if service.type != "a2a":
            raise Refusal(400, f"Service {part} is not an A2A service")
        try:
            tree = await self.agents.views.tree(service)
        except (NotFound, PeerGone):
            raise Refusal(404, f"Service {part} not found or not accessible") from None
        return Agent(self.parts.gateway, caller, service, tree)

    def address(self, workspace: str, part: str) -> str:
        return f"{self.base_url}/{workspace}/a2a/{part}"


class AgentCard(A2aHandler):
    """`/.well-known/agent-card.json` of an agent."""

    async def get(self, workspace: str, part: str) -> None:
        agent = await self.agent(workspace, part)
        card = card_of(agent.service, await agent.given_card(), self.address(workspace, part))
        self.set_header("Cache-Control", "no-cache")
        self.send_json(card)


class AgentInfo(A2aHandler):
    """`/{workspace}/a2a-info/{service}`: the agent for people who set things up."""

    async def get(self, workspace: str, part: str) -> None:
        try:
            agent = await self.agent(workspace, part)
        except Refusal as error:
            self._explain(error, workspace, part)
            return
        service, base = agent.service, self.parts.settings.base_path
        functions = [
            name for name in (service.record["service_schema"] or {}) if not name.startswith("_")
        ]
        shown = {
            "service": {
                "id": service.id,
                "name": service.record["name"],
                "type": service.type,
                "description": service.record["description"],
            },
            "endpoints": {
                "a2a": f"{base}/{workspace}/a2a/{part}",
                "info": f"{base}/{workspace}/a2a-info/{part}",
            },
            "agent_card": plain(await agent.given_card()),
            "service_functions": functions,
            "help": "Use the A2A endpoint for agent communication following the A2A protocol.",
        }
        self.send_json(shown, indent=2)

    def _explain(self, error: Refusal, workspace: str, part: str) -> None:
        if error.status == 400:
            shown = {
                "error": "Not an A2A service",
                "message": error.message,
                "help": "Register it with type 'a2a' and a run(message) function.",
            }
        elif error.status == 404:
            shown = {
                "error": "Service not found or not accessible",
                "message": f"The service '{part}' was not found in workspace '{workspace}' or you "
                "don't have permission to access it.",
                "help": "Ensure the service exists and you have permission to access it.",
            }
        else:
            raise error
        self.send_json(shown, error.status, indent=2)


class AgentEndpoint(A2aHandler):
    """`POST /{workspace}/a2a/{service}`: JSON-RPC."""

    def initialize(self, **given: Any) -> None:
        super().initialize(**given)
        self._gone = asyncio.Event()

    def get(self, *_: str) -> None:
        self.set_status(405)
        self.set_header("Allow", "POST")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Method Not Allowed")

    def on_connection_close(self) -> None:
        self._gone.set()

    async def post(self, workspace: str, part: str) -> None:
        agent = await self.agent(workspace, part)
        agent.check()
        request_id: Any = None
        try:
            request = self._request()
            request_id = request.get("id")
            dialect = dialect_of(self.request.headers.get("A2A-Version"))
            if dialect is None:
                raise A2aError(BAD_VERSION, "Version not supported", {"supported": ["1.0", "0.3"]})
            answer = await self._answer(agent, request, dialect)
        except A2aError as error:
            self.send_json({"jsonrpc": "2.0", "id": request_id, "error": error.error})
            return
        if isinstance(answer, dict):
            self.send_json({"jsonrpc": "2.0", "id": request_id, "result": answer})
        else:
            await self._stream(request_id, answer)

    def _request(self) -> Entry:
        try:
            request = json.loads(self.request.body)
        except (ValueError, RecursionError) as error:
            raise A2aError(PARSE_ERROR, "Parse error", str(error)[:200]) from None
        good = isinstance(request, dict) and request.get("jsonrpc") == "2.0"
        if not good or not isinstance(request.get("method"), str) or not is_shallow(request):
            raise A2aError(INVALID_REQUEST, "Request payload validation error")
        if not isinstance(request.get("id"), str | int | None):
            raise A2aError(INVALID_REQUEST, "Request payload validation error", "id")
        return request

    async def _answer(
        self, agent: Agent, request: Entry, dialect: Dialect
    ) -> Entry | AsyncGenerator[Entry, None]:
        """A result, or a stream of results."""
        method, params = dialect.method(request["method"]), request.get("params") or {}
        if method is None:
            raise A2aError(NO_METHOD, "Method not found", request["method"])
        if not isinstance(params, dict):
            raise A2aError(INVALID_PARAMS, "Invalid parameters", "params must be an object")
        if method == "message/send":
            return dialect.result(await self._send(agent, _message(params, dialect)))
        if method == "message/stream":
            return _in(dialect, self._send_streaming(agent, _message(params, dialect)))
        if method.startswith("tasks/pushNotificationConfig/"):
            raise A2aError(NO_PUSH, "Push Notification is not supported")
        if method == "agent/getAuthenticatedExtendedCard":
            raise A2aError(NO_CARD, "Authenticated Extended Card is not configured")
        owner = self._owner(agent)
        if method == "tasks/list":
            return _list(self._own_tasks(owner), dialect)
        task = self.agents.tasks.find(params.get("id"), owner)
        if task is None:
            raise A2aError(NO_TASK, "Task not found")
        if method == "tasks/resubscribe":
            return _in(dialect, self.agents.tasks.read(task))
        if method == "tasks/cancel":
            _cancel(task)
        return dialect.result(task.to_dict(), event=False)

    def _owner(self, agent: Agent) -> Owner:
        return (self.identity.user.effective_id, agent.service.id)

    def _own_tasks(self, owner: Owner) -> list[Task]:
        """Visitors all look alike: theirs are for who knows the id, and in no list."""
        return self.agents.tasks.of(owner) if self.identity.credential is not None else []

    # messages

    async def _send(self, agent: Agent, message: Entry) -> Entry:
        context_id = _context_of(message)
        try:
            value = await agent.run(heard(message))
            parts = joined(await _drained(agent, value)) if is_stream(value) else parts_of(value)
        except Fault as error:
            parts = error_parts(error)
        return said(parts, context_id)

    async def _send_streaming(self, agent: Agent, message: Entry) -> AsyncGenerator[Entry, None]:
        context_id = _context_of(message)
        try:
            value = await agent.run(heard(message))
        except Fault as error:
            yield said(error_parts(error), context_id)
            return
        if not is_stream(value):
            yield said(parts_of(value), context_id)
            return
        tasks = self.agents.tasks
        task = tasks.start(Task(self._owner(agent), message, context_id), agent.items(value))
        async for event in tasks.read(task):
            yield event

    async def _stream(self, request_id: Any, results: AsyncGenerator[Entry, None]) -> None:
        """Each result as an event; comments while there is none (MCP-74)."""
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-cache, no-transform")
        self.set_header("X-Accel-Buffering", "no")
        with contextlib.suppress(StreamClosedError):
            async for result in steps(results, PING_SECONDS, self._gone):
                if result is None:
                    self.write(b": ping\n\n")
                else:
                    answer = {"jsonrpc": "2.0", "id": request_id, "result": result}
                    self.write(b"data: " + encoded(answer) + b"\n\n")
                await self.flush()
        if not self._gone.is_set():
            self.finish()


def _message(params: Entry, dialect: Dialect) -> Entry:
    """The message of a request, checked."""
    given = params.get("message")
    if not isinstance(given, dict):
        raise A2aError(INVALID_PARAMS, "Invalid parameters", "message must be an object")
    message = dialect.message(given)
    parts = message.get("parts")
    if not isinstance(message.get("messageId"), str):
        raise A2aError(INVALID_PARAMS, "Invalid parameters", "message.messageId must be a string")
    if message.get("role") not in ("user", "agent"):
        raise A2aError(INVALID_PARAMS, "Invalid parameters", "message.role must be user or agent")
    if not isinstance(parts, list) or not parts or not all(map(_is_part, parts)):
        text = "message.parts must be text, data or file parts, at least one"
        raise A2aError(INVALID_PARAMS, "Invalid parameters", text)
    return message


def _is_part(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    kinds = {"text": str, "data": dict, "file": dict}
    kind = kinds.get(str(part.get("kind")))
    return kind is not None and isinstance(part.get(str(part.get("kind"))), kind)


def _context_of(message: Entry) -> str:
    given = message.get("contextId")
    return given if isinstance(given, str) and given else str(uuid4())


async def _drained(agent: Agent, generator: Any) -> list[Any]:
    items: list[Any] = []
    size = 0
    async with contextlib.aclosing(agent.items(generator)) as stream:
        async for item in stream:
            items.append(item)
            size += weight(item)
            if len(items) >= MAX_ITEMS or size > MAX_BYTES:
                items.append(f"Stopped after {len(items)} items: the answer is too long.")
                break
    return items


async def _in(
    dialect: Dialect, results: AsyncGenerator[Entry, None]
) -> AsyncGenerator[Entry, None]:
    """The results in the words of the client's version."""
    async with contextlib.aclosing(results) as stream:
        async for result in stream:
            yield dialect.result(result)


def _list(tasks: list[Task], dialect: Dialect) -> Entry:
    shown = [dialect.result(task.to_dict(), event=False) for task in tasks]
    return {
        "tasks": shown,
        "nextPageToken": "",
        "pageSize": len(shown),
        "totalSize": len(shown),
    }


def _cancel(task: Task) -> None:
    if task.ended or task.work is None:
        raise A2aError(NOT_CANCELABLE, "Task cannot be canceled")
    task.end("canceled")
    task.work.cancel()
