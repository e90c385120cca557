"""The simulator of Resend, asked as others will ask it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, ClientTimeout

from tests.simulated import Resend, resend_simulated

MAIL = {"from": "hub@example.com", "to": ["ann@example.com"], "subject": "Hello", "text": "Hi"}
HEADERS = {"Authorization": "Bearer re_test"}
PERMISSIVE = {"x-batch-validation": "permissive"}


@pytest.fixture
async def resend() -> AsyncIterator[Resend]:
    async with resend_simulated() as running:
        yield running


@pytest.fixture
async def session(resend: Resend) -> AsyncIterator[ClientSession]:
    async with ClientSession(resend.url, headers=HEADERS) as found:
        yield found


async def test_what_arrived_is_listed_by_address_and_forgotten_on_demand(session: ClientSession) -> None:
    for to in ("ann@example.com", "bob@example.com"):
        async with session.post("/emails", json=MAIL | {"to": to}) as answer:
            assert answer.status == 200
    async with session.get("/_sim/messages", params={"address": "bob@example.com"}) as answer:
        (found,) = await answer.json()
    assert found["address"] == "bob@example.com"
    assert (found["subject"], found["text"]) == ("Hello", "Hi")
    async with session.delete("/_sim/messages") as answer:
        assert answer.status == 200
    async with session.get("/_sim/messages") as answer:
        assert await answer.json() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "odd", "all": True},
        {"mode": "down"},
        {"mode": "down", "all": True, "times": 0},
        {"mode": "down", "address": True},
        {"mode": "sender_mismatch", "all": True},  # which only FCM knows
    ],
)
async def test_a_wrong_behaviour_is_refused(session: ClientSession, wrong: object) -> None:
    async with session.post("/_sim/behaviour", json=wrong) as answer:
        assert answer.status == 422


async def test_a_behaviour_ends_after_its_times(session: ClientSession) -> None:
    async with session.post("/_sim/behaviour", json={"all": True, "mode": "down", "times": 2}) as answer:
        assert answer.status == 200
    statuses = []
    for _ in range(3):
        async with session.post("/emails", json=MAIL) as answer:
            statuses.append(answer.status)
    assert statuses == [503, 503, 200]


@pytest.mark.parametrize(
    ("headers", "status", "name"),
    [
        ({"Authorization": ""}, 401, "missing_api_key"),
        ({"Authorization": "Bearer sk_1"}, 403, "invalid_api_key"),
        ({"User-Agent": ""}, 403, "security_error"),
    ],
)
async def test_who_is_not_known_is_refused(
    session: ClientSession, headers: dict[str, str], status: int, name: str
) -> None:
    async with session.post("/emails", json=MAIL, headers=headers) as answer:
        assert answer.status == status
        assert (await answer.json())["name"] == name


async def test_more_than_the_rate_is_told_to_wait() -> None:
    async with resend_simulated(rate=1) as resend, ClientSession(resend.url, headers=HEADERS) as session:
        answers = []
        for _ in range(4):
            async with session.post("/emails", json=MAIL) as answer:
                answers.append((answer.status, answer.headers.get("retry-after")))
                assert answer.headers["ratelimit-limit"] == "1"
    assert (429, "1") in answers


async def test_a_strict_batch_is_taken_as_a_whole_or_not_at_all(
    session: ClientSession, resend: Resend
) -> None:
    async with session.post("/emails/batch", json=[MAIL, MAIL | {"to": []}]) as answer:
        assert answer.status == 422
    assert resend.messages == []


async def test_ok_for_all_takes_back_what_was_set_for_addresses(
    session: ClientSession, resend: Resend
) -> None:
    resend.behave("down")
    resend.behave("reject", "ann@example.com")
    async with session.post("/_sim/behaviour", json={"all": True, "mode": "ok"}) as answer:
        assert answer.status == 200
    async with session.post("/emails", json=MAIL) as answer:
        assert answer.status == 200


async def test_more_may_happen_to_a_mail_that_was_forgotten(session: ClientSession) -> None:
    async with session.post("/emails", json=MAIL) as answer:
        mail = (await answer.json())["id"]
    async with session.delete("/_sim/messages") as answer:
        assert answer.status == 200
    for given, status in ((mail, 200), ("other", 404), (None, 404), ([], 404)):
        said: dict[str, object] = {"event": "email.complained", "id": given}
        async with session.post("/_sim/inbound", json=said) as answer:
            assert answer.status == status


async def test_a_quota_with_an_end_is_that_of_the_whole_batch(session: ClientSession, resend: Resend) -> None:
    resend.behave("quota", "bob@example.com", times=1)
    mails = [MAIL, MAIL | {"to": ["bob@example.com"]}]
    statuses = []
    for _ in range(2):
        async with session.post("/emails/batch", json=mails, headers=PERMISSIVE) as answer:
            statuses.append(answer.status)
    assert statuses == [429, 200]
    assert len(resend.messages) == 2


async def test_a_silence_with_an_end_is_that_of_the_whole_batch(
    session: ClientSession, resend: Resend
) -> None:
    resend.behave("timeout", "bob@example.com", times=1)
    mails = [MAIL, MAIL | {"to": ["bob@example.com"]}]
    with pytest.raises(TimeoutError):
        async with session.post(
            "/emails/batch", json=mails, headers=PERMISSIVE, timeout=ClientTimeout(total=0.3)
        ):
            pass
    assert resend.messages == []
    async with session.post("/emails/batch", json=mails, headers=PERMISSIVE) as answer:
        assert (await answer.json())["errors"] == []


@pytest.mark.parametrize("mode", ["timeout", "quota", "down"])
async def test_in_a_permissive_batch_the_fault_of_one_address_is_its_own(
    session: ClientSession, resend: Resend, mode: str
) -> None:
    async with session.post("/_sim/behaviour", json={"address": "bob@example.com", "mode": mode}) as answer:
        assert answer.status == 200
    mails = [MAIL, MAIL | {"to": ["bob@example.com"]}]
    async with session.post("/emails/batch", json=mails, headers=PERMISSIVE) as answer:
        said = await answer.json()
    assert [one["index"] for one in said["errors"]] == [1]
    assert [one.address for one in resend.messages] == ["ann@example.com"]
