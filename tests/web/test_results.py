"""Results without a server: what each value becomes in JSON and MessagePack."""

import json
from datetime import UTC, datetime
from typing import Any

import msgpack
import numpy as np
import pytest

from hyphad.web.failures import Refusal
from hyphad.web.results import JSON, MSGPACK, scalar


def encoded(value: Any) -> dict[str, Any]:
    """A numpy value as the Python client sends it."""
    return {
        "_rtype": "ndarray",
        "_rvalue": value.tobytes(),
        "_rshape": list(value.shape),
        "_rdtype": str(value.dtype),
    }


@pytest.mark.parametrize(
    "value",
    [
        np.bool_(True), np.int8(-5), np.uint8(200), np.int16(-300), np.uint16(60000),
        np.int32(-70000), np.uint32(1 << 31), np.int64(-(1 << 62)), np.uint64(1 << 63),
        np.float16(0.5), np.float32(1.5), np.float64(0.1),
    ],
)  # fmt: skip
def test_numpy_scalars_are_numbers(value: Any) -> None:
    number = json.loads(JSON.encode({"x": encoded(value)}))["x"]
    assert number == value.item()
    assert type(number) is type(value.item())


def test_what_is_no_scalar() -> None:
    assert scalar(encoded(np.zeros((1,)))) is None
    assert scalar(encoded(np.complex64(1j))) is None
    assert scalar({"_rdtype": "int8", "_rshape": [], "_rvalue": b""}) is None
    assert scalar({"_rdtype": "int8", "_rshape": [], "_rvalue": "1"}) is None


@pytest.mark.parametrize(
    "value",
    [
        b"x",
        [1, {"deep": b"x"}],
        encoded(np.zeros(3)),
        {"_rtype": "typedarray", "_rvalue": b"\x00", "_rdtype": "uint8"},
        {"_rtype": "memoryview", "_rvalue": b"\x00"},
        float("inf"),
        {"a": [float("nan")]},
        msgpack.ExtType(5, b"x"),
        {1: 2, b"k": 3},
    ],
)
def test_what_json_cannot_say(value: Any) -> None:  # HTTP-54
    with pytest.raises(Refusal) as caught:
        JSON.encode(value)
    assert caught.value.status == 406
    assert caught.value.message.endswith("; use Content-Type: application/msgpack")
    MSGPACK.encode(value)


def test_dates_are_iso_8601_in_json() -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, 250_000, tzinfo=UTC)
    value = {"at": msgpack.Timestamp.from_datetime(moment)}
    assert JSON.encode(value) == b'{"at":"2024-05-06T07:08:09.250000Z"}'
    assert msgpack.unpackb(MSGPACK.encode(value), timestamp=3) == {"at": moment}


def test_functions_are_shown_not_given() -> None:  # HTTP-53
    method = {"_rtype": "method", "_rtarget": "ws-a/b", "_rschema": {"name": "f"}}
    shown = {"type": "function", "function": {"name": "f"}}
    assert json.loads(JSON.encode({"f": [method]})) == {"f": [shown]}
    assert msgpack.unpackb(MSGPACK.encode([method])) == [shown]
    for form in (JSON, MSGPACK):
        for kind in ("method", "generator"):
            with pytest.raises(Refusal) as caught:
                form.encode({"_rtype": kind})
            assert (caught.value.status, caught.value.message[:14]) == (500, "AssertionError")


def test_other_special_values_keep_their_shape() -> None:
    value = {"_rtype": "set", "_rvalue": [1, {"_rtype": "own", "x": 1}]}
    assert json.loads(JSON.encode(value)) == value


def test_text_that_is_no_utf8_does_no_harm() -> None:
    JSON.encode("a\udc80").decode()


def test_deep_results_are_refused_or_written() -> None:
    value: Any = []
    for _ in range(5000):
        value = [value]
    with pytest.raises((Refusal, RecursionError)):
        JSON.encode(value)
