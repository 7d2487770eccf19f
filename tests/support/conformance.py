"""The service that the official conformance suite for MCP servers wants to find."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

from kitchen import PNG

PICTURE = {"type": "image", "data": base64.b64encode(PNG).decode(), "mimeType": "image/png"}
_WAVE = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0@\x1f\0\0\1\0\x08\0data\0\0\0\0"
NOTHING = {"type": "object", "properties": {}}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def embedded(uri: str, words: str, kind: str = "text/plain") -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": words}}


TOOLS: dict[str, Any] = {
    "test_simple_text": text("This is a simple text response for testing."),
    "test_image_content": PICTURE,
    "test_audio_content": {
        "type": "audio",
        "data": base64.b64encode(_WAVE).decode(),
        "mimeType": "audio/wav",
    },
    "test_embedded_resource": embedded(
        "test://embedded-resource", "This is an embedded resource content."
    ),
    "test_multiple_content_types": [
        text("Multiple content types test:"),
        PICTURE,
        embedded(
            "test://mixed-content-resource", '{"test":"data","value":123}', "application/json"
        ),
    ],
    "test_tool_with_logging": None,
    "test_tool_with_progress": None,
    "test_error_handling": None,
    "json_schema_2020_12_tool": text("ok"),
}
PROMPTS = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ["arg1", "arg2"],
    "test_prompt_with_embedded_resource": ["resourceUri"],
    "test_prompt_with_image": [],
}


async def log() -> AsyncIterator[Any]:
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        yield {"level": "info", "data": line}
        await asyncio.sleep(0.05)
    yield "done"


async def progress() -> AsyncIterator[Any]:
    for step in (0, 50, 100):
        yield {"progress": step, "total": 100}
        await asyncio.sleep(0.05)
    yield "done"


def list_tools() -> list[dict[str, Any]]:
    schemas = {"json_schema_2020_12_tool": SCHEMA}
    return [
        {"name": name, "description": name, "inputSchema": schemas.get(name, NOTHING)}
        for name in TOOLS
    ]


def call_tool(name: str, arguments: dict[str, Any]) -> Any:
    if name == "test_error_handling":
        raise RuntimeError("This tool intentionally returns an error for testing")
    if name == "test_tool_with_logging":
        return log()
    return progress() if name == "test_tool_with_progress" else TOOLS[name]


def list_resources() -> list[dict[str, str]]:
    return [
        {"uri": "test://static-text", "name": "text", "mimeType": "text/plain"},
        {"uri": "test://static-binary", "name": "binary", "mimeType": "image/png"},
    ]


def list_resource_templates() -> list[dict[str, str]]:
    template = "test://template/{id}/data"
    return [{"uriTemplate": template, "name": "template", "mimeType": "application/json"}]


def read_resource(uri: str) -> dict[str, Any]:
    if uri == "test://static-text":
        words = "This is the content of the static text resource."
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": words}]}
    if uri == "test://static-binary":
        return {"contents": [{"uri": uri, "mimeType": "image/png", "blob": PICTURE["data"]}]}
    if uri.startswith("test://template/"):
        number = uri.split("/")[3]
        data = {"id": number, "templateTest": True, "data": f"Data for ID: {number}"}
        words = json.dumps(data)
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": words}]}
    raise KeyError(uri)


def list_prompts() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "description": name,
            "arguments": [{"name": one, "description": one, "required": True} for one in arguments],
        }
        for name, arguments in PROMPTS.items()
    ]


def get_prompt(name: str, arguments: dict[str, str]) -> dict[str, Any]:
    contents = {
        "test_simple_prompt": lambda: [text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": lambda: [
            text("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'".format(**arguments))
        ],
        "test_prompt_with_embedded_resource": lambda: [
            embedded(arguments["resourceUri"], "Embedded resource content for testing."),
            text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image": lambda: [PICTURE, text("Please analyze the image above.")],
    }[name]()
    return {"messages": [{"role": "user", "content": content} for content in contents]}


def service() -> dict[str, Any]:
    functions = [
        list_tools, call_tool, list_resources, list_resource_templates, read_resource,
        list_prompts, get_prompt,
    ]  # fmt: skip
    return {"id": "conformance", "type": "mcp", **{one.__name__: one for one in functions}}
