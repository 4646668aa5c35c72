"""The signatures, compared with the example of the specification of Standard Webhooks."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from shared.runtime.settings import SecretError, Settings
from shared.storage.volume import Volume
from worker.webhooks.signing import load_secrets, signed_headers

OLD = "whsec_" + base64.b64encode(b"old " * 8).decode()
NEW = "whsec_" + base64.b64encode(b"new " * 8).decode()


def with_secrets(settings: Settings, *secrets: str) -> Settings:
    return settings.model_copy(update={"webhook_secrets": SecretStr(" ".join(secrets))})


def test_the_example_of_the_specification_has_its_signature() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    headers = signed_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(min_size=24, max_size=64), st.text(), st.from_regex(r"[A-Za-z0-9_]+", fullmatch=True))
def test_a_receiver_with_the_key_accepts_any_message(key: bytes, text: str, message_id: str) -> None:
    body = text.encode("utf-8", "replace")

    headers = signed_headers([key], message_id, int(time.time()), body)

    Webhook(key).verify(body, dict(headers), json_parse=False)


def test_receivers_with_either_secret_accept_a_message_during_a_rotation(settings: Settings, volume: Volume) -> None:
    keys = load_secrets(with_secrets(settings, NEW, OLD), volume)

    headers = dict(signed_headers(keys, "msg_1", int(time.time()), b"{}"))

    for secret in (OLD, NEW):
        Webhook(secret).verify(b"{}", headers)


class TestTheVolumesOwnSecret:
    def test_the_secret_is_created_once_and_readable_only_by_its_owner(
        self, settings: Settings, volume: Volume
    ) -> None:
        first = load_secrets(settings, volume)

        assert load_secrets(settings, volume) == first
        assert volume.webhook_secret.stat().st_mode & 0o077 == 0
        assert len(first[0]) == 32

    def test_receivers_accept_the_secrets_format(self, settings: Settings, volume: Volume) -> None:
        keys = load_secrets(settings, volume)

        headers = dict(signed_headers(keys, "msg_1", int(time.time()), b"{}"))

        Webhook(volume.webhook_secret.read_text()).verify(b"{}", headers)

    @pytest.mark.parametrize("secrets", [(OLD,), (OLD, NEW)])
    def test_no_secret_is_created_if_the_settings_have_one(
        self, settings: Settings, volume: Volume, secrets: tuple[str, ...]
    ) -> None:
        assert len(load_secrets(with_secrets(settings, *secrets), volume)) == len(secrets)
        assert not volume.webhook_secret.exists()

    def test_an_empty_setting_counts_as_unset(self, settings: Settings, volume: Volume) -> None:
        assert len(load_secrets(with_secrets(settings, ""), volume)) == 1


@pytest.mark.parametrize(
    "secret",
    ["secret", OLD.removeprefix("whsec_"), "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "whsec_" + "QUFB" * 40],
)
def test_an_invalid_secret_is_refused_and_not_shown(settings: Settings, volume: Volume, secret: str) -> None:
    with pytest.raises(SecretError, match="whsec_") as caught:
        load_secrets(with_secrets(settings, OLD, secret), volume)

    assert OLD.removeprefix("whsec_") not in str(caught.value)


def test_secrets_are_not_shown_with_the_settings(settings: Settings) -> None:
    assert OLD not in repr(with_secrets(settings, OLD))
