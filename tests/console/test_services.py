"""The page of a service: forms for every kind of parameter, results, streams, calls as code."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import revisit
from instrument import Instrument
from nodes import node_modules
from providers import Provider
from running import Hyphad
from tickets import ticket

ALICE = ticket("alice")
CAMERA = "/ws-user-alice/#/services/microscope%3Acamera/"
PATIENCE = 30.0


@pytest.fixture
def page(browser: Any, hub: Hyphad, lab: Provider) -> Iterator[Any]:
    with revisit(browser, hub, ALICE) as opened:
        yield opened


def call(page: Any, function: str) -> Any:
    """Open a function, call it as the form stands, and wait for the result."""
    page.goto(CAMERA + function)
    page.get_by_role("button", name="Call", exact=True).click()
    answered(page)
    return page.locator(".result-body")


def answered(page: Any) -> None:
    page.locator(".result .beside").filter(has_text=" ms").wait_for()


def test_every_kind_of_parameter(page: Any, instrument: Instrument) -> None:
    page.goto(CAMERA + "every")
    page.get_by_label("text", exact=True).fill('Grüße "<b>"')
    page.get_by_label("whole").fill("7")
    page.get_by_label("number").fill("-2.5e3")
    page.get_by_label("yes").check()
    page.get_by_label("choice").select_option("green")
    for word in ("one", "two", "three"):
        page.get_by_role("button", name="Add an item to words").click()
        page.get_by_label("words, item").last.fill(word)
    page.get_by_role("button", name="Remove this item of words").nth(1).click()
    page.get_by_label("box").check()
    page.get_by_label("left").fill("4")
    page.get_by_label("label").fill("part")
    page.get_by_label("anything").fill('{"deep": [1, {"x": null}]}')
    page.get_by_role("button", name="Call", exact=True).click()
    answered(page)
    asked = instrument.asked[-1]
    assert {key: value for key, value in asked.items() if value is not None} == {
        "text": 'Grüße "<b>"',
        "whole": 7,
        "number": -2500,
        "yes": True,
        "choice": "green",
        "words": ["one", "three"],
        "box": {"left": 4, "label": "part"},
        "anything": {"deep": [1, {"x": None}]},
    }


def test_what_is_missing_or_wrong_is_said_before_a_call(page: Any, instrument: Instrument) -> None:
    before = len(instrument.asked)
    page.goto(CAMERA + "every")
    run = page.get_by_role("button", name="Call", exact=True)
    alert = page.get_by_role("alert")
    run.click()
    assert alert.inner_text() == "whole is required"
    assert page.evaluate("document.activeElement.type") == "number"
    page.get_by_label("whole").fill("12")
    run.click()
    assert alert.inner_text() == "whole must be at most 9"
    page.get_by_label("whole").fill("2")
    page.get_by_label("anything").fill("{not json")
    run.click()
    assert alert.inner_text().startswith("anything is not valid JSON")
    assert len(instrument.asked) == before


def test_arguments_as_json(page: Any, instrument: Instrument) -> None:
    page.goto(CAMERA + "every")
    page.get_by_label("whole").fill("3")
    page.get_by_role("button", name="As JSON").click()
    field = page.get_by_label("Arguments")
    arguments = json.loads(field.input_value())
    assert arguments["whole"] == 3 and arguments["choice"] == "red"
    field.fill(json.dumps({**arguments, "words": ["w"]}))
    page.get_by_role("button", name="Call", exact=True).click()
    answered(page)
    assert instrument.asked[-1]["words"] == ["w"]


def test_a_function_that_takes_anything_takes_json(page: Any) -> None:
    page.goto("/ws-user-alice/#/services/microscope%3Ascript")
    page.get_by_role("button", name="As JSON").click()
    page.get_by_label("Arguments").fill('{"a": 1}')
    page.get_by_role("button", name="Call", exact=True).click()
    page.get_by_role("tab", name="JSON").click()
    shown = page.get_by_role("region", name="Result as JSON").inner_text()
    assert json.loads(shown) == [[], {"a": 1}]


def test_bytes_come_from_a_file(page: Any, instrument: Instrument, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(bytes(range(256)))
    page.goto(CAMERA + "size")
    page.get_by_label("data").set_input_files(tmp_path / "data.bin")
    page.get_by_text("data.bin").first.wait_for()
    page.get_by_role("button", name="Call", exact=True).click()
    page.locator(".result-body").get_by_text("256", exact=True).wait_for()
    assert instrument.asked[-1] == {"data": bytes(range(256))}


def test_arrays_are_pictures(page: Any) -> None:
    result = call(page, "picture")
    result.get_by_text("48 \u00d7 64, from 0 to 3,071").wait_for()
    size = result.locator("img").evaluate(
        "i => i.decode().then(() => [i.naturalWidth, i.naturalHeight])"
    )
    assert size == [64, 48]
    result.get_by_role("tab", name="Numbers").click()
    result.get_by_text("uint16 array, 48 \u00d7 64").wait_for()


def test_floats_of_two_bytes(page: Any) -> None:
    result = call(page, "half")
    result.get_by_role("tab", name="Numbers").click()
    numbers = result.get_by_role("region", name="Numbers of the array").inner_text().split()
    assert [float(number) for number in numbers[:3]] == [0.5, -2, 65504]
    assert float(numbers[3]) == pytest.approx(6e-8, rel=0.01)
    assert numbers[4] == "Infinity"


def test_bytes_that_are_a_picture_are_shown(page: Any) -> None:
    result = call(page, "png")
    size = result.locator("img").evaluate(
        "i => i.decode().then(() => [i.naturalWidth, i.naturalHeight])"
    )
    assert size == [8, 6]
    result.get_by_role("tab", name="Bytes").click()
    result.get_by_text("89 50 4e 47").wait_for()
    with page.expect_download() as download:
        result.get_by_role("link", name="Save as a file").click()
    saved = Path(download.value.path()).read_bytes()
    assert saved.startswith(b"\x89PNG")


def test_rows_are_a_table_and_maps_a_tree(page: Any) -> None:
    rows = call(page, "table").locator("tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        ["name", "x"],
        ["home", "0"],
        ["<b>slide</b>", "12.5"],
    ]
    tree = call(page, "tree")
    tree.get_by_text("laser").click()
    tree.get_by_text("powers").click()
    tree.get_by_text("1: 2").wait_for()
    assert 'serial: "A-1042"' in tree.inner_text()


def test_rows_of_numbers_are_a_plot(page: Any) -> None:
    call(page, "spectrum").get_by_role("img", name="100 numbers from -1 to 1").wait_for()


def test_nothing_is_said_to_be_nothing(page: Any) -> None:
    assert call(page, "nothing").inner_text() == "null"


def test_errors_are_readable(page: Any) -> None:
    result = call(page, "fail")
    assert result.inner_text().startswith("ValueError: the shutter is closed")
    assert "Traceback" not in result.inner_text()
    assert "failed after" in page.locator(".result .beside").inner_text()


def test_a_stream_is_shown_as_it_comes_and_stopped(page: Any, instrument: Instrument) -> None:
    closed = instrument.closed
    page.goto(CAMERA + "count")
    page.get_by_role("button", name="Call", exact=True).click()
    items = page.locator("ol.items > li")
    items.nth(9).wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("until it was stopped").wait_for()
    assert items.first.inner_text().strip() == "0"
    end = time.monotonic() + PATIENCE
    while instrument.closed == closed:
        assert time.monotonic() < end, "the generator still runs"
        page.wait_for_timeout(20)


def test_a_stream_that_ends_says_so(page: Any) -> None:
    page.goto(CAMERA + "count")
    page.get_by_label("n", exact=True).fill("3")
    page.get_by_role("button", name="Call", exact=True).click()
    page.get_by_text("3 items in all").wait_for()
    assert [text.strip() for text in page.locator("ol.items > li").all_inner_texts()] == list("012")


def test_the_same_call_as_code_runs_as_it_stands(page: Any) -> None:
    page.goto(CAMERA + "every")
    page.get_by_label("text", exact=True).fill("it's")
    page.get_by_label("whole").fill("5")
    page.get_by_role("button", name="Add an item to words").click()
    page.get_by_label("words, item").fill("$HOME")
    code = page.get_by_role("region", name="curl code").inner_text()
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["text"] == "it's"
    assert json.loads(done.stdout)["words"] == ["$HOME"]
    page.get_by_role("tab", name="Python").click()
    code = page.get_by_role("region", name="Python code").inner_text()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'words': ['$HOME']" in done.stdout
    page.get_by_role("tab", name="MCP").click()
    config = json.loads(page.get_by_role("region", name="MCP code").inner_text())
    assert config["mcpServers"]["camera"]["url"].endswith("/mcp/microscope:camera/mcp")


def test_the_same_call_under_node_runs_as_it_stands(page: Any, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules())
    page.goto(CAMERA + "tree")
    page.get_by_role("tab", name="JavaScript").click()
    (tmp_path / "call.mjs").write_text(
        page.get_by_role("region", name="JavaScript code").inner_text()
    )
    command = ["node", "call.mjs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "A-1042" in done.stdout, done.stderr


def test_protected_services_name_the_token_they_take(page: Any) -> None:
    page.goto("/ws-user-alice/#/services/microscope%3Astage")
    code = page.get_by_role("region", name="curl code").inner_text()
    assert "$HYPHA_TOKEN" in code and "eyJ" not in code


def test_links_to_documentation_and_mcp(page: Any, hub: Hyphad) -> None:
    page.goto(CAMERA + "every")
    for name in ("API documentation", "OpenAPI", "MCP configuration"):
        target = page.get_by_role("link", name=name, exact=True).get_attribute("href")
        assert hub.get(target, Authorization=f"Bearer {ALICE}")[0] == 200


def test_a_service_that_is_not_there(page: Any) -> None:
    page.goto("/ws-user-alice/#/services/microscope%3Anope")
    page.get_by_role("heading", name="This service cannot be shown").wait_for()
    page.get_by_role("link", name="Back").click()
    page.get_by_role("link", name="Camera").wait_for()
