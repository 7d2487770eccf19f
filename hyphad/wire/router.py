"""A frame in, a frame out: check, stamp, deliver or reject.

Synchronous from end to end. The identity in a header comes from the link the frame arrived on,
never from the frame (WIRE-42, WIRE-45); the body is not looked into beyond its top-level keys and
passes as bytes (WIRE-38).
"""

import asyncio
import logging
from typing import Any, Protocol

from hyphad.core import policy
from hyphad.core.events import SYSTEM_EVENTS, Events
from hyphad.core.identity import root_user
from hyphad.core.records import Caller
from hyphad.wire import frame, values
from hyphad.wire.away import Absent, Away, HeldCall
from hyphad.wire.link import Link

log = logging.getLogger(__name__)

# Types that only the server may send (WIRE-43).
SERVER_TYPES = SYSTEM_EVENTS | {
    "connection_info",
    "reconnection_token",
    "ping",
    "pong",
    "error",
    "peer_not_found",
    "force-exit",
}

# The longest frame that a Python client takes, unless it was set up otherwise (WIRE-20).
LARGE_FRAME = 1 << 20
TOO_LARGE = f"Message too large for the target: send it in chunks of at most {LARGE_FRAME} bytes"

# Header fields that say who sends; whatever a client writes there is taken out (WIRE-42).
FORGED = frozenset(("ctx", "ws", "user"))

GOING_AWAY = 1001

Wait = asyncio.Future[None] | None


class LocalPeer(Protocol):
    """A peer inside the daemon: gets the stamped header, the packed extra, and who sent them."""

    def receive(self, header: dict[str, Any], extra: memoryview, caller: Caller) -> Wait: ...

    def peer_gone(self, address: str) -> None: ...


class Router:
    """The live-connection table and what moves frames between its entries."""

    def __init__(self, manager: str, server_id: str, events: Events, grace: float) -> None:
        self.manager = manager
        self.server_id = server_id
        self.events = events
        self.links: dict[str, Link] = {}
        self.away = Away(grace, self._give_up)
        self.local: dict[str, LocalPeer] = {}
        self.deputy: LocalPeer | None = None
        self.frames = self.rejects = 0
        self.stopping = False
        self._root = frame.pairs({"user": root_user().to_dict()})

    # frames from clients

    def route(self, link: Link, data: bytes) -> Wait:
        """Handle one binary frame; returns what to wait for before reading on, if anything."""
        self.frames += 1
        if (link.close_code is not None and not self._says_goodbye(link)) or not link.alive:
            return None
        try:
            header, offset, clean = frame.split(data)
        except frame.BadFrame as error:
            log.debug("bad_frame client=%s size=%d", link.address, len(data))
            if error.header is None:
                return None
            text = f"Invalid message: the payload cannot be read ({error})"
            return self._refuse(link, error.header, text)
        as_sent = header.get("to")
        flaw = self._flaw(link, header, clean)
        if flaw is None and len(data) > LARGE_FRAME and not self._takes_large(link, header["to"]):
            flaw = TOO_LARGE
        if flaw is not None:
            return self._refuse(link, header, flaw)
        to: str = header["to"]
        if link.only_logs_in and self.local_peer(to) is None:
            return self._refuse(link, header, policy.LOG_IN)
        if to is as_sent and header.get("from") == link.address and FORGED.isdisjoint(header):
            head = frame.splice(data, offset, header, link.stamp, 2)
        else:
            for key in FORGED:
                header.pop(key, None)
            header["from"] = link.address
            head = frame.head(header, link.stamp, 2)
        body = memoryview(data)[offset:]
        if to.endswith("/*"):
            return self._broadcast(link, header, head, body)
        target = self.links.get(to)
        if target is None or not self._takes(target, header):
            wait = self._deliver_elsewhere(link, header, head, body)
            return wait if target is None else target.drained
        if target.workspace != link.workspace:
            self._note(link, target, header)
        target.send(head, body)
        return target.drained

    def _takes_large(self, link: Link, to: str) -> bool:
        """Whether a frame of over a mebibyte will not cut its target's connection (WIRE-20).

        Members of a workspace know what they send to each other; for a stranger's frame the target
        must have sent such a one itself.
        """
        link.roomy = True
        target = self.links.get(to)
        if target is None:
            return to not in self.away or to.startswith(f"{link.workspace}/")
        return target.roomy or target.workspace == link.workspace

    @staticmethod
    def _flaw(link: Link, header: dict[str, Any], clean: bool) -> str | None:
        """Why a frame may not pass, if so; makes its `to` a full id where it is a string."""
        to, kind = header.get("to"), header.get("type")
        if not isinstance(to, str) or not isinstance(kind, str) or not to or to.count("/") > 1:
            return "Invalid message: 'to' and 'type' are required"
        if "/" not in to:
            header["to"] = f"{link.workspace}/{to}"
        if not clean:
            return "Invalid message: reserved field in payload"
        if kind != "method" and kind in SERVER_TYPES:
            return f"Invalid message: type '{kind}' is the server's"
        return None

    @staticmethod
    def _note(link: Link, target: Link, header: dict[str, Any]) -> None:
        """Keep count of the open calls between workspaces (WIRE-55)."""
        session = header.get("session")
        if session is not None:
            target.note_call(link.address, str(session))
        elif link.open_calls is not None:
            call, _, verb = str(header.get("method", "")).rpartition(".")
            if verb in ("resolve", "reject"):
                link.forget_call(target.address, call)

    def _takes(self, target: Link, header: dict[str, Any]) -> bool:
        """Whether a client that is connected is to get this now."""
        if target.close_code is not None or (self.stopping and _is_call(header)):
            return False
        return not (target.waited and self._waits(target, header))

    def _waits(self, target: Link, header: dict[str, Any]) -> bool:
        """Is this for a service that the freshly started target has not registered yet (D-26)?"""
        absent = self.away.get(target.address)
        if absent is None:
            target.waited = False
            return False
        space, _, rest = str(header.get("method", "")).partition(".")
        return space == "services" and rest.partition(".")[0] in absent.services

    def _deliver_elsewhere(
        self, link: Link, header: dict[str, Any], head: bytes, body: memoryview
    ) -> Wait:
        to: str = header["to"]
        local = self.local_peer(to)
        if local is not None:
            # Clients that are leaving give such calls up when they see the next manager.
            return local.receive(header, body, link.caller) if link.close_code is None else None
        call = HeldCall(
            b"".join((head, body)),
            link.address,
            str(header.get("method", "")),
            header.get("session"),
        )
        if not self.away.hold(to, call):
            self._refuse(link, header, f"Target peer {to} is not connected")
        return None

    def _broadcast(self, link: Link, header: dict[str, Any], head: bytes, body: memoryview) -> Wait:
        to: str = header["to"]
        workspace = to[:-2]
        kind: str = header["type"]
        if workspace != link.workspace:
            text = f"Permission denied: cannot broadcast to workspace {workspace}"
            return self._refuse(link, header, text)
        if not policy.may_broadcast(link.caller):
            return self._refuse(
                link,
                header,
                f"Read-only client {link.address} cannot broadcast messages. Only "
                "point-to-point messages are allowed for read-only clients.",
            )
        if kind == "method":
            return self._refuse(link, header, "Invalid message: a method cannot be broadcast")
        data = b"".join((head, body))
        waits: Wait = None
        for subscriber in self.events.subscribers(workspace, kind):
            subscriber.send(data)
            waits = getattr(subscriber, "drained", None) or waits
        return waits

    def _refuse(self, link: Link, header: dict[str, Any], text: str) -> Wait:
        """Reject towards the sender's session; without one the frame is dropped (WIRE-40, 52)."""
        session = header.get("session")
        log.info(
            "refused client=%s to=%r reason=%r",
            link.address,
            str(header.get("to"))[:200],
            text[:200],
        )
        if isinstance(session, str):
            to = header.get("to")
            missing = to if isinstance(to, str) and to.count("/") == 1 else self.manager
            self.reject(link, missing, session, text)
        return None

    def reject(self, link: Link, source: str, session: str, text: str) -> None:
        """A rejection that clients take as coming from `source` (WIRE-54)."""
        self.rejects += 1
        fields = {
            "type": "method",
            "from": source,
            "to": link.address,
            "method": f"{session}.reject",
            "parent": session,
            "ws": link.workspace,
        }
        kind = "ConnectionError" if text.startswith("Target peer") else "PermissionError"
        error = values.error(text if kind == "ConnectionError" else f"{kind}: {text}")
        link.send(frame.head(fields, self._root, 1), frame.pack({"args": [error]}))

    # frames from the server's own peers

    def send(self, fields: dict[str, Any], extra: bytes, caller: Caller | None) -> bool:
        """Send a frame of the server's; False if the target is not there.

        `fields` has `type`, `from`, `to`. Identity is the caller's, or the manager's where
        `caller` is None: root, in the target's workspace (WIRE-45).
        """
        to: str = fields["to"]
        workspace = to.partition("/")[0]
        target = self.links.get(to)
        if target is not None:
            if caller is None:
                fields["ws"] = workspace
                target.send(frame.head(fields, self._root, 1), extra)
            else:
                fields.update(identity_fields(caller))
                target.send(frame.head(fields), extra)
            return True
        local = self.local_peer(to)
        if local is None:
            if to not in self.away:
                return False
            return self.away.hold(to, self._held(fields, extra, caller))
        who = caller or Caller(root_user(), workspace, fields["from"].rpartition("/")[2])
        asyncio.get_running_loop().call_soon(local.receive, fields, memoryview(extra), who)
        return True

    def _held(self, fields: dict[str, Any], extra: bytes, caller: Caller | None) -> HeldCall:
        who = caller or Caller(root_user(), fields["to"].partition("/")[0], "")
        fields = {**identity_fields(who), **fields}
        return HeldCall(
            frame.head(fields) + extra, fields["from"], fields["method"], fields.get("session")
        )

    def local_peer(self, to: str) -> LocalPeer | None:
        """The daemon's own peer at that address: a manager id, or the server in any workspace."""
        local = self.local.get(to)
        if local is None and to.rpartition("/")[2] == self.server_id:
            return self.deputy
        return local

    # links that come and go

    def attach(self, link: Link) -> Link | None:
        """Enter a link in the table; returns the one it replaces (WIRE-33).

        A resumed client still has its services: what was held for it goes out at once.
        """
        old = self.links.get(link.address)
        self.links[link.address] = link
        link.waited = not link.resumed and link.address in self.away
        if link.resumed:
            if old is not None:
                link.open_calls, old.open_calls = old.open_calls, None
            calls, subscriptions = self.away.back(link.address)
            self.events.subscribe(link.workspace, subscriptions, link)
            self._hand_over(link, calls)
        return old

    def _hand_over(self, link: Link, calls: list[HeldCall]) -> None:
        """Deliver what was held for a client that is back, as if it came now."""
        for call in calls:
            if call.session is not None and call.sender.partition("/")[0] != link.workspace:
                link.note_call(call.sender, str(call.session))
            link.send(call.data)

    def detach(self, link: Link) -> bool:
        """Take a link out unless a newer one has its place; tells callers elsewhere (WIRE-55)."""
        link.end()
        if self.links.get(link.address) is not link:
            return False
        del self.links[link.address]
        for caller, session in link.open_calls or ():
            self.peer_not_found(caller, session, link.address)
        for local in self._local_peers():
            local.peer_gone(link.address)
        return True

    def _local_peers(self) -> list[LocalPeer]:
        peers = [*self.local.values(), self.deputy]
        return list({id(peer): peer for peer in peers if peer is not None}.values())

    def stop(self) -> None:
        """From now on keep calls of clients' services for the next run; answers go on (WIRE-106).

        Once connections are being closed everything is kept: each client sends what it has on its
        way before it answers the close.
        """
        self.stopping = True
        for link in self.links.values():
            self.away.expect(link.address, link.caller.user.effective_id)

    def unsent(self) -> list[tuple[str, HeldCall]]:
        """What was kept for clients, each with its target; the server's own calls end here."""
        kept = []
        for to, call in self.away.clear():
            local = self.local_peer(call.sender)
            if local is None:
                kept.append((to, call))
            else:
                local.peer_gone(to)
        return kept

    def _says_goodbye(self, link: Link) -> bool:
        return self.stopping and link.close_code == GOING_AWAY

    def service_back(self, client: str, service: str) -> None:
        """A freshly started client has registered a service again: deliver what waited for it."""
        link = self.links.get(client)
        if link is not None:
            self._hand_over(link, self.away.registered(client, service))

    def peer_not_found(self, caller: str, session: str, gone: str) -> None:
        """Tell a caller in another workspace that the peer it called has left (WIRE-55)."""
        fields = {
            "type": "peer_not_found",
            "from": self.manager,
            "to": caller,
            "session": session,
            "peer_id": gone,
            "error": f"Client disconnected: {gone}",
        }
        link = self.links.get(caller)
        if link is not None:
            fields["ws"] = link.workspace
            link.send(frame.head(fields, self._root, 1))

    def _give_up(self, absent: Absent) -> None:
        text = f"Target peer {absent.address} is not connected"
        for call in absent.calls:
            if call.session is None:
                continue
            link = self.links.get(call.sender)
            if link is not None:
                self.reject(link, absent.address, call.session, text)
                continue
            local = self.local_peer(call.sender)
            if local is not None:
                local.peer_gone(absent.address)


def _is_call(header: dict[str, Any]) -> bool:
    return str(header.get("method", "")).startswith("services.")


def identity_fields(caller: Caller) -> dict[str, Any]:
    """The header fields that say for whom the server sends (WIRE-45)."""
    return {"ws": caller.workspace, "user": caller.user.to_dict()}


def event_frame(kind: str, data: Any) -> bytes:
    """A system event as every subscriber receives it: header only (WIRE-86)."""
    return frame.pack({"type": kind, "to": "*", "data": data})
