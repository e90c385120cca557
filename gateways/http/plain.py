"""Owns pages by themselves, where links of mails lead: one card that needs neither a login nor JavaScript."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from gateways.http.pages import page_policy

FORM: Final = "application/x-www-form-urlencoded"
HTML: Final = "text/html"
PAGE: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("plain.html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a page says. The address stands at the end of the sentence; choices are values and labels."""

    heading: str
    said: str
    hint: str
    address: str = ""
    done: bool = False
    choices: Sequence[tuple[str, str]] = ()
    more: tuple[str, str] = ("/preferences", "All my preferences")


def page(words: Words, status: int = 200) -> web.Response:
    """Write a page, for this reader alone."""
    written = PAGE.render(asdict(words)).encode()
    return web.Response(
        status=status,
        body=written,
        content_type=HTML,
        charset="utf-8",
        headers={"Cache-Control": "no-store", "Content-Security-Policy": page_policy(written)},
    )
