"""What every page has around it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.ui.conftest import ORIGIN, Dashboard, Reply, stop_clock


def test_the_system_page_shows_workers_queues_and_storage(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/system")
    expect(page.get_by_role("heading", name="System", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Workers")).to_be_visible()
    expect(page.get_by_text("41 GB of 53 GB")).to_be_visible()
    assert page.title() == "System – Glassbox"


def test_an_unknown_address_says_so_and_leads_on(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/nowhere")
    expect(page.get_by_role("heading", name="No such page")).to_be_visible()
    expect(page.get_by_role("link", name="All jobs")).to_have_attribute("href", "/ui/")


def test_a_key_is_asked_for_and_kept_for_the_tab(dashboard: Dashboard) -> None:
    needed = Reply.problem(401, "key_missing", "send an API key")

    def me(request: object) -> object:
        with_key = "authorization" in request.headers  # type: ignore[attr-defined]
        return dashboard.example("GET", "/v1/me") if with_key else needed

    page = dashboard.open("/ui/system", {"/v1/me": me})
    page.get_by_label("Key", exact=True).fill("gbx_secret")
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_text("41 GB of 53 GB")).to_be_visible()
    assert page.evaluate("() => [sessionStorage['glassbox.key'], localStorage['glassbox.key']]") == ["gbx_secret", None]


def test_a_key_that_is_revoked_while_a_page_is_open_is_asked_for_again(dashboard: Dashboard) -> None:
    dashboard.page.add_init_script("sessionStorage.setItem('glassbox.key', 'gb_old')")
    revoked = Reply.problem(401, "key_unknown", "this API key is not known")
    page = dashboard.open("/ui/system", {"/v1/events": revoked})
    page.get_by_label("Key", exact=True).fill("gb_new")
    expect(page.get_by_role("dialog")).to_contain_text("The server does not know this key.")
    dashboard.answers["/v1/events"] = Reply(204)
    with page.expect_request(lambda request: request.url.endswith("/v1/events")) as again:
        page.get_by_role("button", name="Use this key").click()
    assert again.value.headers["authorization"] == "Bearer gb_new"
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_an_error_that_passes_is_followed_by_another_attempt(dashboard: Dashboard) -> None:
    answers = iter([Reply.problem(503, "redis_unavailable", "Redis does not answer")])
    dashboard.page.clock.install()
    stop_clock(dashboard.page)
    page = dashboard.open("/ui/system", {"/v1/system": lambda _: next(answers, None)})
    expect(page.get_by_role("alert")).to_contain_text("Redis does not answer")
    page.clock.run_for(4000)
    expect(page.get_by_text("41 GB of 53 GB")).to_be_visible()


def test_the_theme_is_kept(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/system")
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_palette_leads_to_models_data_sets_and_jobs(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/system")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("model digits")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{ORIGIN}/ui/models/digits")
