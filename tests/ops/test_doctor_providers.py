"""What the doctor says of providers."""

import json
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ops.doctor_providers import examine_providers, left_alone
from ops.finding import Finding
from ops.provider_settings import Fcm, Resend, Smtp, Telegram, Twilio
from ops.settings import Settings
from ops.simulators.fcm import FcmSimulator
from ops.simulators.running import served
from ops.simulators.smtp import SmtpAccount, SmtpSimulator, smtp_served
from schemas.clock import SystemClock
from schemas.db import connect
from schemas.store.providers import Providers
from tests.simulated import FakeClock

URL = "https://hub.example.com"
TWILIO = Twilio(account_sid="AC1", auth_token=SecretStr("word"), messaging_service_sid="MG1")


async def found(settings: Settings, what: str) -> Finding:
    (one,) = [one for one in await examine_providers(settings) if one.what == what]
    return one


async def test_what_is_not_set_is_no_fault_and_said_with_what_to_do() -> None:
    findings = await examine_providers(Settings())
    assert [one.well for one in findings] == [True]
    for setting in (
        "HUB_FCM__CREDENTIALS",
        "HUB_TWILIO__ACCOUNT_SID",
        "HUB_RESEND__API_KEY",
        "HUB_TELEGRAM__TOKEN",
    ):
        assert setting in findings[0].says


async def test_a_simulator_is_well_while_it_answers() -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    settings = Settings(public_url=URL, fcm=Fcm(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}"))
    async with served(FcmSimulator(SystemClock()), listening):
        assert await found(settings, "push") == Finding("push", True, "simulated")
    said = "its simulator does not answer: restart `hub up`"
    assert await found(settings, "push") == Finding("push", False, said)


async def test_messages_with_links_need_to_know_where_the_hub_is() -> None:
    says = (await found(Settings(fcm=Fcm(base_url="http://127.0.0.1:9")), "address")).says
    assert "HUB_PUBLIC_URL" in says


async def test_a_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    settings = Settings(public_url=URL, fcm=Fcm(credentials=SecretStr(str(tmp_path / "key.json"))))
    one = await found(settings, "push")
    assert (one.well, one.says) == (
        False,
        "HUB_FCM__CREDENTIALS names a file that cannot be read: No such file or directory",
    )


async def test_a_broken_key_is_no_crash() -> None:
    key = {
        "type": "service_account",
        "project_id": "hub",
        "client_email": "h",
        "private_key": "secret",
    }
    settings = Settings(public_url=URL, fcm=Fcm(credentials=SecretStr(json.dumps(key))))
    one = await found(settings, "push")
    assert one.well is False
    assert "secret" not in one.says


async def test_a_mail_server_is_signed_in_to() -> None:
    account = SmtpAccount(username="hub", password="word")
    server = SmtpSimulator(FakeClock(), account)
    async with smtp_served(server, account) as port:
        for password, well in (("word", True), ("other", False)):
            smtp = Smtp(
                host="127.0.0.1",
                port=port,
                sender="hub@example.com",
                tls="off",
                username="hub",
                password=SecretStr(password),
            )
            one = await found(Settings(public_url=URL, smtp=smtp), "mail server")
            assert one.well is well, one.says
            assert password not in one.says
    assert server.messages == []


@pytest.mark.parametrize(
    ("status", "said", "well"),
    [(200, "the account is taken", True), (401, "the provider refuses the account (401)", False)],
)
async def test_an_account_is_asked_for(
    status: int, said: str, well: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def call(url: str, shown: object) -> tuple[int, str]:
        asked.append(url)
        return status, ""

    monkeypatch.setattr("ops.doctor_providers._call", call)
    settings = Settings(
        public_url=URL,
        twilio=TWILIO,
        resend=Resend(
            api_key=SecretStr("re_1"), sender="h@example.com", webhook_secret=SecretStr("whsec_" + "a" * 20)
        ),
        telegram=Telegram(token=SecretStr("42:word")),
    )
    findings = await examine_providers(settings)
    for what in ("sms", "e-mail", "telegram"):
        (one,) = [one for one in findings if one.what == what]
        assert one.well is well
        assert said in one.says
        assert "42:word" not in one.says
    assert len(asked) == 3


async def test_providers_that_are_left_alone_are_told_with_the_reason(database: str) -> None:
    providers, now = Providers(), SystemClock().now()
    connection = await connect(database)
    try:
        assert (await left_alone(connection)).well
        for name in ("twilio", "fcm"):
            await providers.take(connection, name, rate=1, burst=1, most=1)
        await providers.pause(connection, "twilio", now + timedelta(minutes=5), "misconfigured: 401")
        one = await left_alone(connection)
    finally:
        await connection.close()
    assert not one.well
    assert "twilio (misconfigured: 401; until" in one.says
    assert "fcm" not in one.says
