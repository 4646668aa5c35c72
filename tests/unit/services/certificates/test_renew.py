"""The renewal: the gateway's certificate, the state after a failure, the time of the next attempt."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from services.certificates import served as served_module
from services.certificates.authority import Authority, RequestFailed
from services.certificates.options import Options
from services.certificates.renew import Renewal
from services.certificates.schedule import AFTER_FAILURES, AFTER_RESTART, FailureFile
from services.certificates.served import Certificate, ServedFile, temporary

OPTIONS = Options(("glassbox.example.org",), "https://ca.example/directory", None, None)
OTHER = Options(("www.example.org",), "https://ca.example/directory", None, None)


def certificate_for(monkeypatch: pytest.MonkeyPatch, *domains: str) -> bytes:
    """A certificate that counts as issued by an authority."""
    with monkeypatch.context() as patched:
        patched.setattr(served_module, "TEMPORARY", "Test authority")
        return temporary(domains)


class FakeAuthority(Authority):
    """An authority that issues the certificate that a test sets, or fails."""

    def __init__(self) -> None:
        self.certificate: bytes | None = None
        self.error = "no DNS record"
        self.forced: list[bool] = []
        self.next: bytes | None = None

    def request(self, *, force: bool = False) -> None:
        self.forced.append(force)
        if self.next is None:
            raise RequestFailed(self.error)
        self.certificate = self.next

    def issued(self) -> bytes | None:
        return self.certificate


@pytest.fixture
def authority() -> FakeAuthority:
    return FakeAuthority()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tls.pem"


def renewal(tmp_path: Path, authority: Authority, options: Options = OPTIONS) -> Renewal:
    failures = FailureFile(tmp_path / "failures.json", options)
    return Renewal(options, authority, ServedFile(tmp_path / "tls.pem"), failures, tmp_path / "good-until", 0.0)


def good_until(tmp_path: Path) -> int:
    return int((tmp_path / "good-until").read_text())


def test_gateway_has_a_temporary_certificate_before_the_first_request(
    tmp_path: Path, authority: FakeAuthority, path: Path
) -> None:
    assert renewal(tmp_path, authority).start() == 0.0

    assert Certificate.parse(path.read_bytes()).temporary
    assert good_until(tmp_path) == 0
    assert authority.forced == []


def test_issued_certificate_replaces_the_temporary_one(
    tmp_path: Path, authority: FakeAuthority, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.next = certificate_for(monkeypatch, *OPTIONS.domains)
    service = renewal(tmp_path, authority)
    service.start()

    pause = service.attempt()

    assert path.read_bytes() == authority.next
    assert pause == 6 * 3600
    assert good_until(tmp_path) > time.time()


def test_issued_certificate_is_served_again_after_its_file_is_lost(
    tmp_path: Path, authority: FakeAuthority, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.certificate = certificate_for(monkeypatch, *OPTIONS.domains)

    renewal(tmp_path, authority).start()

    assert path.read_bytes() == authority.certificate


def test_failure_leaves_the_present_certificate_and_logs_one_line(
    tmp_path: Path,
    authority: FakeAuthority,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    authority.certificate = present = certificate_for(monkeypatch, *OPTIONS.domains)
    service = renewal(tmp_path, authority)
    service.start()

    pause = service.attempt()

    assert path.read_bytes() == present
    [line] = capsys.readouterr().err.splitlines()
    message = json.loads(line)["message"]
    assert "a certificate for glassbox.example.org was not issued: no DNS record" in message
    assert "is valid until" in message
    assert "Next attempt in 1 min" in message
    assert "docker compose kill --signal HUP certificates" in message
    assert pause == AFTER_FAILURES[0]


def test_attempts_become_rarer_with_each_failure_and_regular_after_a_success(
    tmp_path: Path, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = renewal(tmp_path, authority)
    service.start()
    pauses = [service.attempt() for _ in range(7)]
    assert pauses == [*AFTER_FAILURES, AFTER_FAILURES[-1], AFTER_FAILURES[-1]]

    authority.next = certificate_for(monkeypatch, *OPTIONS.domains)
    service.attempt()
    authority.next = None
    assert service.attempt() == AFTER_FAILURES[0]


def test_failures_stay_within_the_rate_limit_despite_restarts() -> None:
    """Let's Encrypt permits five failed validations of a name within an hour."""
    moments = [0.0]
    while moments[-1] < 24 * 3600:
        pause = AFTER_FAILURES[min(len(moments), len(AFTER_FAILURES)) - 1]
        moments.append(moments[-1] + min(pause, AFTER_RESTART))
    for start in moments:
        assert sum(start <= moment < start + 3600 for moment in moments) <= 5


def test_restart_does_not_shorten_the_pause_below_its_own(
    tmp_path: Path, authority: FakeAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    first = renewal(tmp_path, authority)
    first.start()
    for _ in AFTER_FAILURES:
        first.attempt()
    capsys.readouterr()

    moment = renewal(tmp_path, authority).start()

    assert moment == pytest.approx(time.time() + AFTER_RESTART, abs=30)
    assert "Next attempt in 20 min" in capsys.readouterr().err


def test_failure_with_other_options_delays_nothing(tmp_path: Path, authority: FakeAuthority) -> None:
    first = renewal(tmp_path, authority)
    first.start()
    first.attempt()

    assert renewal(tmp_path, authority, OTHER).start() == 0.0


def test_certificate_for_other_names_is_served_and_does_not_count_as_good(
    tmp_path: Path, authority: FakeAuthority, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.certificate = certificate_for(monkeypatch, *OPTIONS.domains)

    renewal(tmp_path, authority, OTHER).start()

    assert path.read_bytes() == authority.certificate
    assert good_until(tmp_path) == 0


def test_forced_attempt_requests_a_new_certificate(
    tmp_path: Path, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.next = certificate_for(monkeypatch, *OPTIONS.domains)
    service = renewal(tmp_path, authority)
    service.attempt(force=True)
    assert authority.forced == [True]


def test_damaged_failure_file_counts_as_no_failure(tmp_path: Path, authority: FakeAuthority) -> None:
    (tmp_path / "failures.json").write_text('{"count": ')
    assert renewal(tmp_path, authority).start() == 0.0
