"""What the directory of workspaces writes down, it can read again at the next start."""

import asyncio

import pytest

from hyphad.core.errors import Invalid
from hyphad.core.events import Events
from hyphad.core.records import Workspace
from hyphad.store.directory import Directory


class Table:
    """Keeps records as the database would."""

    def __init__(self):
        self.rows = {}

    def all(self):
        return list(self.rows.values())

    def save(self, record):
        self.rows[record["id"]] = record
        return done()

    def delete(self, workspace_id):
        del self.rows[workspace_id]
        return done()


def done():
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def nested(levels):
    value = 0
    for _ in range(levels):
        value = [value]
    return value


def set_env(key, value):
    return lambda workspace: workspace.config.setdefault("environs", {}).update({key: value})


def started(table):
    directory = Directory(table, Events(lambda kind, data: b""), grace=10.0)
    directory.load()
    return directory


async def test_a_change_is_there_after_a_restart():  # WS-47
    table = Table()
    directory = started(table)
    await directory.add(Workspace.from_dict({"id": "lab-one", "persistent": True}))
    await directory.change("lab-one", set_env("KEY", ["é", 1.5, None, {"a": nested(20)}]))
    again = started(table).find("lab-one")
    assert again.config == {"environs": {"KEY": ["é", 1.5, None, {"a": nested(20)}]}}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("KEY", float("nan")),
        ("KEY", {1: 2}),
        ("KEY", b"bytes"),
        ("KEY", "\udc80"),
        ("\udc80", "value"),
        ("KEY", 1 << 70),
        ("KEY", nested(62)),
        ("KEY", nested(900)),
    ],
)
async def test_a_change_that_could_not_be_read_again_is_refused(key, value):  # WS-53, WS-55
    table = Table()
    directory = started(table)
    await directory.add(Workspace.from_dict({"id": "lab-one", "persistent": True}))
    with pytest.raises(Invalid, match=r"^Invalid workspace config: only plain JSON values are k"):
        await directory.change("lab-one", set_env(key, value))
    assert directory.find("lab-one").config == {}
    assert started(table).find("lab-one").config == {}
