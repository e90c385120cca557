"""Owns the previews of what people are told, for admins: the JSON behind the page /docs/templates."""

from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateways.http.route import Call, Reply, Route, answer
from routing.members import CHANNELS, ChannelKind
from routing.previews import Preview, previews
from routing.texts import LOCALES, resolve

HERE: Final = "http://127.0.0.1"


class Written(BaseModel):
    """One message as a channel shows it; members that the channel has no place for are null."""

    title: str
    text: str
    html: str | None
    url: str | None
    headers: dict[str, str]


class TemplateShown(BaseModel):
    """One thing that people are told."""

    name: str = Field(description="the type of the event, or what else it is", examples=["hours.tipped"])
    topic: str
    written: Written | None
    why: str | None = Field(description="why the channel does not carry it")


class TemplatesShown(BaseModel):
    """Everything people are told, on one channel in one language."""

    channels: list[ChannelKind]
    locales: list[str]
    channel: ChannelKind
    locale: str
    items: list[TemplateShown]


class TemplateFilter(BaseModel):
    """Which channel and language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: ChannelKind = "email"
    locale: str = Field("en", max_length=64, description="BCP 47; the nearest language that there is")


async def list_templates(call: Call[TemplateFilter, None]) -> web.Response:
    channel, locale = call.query.channel, resolve(call.query.locale)
    found = previews(channel, locale, call.gateway.config.public_url or HERE)
    return answer(
        {
            "channels": list(CHANNELS),
            "locales": list(LOCALES),
            "channel": channel,
            "locale": locale,
            "items": [_shown(one) for one in found],
        }
    )


def _shown(one: Preview) -> dict[str, Any]:
    return {
        "name": one.sample.name,
        "topic": one.sample.topic,
        "written": one.written
        and {
            "title": one.written.title,
            "text": one.written.text,
            "html": one.written.html,
            "url": one.written.url,
            "headers": dict(one.written.headers),
        },
        "why": one.why,
    }


ROUTES = (
    Route(
        method="GET",
        path="/v1/templates",
        handler=list_templates,
        summary="See how everything reads that people are told",
        description="Made from samples; the page /docs/templates shows it.",
        tag="documents",
        scopes=("admin",),
        query=TemplateFilter,
        replies={200: Reply(description="The previews", model=TemplatesShown)},
    ),
)
