"""Services inside the daemon are found by path and checked like any call."""

from typing import Annotated

import pytest

from hyphad.core.errors import BadCall, UnknownMethod
from hyphad.core.schema import signature_of
from hyphad.wire.local import LocalFunction, LocalService, from_method


class Greeter:
    def hello(self, caller, name: Annotated[str, "Whom."], times: int = 1) -> str:
        """Say hello."""
        return f"{caller}: hello {name}" * times


def make():
    greeter = Greeter()
    hello = from_method(greeter.hello, signature_of(Greeter.hello, skip=2))
    members = {"hello": hello, "nested": {"hello": hello, "number": 5}, "note": "text"}
    return LocalService("greeter", "Greeter", members)


def test_a_function_is_called_with_the_caller_it_is_given():
    function = make().function(["hello"])
    assert function.call("me", ["you"], {}) == "me: hello you"
    assert function.call("me", [], {"name": "you", "times": 2}) == "me: hello you" * 2
    assert function.doc == "Say hello."
    with pytest.raises(BadCall, match=r"^got an unexpected keyword argument 'caller'$"):
        function.call("me", ["you"], {"caller": "root"})
    with pytest.raises(BadCall, match=r"^Missing required argument: 'name'$"):
        function.call("me", [], {})


def test_functions_may_be_nested():  # WIRE-57
    service = make()
    assert service.function(["nested", "hello"]) is service.function(["hello"])


@pytest.mark.parametrize(
    "path",
    [
        [],
        [""],
        ["nope"],
        ["hello", "__call__"],
        ["nested"],
        ["nested", "number"],
        ["note", "upper"],
        ["nested", "number", "real"],
        ["__class__"],
        ["hello", "call"],
        ["members"],
    ],
)
def test_there_is_no_way_to_anything_else(path):  # WIRE-65
    with pytest.raises(UnknownMethod):
        make().function(path)


def test_the_schema_has_the_shape_of_the_service():  # WIRE-82
    hello = {"type": "function", "function": signature_of(Greeter.hello, skip=2).schema}
    assert make().schema() == {"hello": hello, "nested": {"hello": hello}}
    bare = LocalService("x", "X", {"f": LocalFunction("f", lambda *_: None)})
    assert bare.schema() == {"f": {"type": "function", "function": {"name": "f"}}}
