"""The pages of the models: versions in a table, aliases and their conflicts, one version, several compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Request, expect

from api.exports.safetensors import encode_arrays
from api.schema.examples import ACCESS_WITHOUT_KEYS, REPRODUCTION_JOB
from tests.ui.conftest import Dashboard, Reply, stop_clock
from tests.ui.pages.images import images_of

HOSTILE = "<b>0</b>\u202e\u0000" + "x" * 240
MODEL = "/v1/models/digits"
CHAMPION = f"{MODEL}/aliases/champion"


def alias(version: int, etag: str, **members: Any) -> Reply:
    body = {"model": "digits", "alias": "champion", "version": version, "moved_at": "2026-01-31T12:00:09Z", **members}
    return Reply(200, json.dumps(body).encode(), {"Content-Type": "application/json", "ETag": f'"{etag}"'})


@pytest.fixture
def models(dashboard: Dashboard) -> Dashboard:
    """The model `digits` with versions 3 (the champion), 2 and 1, whose first class has a hostile name."""
    example = dashboard.example("GET", f"{MODEL}/versions/3") | {"classes": [HOSTILE, "1"]}
    versions = {
        number: example
        | {
            "version": number,
            "aliases": ["champion"] if number == 3 else [],
            "configuration": example["configuration"] | {"epochs": 10 * number},
            "metrics": {"test_accuracy": accuracy, "test_loss": 0.1}
            | ({"test_calibration_error": 0.034} if number > 1 else {}),  # an older release published version 1
            "links": {name: path.replace("/3", f"/{number}") for name, path in example["links"].items()},
        }
        for number, accuracy in ((3, 0.9), (2, 0.95), (1, 0.8))
    }
    evaluation = dashboard.example("GET", f"{MODEL}/versions/3/evaluation")
    evaluation["classes"][0]["label"] = HOSTILE
    evaluation["classes"][1]["label"] = "1"
    image = {"index": 5, "label": HOSTILE, "predicted": "1", "confidence": 0.93, "path": "0/<b>\u202e5.png"}
    page = {"items": [image], "total": 1, "next": None}
    weights = Reply(200, encode_arrays({"layer1.weights": np.zeros((64, 4), np.float32)}, {}))
    for number, version in versions.items():
        path = f"{MODEL}/versions/{number}"
        accuracy = version["metrics"]["test_accuracy"]
        dashboard.answers |= {
            path: version,
            f"{path}/evaluation": evaluation | {"version": number, "accuracy": accuracy},
            f"{path}/predictions": page,
            f"{path}/weights": weights,
        }
    dashboard.answers |= {
        MODEL: dashboard.example("GET", MODEL) | {"latest": versions[3], "aliases": {"champion": 3}},
        f"{MODEL}/versions": {"items": list(versions.values()), "next": None},
        f"/v1/datasets/{quote(example['dataset'], safe='')}/images": images_of(71, 2),
        "/v1/jobs": {"items": [], "next": None},
        "/v1/me": ACCESS_WITHOUT_KEYS,
    }
    return dashboard


def test_models_page_offers_first_steps_and_reads_again_after_an_error(models: Dashboard) -> None:
    replies = [Reply.problem(503, "redis_unavailable", "Redis does not answer"), {"items": [], "next": None}]
    page = models.open("/ui/models", {"GET /v1/models": lambda _: replies.pop(0) if len(replies) > 1 else replies[0]})
    expect(page.get_by_role("alert")).to_contain_text("Redis does not answer")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("link", name="Train on digits (10 s)")).to_be_visible()


def test_versions_are_ordered_by_the_address_and_selected_for_a_comparison(models: Dashboard) -> None:
    page = models.open("/ui/models/digits?order=-accuracy")
    rows = page.locator("tbody tr")
    expect(rows).to_contain_text(["@2", "@3", "@1"])
    page.get_by_role("button", name="Test accuracy").click()
    expect(rows).to_contain_text(["@1", "@3", "@2"])
    assert "order=accuracy" in page.url
    expect(rows).to_contain_text(["1.6 %", "3.4 %", "3.4 %"])
    assert not models.sent("GET", f"{MODEL}/versions/3/evaluation")
    page.get_by_label("select 3").check()
    page.get_by_label("select 2").check()
    page.get_by_role("link", name="Compare @3 and @2").click()
    expect(page).to_have_url("http://127.0.0.1:1/ui/models/digits/compare?versions=3,2")


def test_a_person_sees_who_moved_an_alias_before_and_can_move_it_anyway(models: Dashboard) -> None:
    state = {"now": alias(3, "7")}

    def put(request: Request) -> Reply:
        if request.headers["if-match"] == '"7"':
            state["now"] = alias(1, "8", moved_by="key ci")
            return Reply.problem(412, "alias_moved", "the alias has moved")
        return alias(2, "9")

    answers = {f"GET {CHAMPION}": lambda _: state["now"], f"PUT {CHAMPION}": put}
    page = models.open("/ui/models/digits", answers)
    page.get_by_role("button", name="Point an alias to version 2").click()
    page.get_by_role("button", name="champion, now version 3").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Someone else has moved champion")
    expect(alert).to_contain_text("It points to version 1; it was moved")
    expect(alert).to_contain_text(" by key ci. When this page was read, it pointed to version 3.")
    page.get_by_role("button", name="Point it to version 2 anyway").click()
    expect(page.get_by_text("champion points to version 2")).to_be_visible()
    sent = models.sent("PUT", CHAMPION)
    assert [(one.headers["if-match"], one.post_data_json) for one in sent] == [
        ('"7"', {"version": 2}), ('"8"', {"version": 2}),
    ]  # fmt: skip


def test_a_deleted_version_comes_back_by_undo_and_is_gone_later_without(models: Dashboard) -> None:
    page = models.page
    page.clock.install()
    models.open("/ui/models/digits", {f"DELETE {MODEL}/versions/1": Reply(204)})
    rows = page.locator("tbody tr")
    delete = page.get_by_role("button", name="Delete Version 1")
    expect(rows).to_have_count(3)
    stop_clock(page)
    delete.click()
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(3)
    assert not models.sent("DELETE", f"{MODEL}/versions/1")
    delete.click()
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.clock.fast_forward(6000)


def test_a_version_in_use_is_deleted_with_its_aliases_after_a_question(models: Dashboard) -> None:
    page = models.open("/ui/models/digits")
    page.get_by_role("button", name="Delete Version 3").click()
    page.get_by_role("button", name="Delete it and its aliases").click()
    with page.expect_request(lambda request: request.method == "DELETE") as sent:
        page.evaluate("dispatchEvent(new Event('pagehide'))")  # as when the person leaves the page
    assert sent.value.url.endswith("/versions/3?force=true")


def test_a_cell_of_the_confusion_matrix_opens_its_images(models: Dashboard) -> None:
    page = models.open("/ui/models/digits/3")
    shown = HOSTILE.replace("\u202e", "⟨U+202E⟩").replace("\u0000", "⟨U+0000⟩")
    page.get_by_role("button", name=f"{shown} predicted as 1: 1").click()
    expect(page.get_by_text(f"1 test images of class {shown} predicted as 1")).to_be_visible()
    query = parse_qs(urlsplit(page.url).query)
    assert query == {"label": [HOSTILE], "predicted": ["1"]}
    asked = parse_qs(urlsplit(models.sent("GET", f"{MODEL}/versions/3/predictions")[-1].url).query)
    assert {name: asked[name] for name in ("label", "predicted", "order")} == query | {"order": ["most_confident"]}
    expect(page.locator(".gallery-line")).to_contain_text("→ 1 93 %")
    with page.expect_request(f"**{MODEL}/versions/3/predict?*") as asking:
        page.get_by_role("listbox", name="test images of class").press("Enter")
    expect(page.get_by_role("heading", name="<b>⟨U+202E⟩5.png")).to_be_visible()
    assert parse_qs(urlsplit(asking.value.url).query)["top_k"] == ["2"]  # the model has two classes
    assert json.loads(asking.value.post_data or "")["instances"][0][0] == [200] * 8
    page.go_back()
    expect(page.get_by_text("1 misclassified test images")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("() => document.documentElement.scrollWidth <= 390")  # charts follow in the next frame


def test_a_reproduction_says_whether_all_bits_agree(models: Dashboard) -> None:
    job: dict[str, Any] = dict(REPRODUCTION_JOB)
    page = models.open("/ui/models/digits/3", {f"POST {MODEL}/versions/3/reproduce": job})
    page.get_by_text("First layer, how it was trained").scroll_into_view_if_needed()
    page.get_by_role("button", name="Train it again and compare the bits").click()
    expect(page.get_by_text("● All numbers agree bit for bit")).to_be_visible()
    job["result"] = job["result"] | {"reproduced": False, "differing_numbers": 12}
    page.get_by_role("button", name="Train it again and compare the bits").click()
    expect(page.get_by_text("12 numbers differ")).to_be_visible()


def test_a_version_without_evaluation_still_has_its_page(models: Dashboard) -> None:
    reply = Reply.problem(404, "evaluation_not_found", "there is no evaluation")
    page = models.open("/ui/models/digits/3", {f"{MODEL}/versions/3/evaluation": reply})
    expect(page.get_by_role("heading", name="Provenance")).to_be_visible()
    expect(page.get_by_role("heading", name="Confusion matrix")).to_have_count(0)


def test_a_version_is_saved_as_one_file_without_scripts_and_actions(models: Dashboard, tmp_path: Path) -> None:
    page = models.open("/ui/models/digits/3")
    expect(page.locator("canvas").first).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as one file").click()
    assert saved.value.suggested_filename == "digits-3.html"
    file = tmp_path / "digits-3.html"
    saved.value.save_as(file)

    page.goto(file.as_uri())

    for heading in ("digits@3", "Confusion matrix", "First layer", "Provenance"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    assert page.locator("script, form, canvas").count() == 0
    assert page.locator("img").count() > 0
    assert page.evaluate("() => getComputedStyle(document.body).fontFamily").startswith("system-ui")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390


def test_many_classes_of_a_version_do_not_lengthen_its_page(models: Dashboard) -> None:
    evaluation = models.answers[f"{MODEL}/versions/3/evaluation"]
    classes = [{**evaluation["classes"][0], "label": f"class {number}"} for number in range(200)]
    models.answers[f"{MODEL}/versions/3/evaluation"] = {**evaluation, "classes": classes}
    models.page.set_viewport_size({"width": 390, "height": 800})
    page = models.open("/ui/models/digits/3")
    expect(page.locator("button.link", has_text="class 199")).to_be_attached()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert page.evaluate("() => document.documentElement.scrollHeight") < 10_000


def test_two_versions_are_compared_and_the_better_one_is_promoted(models: Dashboard) -> None:
    compared = models.example("GET", f"{MODEL}/versions/3/predictions/compare")
    answers = {
        f"{MODEL}/versions/3/predictions/compare": compared, f"GET {CHAMPION}": alias(3, "7"),
        f"PUT {CHAMPION}": alias(2, "8"),
    }  # fmt: skip
    page = models.open("/ui/models/digits/compare?versions=3,2", answers)
    settings = page.get_by_role("region", name="Settings that differ")
    expect(settings.get_by_role("row")).to_contain_text(["@3", "epochs3020"])
    expect(page.get_by_text("(McNemar's exact test). The difference is hardly chance.")).to_be_visible()
    page.get_by_role("button", name="41", exact=True).click()
    expect(page.get_by_text("41 images: only digits@3 is right")).to_be_visible()
    asked = models.sent("GET", f"{MODEL}/versions/3/predictions/compare")[-1]
    assert "with=digits%402&order=most_confident&cell=only_this_right" in asked.url
    page.get_by_role("button", name="Promote @2").click()
    expect(page.get_by_text("champion points to version 2")).to_be_visible()
    assert models.sent("PUT", CHAMPION)[0].headers["if-match"] == '"7"'


def test_versions_are_compared_on_another_test_set_by_jobs(models: Dashboard) -> None:
    evaluation = models.example("GET", f"{MODEL}/versions/3/evaluation") | {"split": "test"}

    def submit(request: Request) -> Any:
        version = str(request.post_data_json["model"])[-1]  # type: ignore[index]
        return dict(REPRODUCTION_JOB) | {"id": f"job{version}", "kind": "evaluation", "state": "queued", "result": None}

    answers: dict[str, Any] = {"POST /v1/evaluation-jobs": submit}
    for version, accuracy in ((2, 0.7), (3, 0.8)):
        job = dict(REPRODUCTION_JOB) | {"id": f"job{version}", "request": {"model": f"digits@{version}"}}
        path = f"/v1/jobs/job{version}"
        answers |= {path: job, f"{path}/evaluation": evaluation | {"version": version, "accuracy": accuracy}}
    answers["/v1/jobs/job3/predictions/compare"] = models.example("GET", f"{MODEL}/versions/3/predictions/compare")
    page = models.open("/ui/models/digits/compare?versions=3,2&dataset=harder", answers)
    page.get_by_role("button", name="Evaluate both on it").click()
    expect(page.get_by_text("@3 has the highest test accuracy.")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["jobs"] == ["job3,job2"]
    asked = models.sent("GET", "/v1/jobs/job3/predictions/compare")[0]
    assert parse_qs(urlsplit(asked.url).query)["with"] == ["job2"]


def test_one_click_evaluates_a_version_and_the_champion_and_undo_cancels_both(models: Dashboard) -> None:
    sent = iter(("job2", "job3"))
    models.answers[f"{MODEL}/versions/3"] |= {"dataset": "sha256:" + "0" * 64}  # tested on other images

    def submit(_: Request) -> Any:
        return dict(REPRODUCTION_JOB) | {"id": next(sent), "kind": "evaluation", "state": "queued", "result": None}

    queued = {f"/v1/jobs/{job}": dict(REPRODUCTION_JOB) | {"id": job, "state": "queued"} for job in ("job2", "job3")}
    models.page.clock.install()
    page = models.open("/ui/models/digits/2", {"POST /v1/evaluation-jobs": submit, **queued})
    button = page.get_by_role("button", name="Compare with the champion")
    expect(button).to_be_visible()
    stop_clock(page)
    button.click()
    page.wait_for_url("**/compare?versions=2,3&dataset=*&jobs=job2%2Cjob3")
    bodies = [one.post_data_json for one in models.sent("POST", "/v1/evaluation-jobs")]
    dataset = models.answers[f"{MODEL}/versions/2"]["dataset"]
    assert bodies == [{"model": f"digits@{each}", "dataset": dataset, "split": "test"} for each in (2, 3)]
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url("**/ui/models/digits/2")
    assert all(models.sent("POST", f"/v1/jobs/{job}/cancel") for job in ("job2", "job3"))


def test_a_page_says_that_somebody_else_has_deleted_its_version(models: Dashboard) -> None:
    data = {"time": "2026-01-31T12:00:05Z", "job": None, "kind": None, "model": "digits", "data": {"version": 2}}
    text = f"retry: 60000\n\nid: 1-0\nevent: version_deleted\ndata: {json.dumps(data)}\n\n"
    stream = Reply(200, text.encode(), {"Content-Type": "text/event-stream"})
    page = models.open("/ui/models/digits/2", {"/v1/events": stream})
    expect(page.get_by_role("alert")).to_contain_text("digits@2 was deleted")
    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
    page = models.open("/ui/models/digits/3")
    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_model_that_was_never_there_is_not_called_deleted(models: Dashboard) -> None:
    missing = Reply.problem(404, "model_not_found", "there is no model 'digits'")
    page = models.open("/ui/models/digits", {MODEL: missing, f"{MODEL}/versions": missing})
    expect(page.get_by_role("alert")).to_contain_text("there is no model 'digits'")
    event = "{ type: 'model_deleted', model: 'digits', data: {} }"
    with page.expect_request(lambda request: request.url.endswith(MODEL)):
        page.evaluate(f"() => new BroadcastChannel('glassbox.live').postMessage({event})")
    expect(page.get_by_text("was deleted")).to_have_count(0)


def test_a_download_of_a_deleted_version_says_so(models: Dashboard) -> None:
    deleted = Reply.problem(404, "version_deleted", "version 3 of 'digits' was deleted")
    page = models.open("/ui/models/digits/3", {f"{MODEL}/versions/3/weights": deleted})
    page.get_by_role("button", name="npz").click()
    expect(page.get_by_role("alert").first).to_contain_text("version 3 of 'digits' was deleted")


def test_selected_versions_stay_selected_when_a_person_comes_back(models: Dashboard) -> None:
    page = models.open("/ui/models/digits")
    for version in (3, 2):
        page.get_by_label(f"select {version}", exact=True).check()
    page.get_by_role("link", name="Compare @3 and @2").click()
    page.wait_for_url("**/compare?versions=3,2")
    page.go_back()
    expect(page.get_by_role("link", name="Compare @3 and @2")).to_be_visible()
    expect(page.get_by_label("select 3", exact=True)).to_be_checked()
