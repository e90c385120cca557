"""What a deployment must be told before its mails may go out."""

import pytest
from pydantic import SecretStr

from ops.sending import links
from ops.settings import Auth, Resend, Settings, SettingsError
from ops.wiring import base, doors
from routing.consent import InvalidLinkError, Scope

SCOPE = Scope("email", "ann@example.com")
RESEND = Resend(api_key=SecretStr("re_test"), sender="Hub <hub@example.com>")


def test_every_process_reads_the_links_of_the_others() -> None:
    for settings in (
        Settings(link_secret=SecretStr("l" * 32)),
        Settings(auth=Auth(secret=SecretStr("a" * 32))),
    ):
        assert links(settings).read(links(settings).token(SCOPE)) == SCOPE
    with pytest.raises(InvalidLinkError):
        links(Settings()).read(links(Settings()).token(SCOPE))


async def test_doors_that_could_not_read_the_links_in_mails_refuse_to_start(
    database: str, redis_url: str
) -> None:
    settings = Settings(
        database_url=SecretStr(database),
        redis_url=SecretStr(redis_url),
        auth=Auth(jwks_url="https://example.com/jwks"),
        resend=RESEND,
    )
    async with base(settings) as parts:
        with pytest.raises(SettingsError, match="HUB_LINK_SECRET"):
            async with doors(parts):
                pytest.fail("they opened")
