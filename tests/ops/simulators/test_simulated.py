"""When a simulator stands in for an account."""

from pydantic import SecretStr

from ops.settings import Resend, Settings
from ops.simulators.simulated import with_simulators

URLS = {"resend": "http://127.0.0.1:9"}


def test_every_process_of_a_data_directory_points_to_the_same_simulator() -> None:
    first, second = (with_simulators(Settings(), URLS, "secret").resend for _ in range(2))
    assert first == second
    assert first.base_url == URLS["resend"]
    assert first.webhook_secret is not None
    assert first.webhook_secret.get_secret_value().startswith("whsec_")


def test_links_are_signed_where_tokens_are_checked_with_a_public_key() -> None:
    first, second = (with_simulators(Settings(), URLS, "secret").link_secret for _ in range(2))
    assert first is not None
    assert first == second


def test_an_account_goes_before_the_simulator() -> None:
    account = Resend(api_key=SecretStr("re_1"), sender="hub@example.com")
    settings = Settings(resend=account)
    assert with_simulators(settings, URLS, "secret").resend == account


def test_where_none_runs_nothing_is_simulated() -> None:
    assert with_simulators(Settings(), {}, "secret").resend == Resend()
