"""Two versions of A2A: 0.3, in which hyphad thinks, and 1.0, translated at the door (MCP-76)."""

from dataclasses import dataclass
from typing import Any

Entry = dict[str, Any]
_METHODS = {
    "SendMessage": "message/send",
    "SendStreamingMessage": "message/stream",
    "GetTask": "tasks/get",
    "CancelTask": "tasks/cancel",
    "SubscribeToTask": "tasks/resubscribe",
    "ListTasks": "tasks/list",
    "CreateTaskPushNotificationConfig": "tasks/pushNotificationConfig/set",
    "GetTaskPushNotificationConfig": "tasks/pushNotificationConfig/get",
    "ListTaskPushNotificationConfigs": "tasks/pushNotificationConfig/list",
    "DeleteTaskPushNotificationConfig": "tasks/pushNotificationConfig/delete",
    "GetExtendedAgentCard": "agent/getAuthenticatedExtendedCard",
}
_OLD_ONLY = ("tasks/list",)
_EVENTS = {
    "message": "message",
    "task": "task",
    "status-update": "statusUpdate",
    "artifact-update": "artifactUpdate",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One version: how its messages become ours, and ours become its."""

    version: str

    @property
    def is_new(self) -> bool:
        return self.version == "1.0"

    def method(self, name: str) -> str | None:
        """Our name of a method, or None if this version has none of that name."""
        if self.is_new:
            return _METHODS.get(name)
        known = name in _METHODS.values() and name not in _OLD_ONLY
        return name if known else None

    def message(self, given: Entry) -> Entry:
        """A message from the client."""
        if not self.is_new:
            return given
        role = str(given.get("role", "")).removeprefix("ROLE_").lower()
        parts = given.get("parts")
        made = {**given, "kind": "message", "role": role}
        made["parts"] = [_old_part(item) for item in parts] if isinstance(parts, list) else None
        return made

    def result(self, value: Entry, *, event: bool = True) -> Entry:
        """A message, task or event for the client; `event` where it may be any of them."""
        if not self.is_new:
            return value
        kind = value.get("kind", "")
        made = _new(value)
        return {_EVENTS[kind]: made} if event and kind in _EVENTS else made


OLD, NEW = Dialect("0.3"), Dialect("1.0")


def dialect_of(header: str | None) -> Dialect | None:
    """By the `A2A-Version` header; None for a version that is not spoken here."""
    version = (header or "0.3").strip()
    if version in ("0.3", "0.3.0", ""):
        return OLD
    return NEW if version in ("1.0", "1.0.0", "1") else None


def _old_part(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    more = {"metadata": part["metadata"]} if part.get("metadata") else {}
    if "text" in part:
        return {"kind": "text", "text": part["text"], **more}
    if "data" in part:
        data = part["data"]
        return {"kind": "data", "data": data if isinstance(data, dict) else {"value": data}, **more}
    file = {"uri": part["url"]} if "url" in part else {"bytes": part.get("raw", "")}
    for old, new in (("name", "filename"), ("mimeType", "mediaType")):
        if part.get(new):
            file[old] = part[new]
    return {"kind": "file", "file": file, **more}


def _new_part(part: Entry) -> Entry:
    more = {"metadata": part["metadata"]} if part.get("metadata") else {}
    if part["kind"] != "file":
        return {part["kind"]: part[part["kind"]], **more}
    file = part["file"]
    made = {"url": file["uri"]} if "uri" in file else {"raw": file.get("bytes", "")}
    for old, new in (("name", "filename"), ("mimeType", "mediaType")):
        if file.get(old):
            made[new] = file[old]
    return {**made, **more}


def _new(value: Entry) -> Entry:
    """One of our objects in the words of 1.0."""
    made: Entry = {}
    for key, item in value.items():
        if key in ("kind", "final"):
            continue
        if key == "role":
            made[key] = f"ROLE_{str(item).upper()}"
        elif key == "parts":
            made[key] = [_new_part(part) for part in item if isinstance(part, dict)]
        elif key in ("status", "message", "artifact") and isinstance(item, dict):
            made[key] = _new(item)
        elif key in ("artifacts", "history"):
            made[key] = [_new(one) for one in item]
        elif key == "state":
            made[key] = f"TASK_STATE_{str(item).upper().replace('-', '_')}"
        else:
            made[key] = item
    return made
