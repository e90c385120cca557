"""The previews of what people are told: for admins, each channel and language, as JSON and as a page."""

from gateways.http.pages import page_policy
from routing.members import CHANNELS
from tests.gateways.http.served import Caller

PATH = "/v1/templates"


async def test_only_admins_see_the_templates(nobody: Caller, service: Caller) -> None:
    assert (await nobody.get(PATH)).status == 401
    assert (await nobody.being("ann").get(PATH)).status == 403
    assert (await service.get(PATH)).status == 403


async def test_every_channel_is_shown_in_every_language(admin: Caller) -> None:
    for channel in CHANNELS:
        for locale, tag in (("en", "en-GB"), ("de", "de-AT"), ("en", "xx")):
            shown = (await admin.get(f"{PATH}?channel={channel}&locale={tag}")).json
            assert (shown["channel"], shown["locale"]) == (channel, locale)
            assert (shown["channels"], shown["locales"]) == (list(CHANNELS), ["en", "de"])
            assert all((one["written"] is None) is (one["why"] is not None) for one in shown["items"])


async def test_a_mail_is_shown_with_its_html_and_headers(admin: Caller) -> None:
    items = (await admin.get(f"{PATH}?locale=de")).json["items"]
    tip = next(one["written"] for one in items if one["name"] == "hours.tipped")
    assert tip["title"] == "Bob hat dir 12,50 HRS Trinkgeld gegeben"
    assert '<html lang="de">' in tip["html"]
    assert tip["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


async def test_the_way_out_of_a_preview_unsubscribes_nobody(admin: Caller, nobody: Caller) -> None:
    items = (await admin.get(PATH)).json["items"]
    tip = next(one["written"] for one in items if one["name"] == "hours.tipped")
    path = "/u/" + tip["headers"]["List-Unsubscribe"].strip("<>").rpartition("/u/")[2]
    assert (await nobody.post(path)).status == 404


async def test_an_unknown_channel_is_refused(admin: Caller) -> None:
    answered = await admin.get(f"{PATH}?channel=fax")
    assert (answered.status, answered.json["errors"][0]["path"]) == (422, "channel")


def test_the_page_may_show_mails_in_their_own_style_and_no_script_of_theirs() -> None:
    policy = page_policy(b"", mails=True)
    assert "style-src 'self' 'unsafe-inline';" in policy
    assert "script-src 'self';" in policy
    assert "'unsafe-inline'" not in page_policy(b"")
