"""OpenAPI 3.1 of a service, made of its record, and a page that shows it offline (MCP-95, MCP-96).

The provider is not asked: what it registered says everything. Nested functions become paths with
dots; definitions are moved to `components`, where names cannot clash. Whatever a provider says of
its functions, the document is valid: what is no JSON Schema is left out.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from hyphad import __version__
from hyphad.core.parameters import Schema, input_schema, mapped
from hyphad.core.records import Service
from hyphad.web.base import BaseHandler, to_json
from hyphad.web.calls import ServiceCall
from hyphad.web.failures import Refusal
from hyphad.web.pages import CSP, folder
from hyphad.web.validation import Checker

SCALARS = ("string", "integer", "number", "boolean")
ERROR = {"$ref": "#/components/responses/Error"}
LARGE = 64 << 10
_UNSURE = ("$ref", "$dynamicRef", "pattern", "patternProperties", "format")
_REFERENCE = re.compile(r"#/(?:\$defs|definitions)/([^/]+)")
_NAME = re.compile(r"[^A-Za-z0-9._-]")


class ServerDocument(BaseHandler):
    """`/openapi.json`: the routes that every service shares."""

    kind = "info"

    def get(self) -> None:
        document = json.loads((folder("static") / "openapi.json").read_text())
        document["info"]["version"] = __version__
        document["servers"] = [{"url": self.parts.info["public_base_url"]}]
        self.reply(document)


class Document(ServiceCall):
    """`.../openapi.json`. A function that is really called so wins."""

    kind = "info"
    key = "openapi.json"

    async def get(self, workspace: str, service_part: str) -> None:  # type: ignore[override]
        await self._show(workspace, service_part)

    async def post(self, workspace: str, service_part: str) -> None:  # type: ignore[override]
        await super().post(workspace, service_part, self.key)

    def head(self, workspace: str, service_part: str) -> Any:  # type: ignore[override]
        return self.get(workspace, service_part)

    async def _show(self, workspace: str, service_part: str) -> None:
        _, service = await self.find(workspace, service_part)
        if self.key in dict(functions(service.record["service_schema"] or {})):
            await super().get(workspace, service_part, self.key)
            return
        if not self.parts.settings.enable_openapi:
            raise Refusal(
                404, f"{self.key} not found.", "OpenAPI is switched off (enable_openapi)."
            )
        await self.present(workspace, service_part, service)

    async def present(self, workspace: str, service_part: str, service: Service) -> None:
        base = str(self.parts.info["public_base_url"])
        body = await self._document(service, f"{base}/{workspace}/services/{service_part}")
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        self.set_header("ETag", etag)
        if self.request.headers.get("If-None-Match") == etag:
            self.set_status(304)
            self.finish()
            return
        self.set_header("Content-Type", "application/json")
        self.send(body)

    @staticmethod
    async def _document(service: Service, url: str) -> bytes:
        """What takes long does not hold up others."""

        def made() -> bytes:
            return to_json(describe(service, url)).encode()

        return made() if service.size < LARGE else await asyncio.to_thread(made)


class DocumentPage(Document):
    """`.../docs`: the same for people, without anything from the internet."""

    kind = "page"
    key = "docs"

    async def present(self, workspace: str, service_part: str, service: Service) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", CSP)
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-cache")
        self.send((folder("static") / "openapi.html").read_bytes())


def describe(service: Service, url: str) -> dict[str, Any]:
    """The OpenAPI document of a service that is found at `url`."""
    record = service.record
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for path, function in functions(record["service_schema"] or {}):
        paths[f"/{quote(path)}"] = _operations(path, function, schemas)
    config = record.get("config") or {}
    texts = (record.get("description"), record.get("docs"))
    public = config.get("visibility") == "public"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": record.get("name") or service.name,
            "version": str(config.get("version") or "0.0.0"),
            "description": "\n\n".join(text for text in texts if isinstance(text, str) and text),
        },
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {"Error": _error_response()},
        },
        "security": [{}, {"bearer": []}] if public else [{"bearer": []}],
    }


def functions(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Functions of a `service_schema` with their dotted paths."""
    for name, member in schema.items():
        if not isinstance(member, dict):
            continue
        if member.get("type") == "function":
            function = member.get("function")
            yield prefix + name, function if isinstance(function, dict) else {}
        elif not isinstance(member.get("type"), str):
            yield from functions(member, f"{prefix}{name}.")


def _operations(path: str, function: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    known = isinstance(function.get("parameters"), dict)
    shape = input_schema(function)
    name = f"{_NAME.sub('_', path)}_args"
    moved: dict[str, Any] = {}
    moved[name] = _moved(shape, name, moved)
    schemas.update(sound(moved))
    shape = schemas[name]
    text = function.get("description")
    text = text if isinstance(text, str) else ""
    about = {"summary": text.strip().partition("\n")[0], "description": text}
    about = {key: value for key, value in about.items() if value}
    body = {
        "required": bool(shape.get("required")),
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }
    responses = {
        "200": {"description": "Result", "content": {"application/json": {"schema": {}}}},
        **dict.fromkeys(("400", "403", "404", "500"), ERROR),
    }
    operation = {**about, "operationId": path, "requestBody": body, "responses": responses}
    operations: dict[str, Any] = {"post": operation}
    properties = shape.get("properties", {})
    if known and all(_is_scalar(schema) for schema in properties.values()):
        needed = shape.get("required", [])
        parameters = [_parameter(key, schema, key in needed) for key, schema in properties.items()]
        operations["get"] = {
            **about,
            "operationId": f"{path}_get",
            "parameters": parameters,
            "responses": responses,
        }
    return operations


def _parameter(name: str, schema: Schema, required: bool) -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": name, "in": "query", "required": required}
    if isinstance(schema.get("description"), str) and schema["description"]:
        parameter["description"] = schema["description"]
    parameter["schema"] = {key: item for key, item in schema.items() if key != "description"}
    return parameter


def _is_scalar(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") in SCALARS


def _moved(schema: Any, name: str, schemas: dict[str, Any]) -> Any:
    """The schema with its definitions moved to `schemas` under prefixed names."""
    if not isinstance(schema, dict):
        return schema
    for place in ("$defs", "definitions"):
        own = schema.get(place)
        if isinstance(own, dict):
            for key, item in own.items():
                schemas[f"{name}.{_NAME.sub('_', key)}"] = _moved(item, name, schemas)
    made = mapped(schema, lambda inner: _moved(inner, name, schemas))
    made.pop("$defs", None)
    made.pop("definitions", None)
    made.pop("$schema", None)
    reference = made.get("$ref")
    if isinstance(reference, str):
        found = _REFERENCE.fullmatch(reference)
        target = f"{name}.{_NAME.sub('_', found[1])}" if found else name
        made["$ref"] = f"#/components/schemas/{target}"
    return made


def sound(schemas: dict[str, Any]) -> dict[str, Any]:
    """The schemas without references to nowhere and wrong defaults; open ones for what is none."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    known = {f"#/components/schemas/{name}" for name in schemas}
    made = {}
    for name, schema in schemas.items():
        tidy = _tidied(schema, known)
        try:
            Draft202012Validator.check_schema(tidy)
        except (SchemaError, RecursionError):
            tidy = {"type": "object"}
        made[name] = tidy
    return made


def _tidied(schema: Any, known: set[str]) -> Any:
    if not isinstance(schema, dict):
        return schema
    made = mapped(schema, lambda inner: _tidied(inner, known))
    reference = made.get("$ref")
    if "$ref" in made and not (isinstance(reference, str) and reference in known):
        del made["$ref"]
    if "default" in made and not _fits(made["default"], made):
        del made["default"]
    return made


def _fits(value: Any, schema: Schema) -> bool:
    """Whether a default is surely one of the values that the schema allows."""
    rest = {key: item for key, item in schema.items() if key != "default"}
    text = to_json(rest)
    if any(f'"{word}"' in text for word in _UNSURE):
        return False
    return Checker(rest).flaw(value) is None


def _error_response() -> dict[str, Any]:
    properties = {
        "success": {"type": "boolean"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
    }
    schema = {"type": "object", "properties": properties}
    return {"description": "Error", "content": {"application/json": {"schema": schema}}}
