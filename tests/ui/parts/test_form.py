"""`ui/parts/form.js`: values from a JSON schema's fields, what is not set, and errors at their fields."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

SCHEMA = {
    "type": "object",
    "required": ["model"],
    "properties": {
        "model": {"type": "string", "description": "Name of the <b>model</b>"},
        "preset": {"type": "string", "enum": ["fast", "auto"], "default": "auto"},
        "hidden": {"type": "array", "items": {"type": "integer", "minimum": 1}, "description": "Units"},
        "optimizer": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "enum": ["sgd", "adam"]},
                "learning_rate": {"type": "number", "exclusiveMinimum": 0},
            },
        },
        "gradient_clip": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
        "augmentation": {
            "anyOf": [{"type": "object", "properties": {"flip": {"type": "boolean"}}}, {"type": "null"}],
        },
        "convolutions": {
            "type": "array",
            "items": {"type": "object", "properties": {"filters": {"type": "integer", "minimum": 1}}},
        },
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "epochs": {"type": "integer", "minimum": 1, "maximum": 100},
    },
}
PRESET = {
    "preset": "fast", "hidden": [128, 64], "optimizer": {"name": "adam", "learning_rate": 0.01}, "gradient_clip": 1.5,
    "augmentation": {"flip": True}, "convolutions": [{"filters": 8}], "epochs": 8,
}  # fmt: skip
MAKE = """async (options) => {
  const { form } = await import("/ui/parts/form.js");
  window.changes = [];
  window.sent = [];
  const [onchange, onsubmit] = [(values) => changes.push(values), (values) => sent.push(values)];
  window.made = form({ ...options, onchange, onsubmit });
  const button = document.createElement("button");
  made.element.append(button);
  document.querySelector("main").replaceChildren(made.element);
}"""


@pytest.fixture
def form(blank: Page) -> Page:
    """Return a page with a form of nine properties, seven of them folded."""
    options = {
        "schema": SCHEMA, "placeholders": PRESET, "first": ["model", "epochs"], "suggestions": {"model": ["digits"]},
    }  # fmt: skip
    blank.evaluate(MAKE, options)
    blank.evaluate("() => { document.querySelector('details').open = true; }")
    return blank


def test_form_has_only_the_values_that_are_set_or_turned_off(form: Page) -> None:
    assert form.evaluate("made.values()") == {}
    form.get_by_label("model").fill("digits")
    form.get_by_label("epochs").fill("3")
    form.get_by_label("hidden", exact=True).fill("32, 16")
    form.get_by_label("preset").select_option("auto")
    form.get_by_label("learning rate").fill("1e-3")
    form.get_by_label("flip").select_option("no")
    form.get_by_label("labels").fill("team=vision\nnote=a=b")
    form.get_by_role("button", name="Add to convolutions").click()
    form.get_by_label("filters").fill("4")
    values = {
        "model": "digits", "epochs": 3, "preset": "auto", "hidden": [32, 16], "optimizer": {"learning_rate": 0.001},
        "augmentation": {"flip": False}, "convolutions": [{"filters": 4}], "labels": {"team": "vision", "note": "a=b"},
    }  # fmt: skip
    assert form.evaluate("made.values()") == values
    assert form.evaluate("changes.at(-1)") == values
    form.get_by_label("model").press("Enter")
    assert form.evaluate("sent") == [values]
    form.evaluate("made.set({})")
    for name in ("gradient clip", "augmentation", "convolutions"):
        form.get_by_label(f"no {name}").check()
    form.get_by_label("hidden", exact=True).fill("none")
    expect(form.get_by_label("flip")).to_be_disabled()
    off: dict[str, object] = {"hidden": [], "gradient_clip": None, "augmentation": None, "convolutions": []}
    assert form.evaluate("made.values()") == off


def test_form_shows_what_holds_for_properties_that_are_not_set(form: Page) -> None:
    expect(form.get_by_label("hidden", exact=True)).to_have_attribute("placeholder", "128, 64")
    expect(form.get_by_label("epochs")).to_have_attribute("placeholder", "8")
    expect(form.get_by_label("name")).to_contain_text("– adam –")
    form.evaluate("made.hint({ gradient_clip: null, optimizer: { name: 'sgd' } })")
    expect(form.get_by_label("name")).to_contain_text("– sgd –")
    expect(form.get_by_label("preset")).to_contain_text("– auto –")  # the schema's default
    expect(form.get_by_label("no gradient clip")).to_be_hidden()


def test_form_returns_the_values_it_was_filled_with(form: Page) -> None:
    off: dict[str, object] = {"gradient_clip": None, "convolutions": [], "hidden": [], "labels": {"a": "b"}}
    values: object
    for values in (PRESET, off):
        assert form.evaluate("(values) => { made.set(values); return made.values(); }", values) == values


def test_form_shows_errors_at_their_fields_and_the_others_on_top(form: Page) -> None:
    form.get_by_label("hidden", exact=True).fill("0")
    form.evaluate("document.querySelector('details').open = false")
    errors = [
        {"pointer": "#/hidden/0", "detail": "must be at least 1; got 0"},
        {"pointer": "#/optimizer/learning_rate", "detail": "must be above 0"},
        {"parameter": "unknown", "detail": "is not a parameter"},
    ]
    form.evaluate("(errors) => made.problems(errors)", errors)
    hidden = form.get_by_label("hidden", exact=True)
    expect(hidden).to_be_focused()
    expect(hidden).to_have_attribute("aria-invalid", "true")
    expect(hidden).to_have_accessible_description("Units; separated by commas; none must be at least 1; got 0")
    expect(form.get_by_role("alert")).to_have_text("unknown is not a parameter")
    hidden.fill("1")
    expect(hidden).to_have_attribute("aria-invalid", "false")
    expect(form.get_by_text("Name of the <b>model</b>")).to_be_visible()
    form.set_viewport_size({"width": 390, "height": 700})
    assert form.evaluate("document.documentElement.scrollWidth") <= 390
