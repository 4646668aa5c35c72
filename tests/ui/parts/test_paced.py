"""Work that follows quick changes, with the page's clock stopped."""

from __future__ import annotations

from playwright.sync_api import Page

RUN = """async () => {
  const { paced } = await import("/ui/parts/paced.js");
  window.runs = [];
  window.stop = new AbortController();
  window.change = paced(() => new Promise((done) => runs.push(done)), 50, stop.signal);
}"""
END = "async () => { runs.at(-1)(); await new Promise((done) => queueMicrotask(() => queueMicrotask(done))); }"


def test_a_change_runs_at_once_and_too_early_ones_wait_for_a_newer_one_or_the_pause(blank: Page) -> None:
    blank.clock.install()
    blank.evaluate(RUN)
    blank.clock.pause_at("2030-01-01")
    change = "() => { change(); return runs.length; }"
    assert blank.evaluate(change) == 1
    assert blank.evaluate(change) == 1  # the first has not ended
    blank.evaluate(END)
    assert blank.evaluate("() => runs.length") == 2
    blank.evaluate(END)
    assert blank.evaluate(change) == 2  # two in no time are enough
    blank.clock.run_for(49)
    assert blank.evaluate("() => runs.length") == 2
    blank.clock.run_for(1)
    assert blank.evaluate("() => runs.length") == 3  # no other change came
    blank.evaluate(END)
    blank.clock.run_for(30)
    assert blank.evaluate(change) == 3
    blank.clock.run_for(30)
    assert blank.evaluate(change) == 4  # the newest, when the pause is over
    blank.evaluate(END)
    blank.evaluate("() => { change(); stop.abort(); }")
    blank.clock.run_for(100)
    assert blank.evaluate("() => runs.length") == 4
