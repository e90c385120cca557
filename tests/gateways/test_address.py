"""Where a request comes from: proxies, origins and hosts."""

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Request
from multidict import CIMultiDict
from structlog.testing import capture_logs

from gateways.address import client_address, origin_allowed
from gateways.config import check_networks
from gateways.loopback import is_loopback_host

PROXIES = ("10.0.0.0/8", "127.0.0.1/32", "fd00::/8")


def request(remote: str = "127.0.0.1", *forwarded: str, **headers: str) -> Request:
    pairs = CIMultiDict([*(("X-Forwarded-For", one) for one in forwarded), *headers.items()])
    return make_mocked_request("GET", "/", headers=pairs).clone(remote=remote)


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4, 198.51.100.1, 10.9.9.9",), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4", "198.51.100.1, 10.9.9.9"), "198.51.100.1"),
        ("10.0.0.1", ("10.1.1.1, 10.2.2.2",), "10.1.1.1"),
        ("10.0.0.1", ("198.51.100.1, nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("nonsense, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1:4711",), "198.51.100.1"),
        ("10.0.0.1", ("[2001:db8::1]:4711",), "2001:db8::1"),
        ("fd00::5", ("2001:db8::1",), "2001:db8::1"),
        ("::ffff:10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", (", ".join(["10.0.0.2"] * 5000),), "10.0.0.2"),
    ],
)
def test_the_caller_is_the_last_hop_that_is_no_proxy_of_ours(
    remote: str, forwarded: tuple[str, ...], expected: str
) -> None:
    assert client_address(request(remote, *forwarded), PROXIES) == expected


def test_without_trusted_proxies_the_header_means_nothing() -> None:
    assert client_address(request("127.0.0.1", "198.51.100.1"), ()) == "127.0.0.1"


def test_a_proxy_that_is_no_network_is_named() -> None:
    check_networks(PROXIES)
    with pytest.raises(ValueError, match=r"proxy\.example\.com"):
        check_networks(("proxy.example.com",))


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (None, "hub.example.com", True),
        ("https://hub.example.com", "hub.example.com", True),
        ("http://hub.example.com:8080", "hub.example.com:8080", True),
        ("http://hub.example.com:8081", "hub.example.com:8080", False),
        ("https://app.example.com", "hub.example.com", True),
        ("https://APP.example.com/", "hub.example.com", True),
        ("http://app.example.com", "hub.example.com", False),
        ("https://app.example.com.evil.example", "hub.example.com", False),
        ("https://public.example.com", "internal:8080", True),
        ("http://public.example.com", "internal:8080", False),
        ("null", "hub.example.com", False),
        ("", "hub.example.com", False),
        ("file://hub.example.com", "hub.example.com", False),
        ("https://[bad", "hub.example.com", False),
    ],
)
def test_an_origin_is_ours_or_on_the_list(origin: str | None, host: str, expected: bool) -> None:
    headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
    asked = request(**headers)
    assert origin_allowed(asked, ("https://app.example.com",), "https://public.example.com") is expected


def test_a_refused_origin_is_said_once_with_the_setting_that_allows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateways.address.say._quiet_until", 0.0)
    with capture_logs() as logs:
        for _ in range(3):
            assert not origin_allowed(request(Host="hub.example.com", Origin="https://other.example.com"), ())
    (said,) = logs
    assert (said["log_level"], said["origin"]) == ("warning", "https://other.example.com")
    assert "HUB_ALLOWED_ORIGINS" in said["do"]


def test_nobody_is_told_to_allow_the_origin_of_pages_that_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateways.address.say._quiet_until", 0.0)
    with capture_logs() as logs:
        assert not origin_allowed(request(Host="hub.example.com", Origin="null"), ())
    (said,) = logs
    assert "HUB_ALLOWED_ORIGINS" not in said["do"]
    assert "open the page from a web server" in said["do"]


def test_a_star_allows_every_origin() -> None:
    assert origin_allowed(request(Host="hub.example.com", Origin="https://any.example.com"), ("*",))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8080", True),
        ("127.8.8.8", True),
        ("localhost:8080", True),
        ("LOCALHOST", True),
        ("[::1]:8080", True),
        ("hub.example.com", False),
        ("127.0.0.1.example.com", False),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("0.0.0.0:8080", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_only_a_loopback_host_is_this_machine(host: str, expected: bool) -> None:
    assert is_loopback_host(host) is expected
