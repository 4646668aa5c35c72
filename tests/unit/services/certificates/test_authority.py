"""The arguments of certbot, and its error messages in one line with the remedy."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from services.certificates.authority import Authority, RequestFailed, explanation
from services.certificates.options import Options

OPTIONS = Options(("glassbox.example.org", "www.example.org"), "https://ca.example/directory", None, None)
REFUSED = """Saving debug log to /var/lib/certificates/logs/letsencrypt.log
Requesting a certificate for glassbox.example.org

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Identifier: glassbox.example.org
  Type:   {type}
  Detail: {detail}

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile for more details.
"""
UNEXPECTED = """Saving debug log to /var/lib/certificates/logs/letsencrypt.log
An unexpected error occurred:
{error}
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile for more details.
"""


def stand_in(program: str) -> tuple[str, ...]:
    """Return a command to run instead of certbot."""
    return (sys.executable, "-c", f"import json, os, sys; {program}")


def call(tmp_path: Path, options: Options, *, force: bool = False) -> dict[str, list[str] | str | None]:
    seen = tmp_path / "seen.json"
    what = "json.dumps({'arguments': sys.argv[1:], 'roots': os.environ.get('REQUESTS_CA_BUNDLE')})"
    program = stand_in(f"open({str(seen)!r}, 'w').write({what})")
    Authority(options, tmp_path, tmp_path / "webroot", program).request(force=force)
    document: dict[str, list[str] | str | None] = json.loads(seen.read_text())
    return document


def test_certificate_is_requested_for_all_names_and_kept_until_it_is_due(tmp_path: Path) -> None:
    arguments = " ".join(call(tmp_path, OPTIONS)["arguments"] or ())

    assert "--domains glassbox.example.org,www.example.org" in arguments
    assert "--keep-until-expiring" in arguments
    assert "--server https://ca.example/directory" in arguments
    assert "--register-unsafely-without-email" in arguments
    assert f"--config-dir {tmp_path}/ca.example_directory" in arguments


def test_forced_request_does_not_keep_the_present_certificate(tmp_path: Path) -> None:
    arguments = call(tmp_path, OPTIONS, force=True)["arguments"] or ()
    assert "--force-renewal" in arguments
    assert "--keep-until-expiring" not in arguments


def test_email_and_private_roots_reach_certbot(tmp_path: Path) -> None:
    roots = tmp_path / "ca.pem"
    seen = call(tmp_path, Options(OPTIONS.domains, OPTIONS.directory, "me@example.org", roots))
    assert "--email me@example.org --no-eff-email" in " ".join(seen["arguments"] or ())
    assert seen["roots"] == str(roots)


def test_failure_of_certbot_is_an_error_with_what_it_printed(tmp_path: Path) -> None:
    certbot = stand_in("sys.exit(print('No space left on device', file=sys.stderr) or 1)")
    with pytest.raises(RequestFailed, match="No space left on device"):
        Authority(OPTIONS, tmp_path, tmp_path, certbot).request()


def test_lost_account_is_an_error_with_the_command_that_removes_it(tmp_path: Path) -> None:
    certbot = stand_in("sys.exit('Account https://ca.example/account/1 not found')")
    with pytest.raises(
        RequestFailed, match=f"docker compose exec certificates rm -r {tmp_path}/ca.example_directory/accounts"
    ):
        Authority(OPTIONS, tmp_path, tmp_path, certbot).request()


def test_nothing_is_issued_before_the_first_success(tmp_path: Path) -> None:
    assert Authority(OPTIONS, tmp_path, tmp_path).issued() is None


def test_newest_certificate_is_the_key_and_the_chain(tmp_path: Path) -> None:
    live = tmp_path / "ca.example_directory" / "live" / "gateway"
    live.mkdir(parents=True)
    (live / "privkey.pem").write_bytes(b"key\n")
    (live / "fullchain.pem").write_bytes(b"chain\n")

    assert Authority(OPTIONS, tmp_path, tmp_path).issued() == b"key\nchain\n"


@pytest.mark.parametrize(
    ("kind", "detail", "remedy"),
    [
        ("dns", "NXDOMAIN looking up A for glassbox.example.org", "Create a DNS record"),
        ("connection", "192.0.2.1: Fetching http://…: Timeout during connect.", "its port 80"),
        ("unauthorized", "Invalid response: 404", "DNS records"),
        ("caa", "CAA record prevents issuance", "CAA record permit"),
        ("malformed", "what no remedy is known for", "reaches the certificate authority"),
    ],
)
def test_failed_validation_is_one_line_with_name_reason_and_remedy(kind: str, detail: str, remedy: str) -> None:
    text = explanation(REFUSED.format(type=kind, detail=detail))

    assert text.startswith(f"glassbox.example.org: {detail.rstrip('.')}. ")
    assert remedy in text
    assert "\n" not in text
    assert "Ask for help" not in text


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("too many certificates (5) already issued for this exact set of domains", "Wait for the time"),
        ("requests.exceptions.ConnectionError: Failed to resolve 'ca.example'", "reaches the certificate authority"),
    ],
)
def test_other_failure_is_one_line_with_reason_and_remedy(error: str, remedy: str) -> None:
    text = explanation(UNEXPECTED.format(error=error))
    assert text.startswith(f"{error}. ")
    assert remedy in text


def test_failure_without_a_message_still_names_what_to_check() -> None:
    assert explanation("") == "certbot failed without a message. " + explanation("").split(". ", 1)[1]
    assert "port 80" in explanation("")
