"""From an archive to a better model: classify, filter, correct, make a data set, train again."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.servers.stack import Stack


def noise(count: int) -> bytes:
    """Return a zip of images that no data set has."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, picture in enumerate(np.random.default_rng(0).integers(0, 256, (count, 8, 8), np.uint8)):
            png = io.BytesIO()
            Image.fromarray(picture).save(png, "PNG")
            archive.writestr(f"scan {number:02d}.png", png.getvalue())
        archive.writestr("broken.png", b"\x89PNG\r\n\x1a\n broken")
    return content.getvalue()


def test_a_person_corrects_a_batch_and_trains_again(visit: Page, stack: Stack) -> None:
    stack.finished(stack.train(model="numerals", dataset="digits", preset="fast", epochs=2)["id"])
    visit.get_by_role("link", name="Batches").click()
    archive = {"name": "scans.zip", "mimeType": "application/zip", "buffer": noise(30)}
    visit.locator("input[type=file]").set_input_files(archive)  # type: ignore[arg-type]
    visit.get_by_role("combobox", name="Model").fill("numerals")
    visit.get_by_role("button", name="Classify").click()
    visit.wait_for_url("**/ui/batches/*")
    expect(visit.locator(".state")).to_have_text("◆ completed with errors")

    visit.get_by_role("searchbox", name="Path").fill("scan 1")
    visit.keyboard.press("Enter")
    expect(visit.locator(".gallery-line")).to_contain_text("1 of 10 · scan 1")
    visit.get_by_role("listbox", name="Images of the batch").focus()
    visit.keyboard.press("3")
    visit.keyboard.press("4")
    visit.get_by_label("Name of the new one").fill("my-numerals")
    visit.get_by_role("button", name="Add to the data set").click()
    expect(visit.get_by_text("2 of 2 corrections are in the data set")).to_be_visible()

    visit.get_by_role("button", name="Train again").click()
    expect(visit.locator(".state").first).to_have_text("● succeeded")
    visit.goto(f"http://127.0.0.1:{stack.port}/ui/datasets/my-numerals")
    expect(visit.get_by_text("2 added, 0 relabelled, 0 removed")).to_be_visible()
    assert stack.get("/v1/models/numerals/versions/2")["dataset"] == stack.get("/v1/datasets/my-numerals")["id"]
