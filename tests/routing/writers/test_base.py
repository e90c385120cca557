"""Where a link in what is written may lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.writers.base import MOST_URL, absolute
from tests.routing.writers.told import URL


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://example.com/a?b=1#c", "https://example.com/a?b=1#c"),
        ("http://example.com:8080/", "http://example.com:8080/"),
        ("/notifications", f"{URL}/notifications"),
        ("https://example.com/ö", "https://example.com/ö"),
        (None, f"{URL}/"),
        ("", f"{URL}/"),
        ("//example.com/", f"{URL}/"),
        ("/\\example.com/", f"{URL}/"),
        ("javascript:alert(1)", f"{URL}/"),
        ("data:text/html,x", f"{URL}/"),
        ("https://", f"{URL}/"),
        ("https://[::1", f"{URL}/"),
        ("https://example.com/a b", f"{URL}/"),
        ('https://example.com/"onclick="x', f"{URL}/"),
        ("https://example.com/\u2028x", f"{URL}/"),
        ("https://example.com/" + "a" * MOST_URL, f"{URL}/"),
    ],
)
def test_a_link_leads_to_a_web_page_or_home(url: str | None, leads: str) -> None:
    assert absolute(f"{URL}/", url) == leads


@given(st.text() | st.text(alphabet="/\\:.htps \r\n\t<>\"'@#?a").map(lambda tail: f"https://{tail}"))
def test_no_link_ends_an_attribute_a_line_or_a_header(url: str) -> None:
    made = absolute(URL, url)
    assert made.startswith(("https://", "http://"))
    assert not set(made) & set("\r\n\t <>\"'\x00")
