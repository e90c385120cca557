"""Owns the AsyncAPI 3.0 document, generated from the event types and the socket namespaces."""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from gateways.http.schemas import BEARER, audiences, publishable, published, pushed
from gateways.http.signals import CALLS, SIGNALS, SocketCall
from schemas.events.registry import REGISTRY

SOCKET_PATH = "/socket.io"
PUBLISH = "/v1/events"


def asyncapi(public_url: str | None, host: str) -> dict[str, Any]:
    """Write the document; `host` is where it was asked for. Raises ValueError if that is no host."""
    url = urlsplit(public_url or f"http://{host}")
    secure = url.scheme == "https"
    servers = {
        "http": _server(url.netloc, "https" if secure else "http", "/", "Publishing"),
        "sockets": _server(
            url.netloc,
            "wss" if secure else "ws",
            SOCKET_PATH,
            "Socket.IO 5 over Engine.IO 4; connect each namespace with `auth: {token}`",
        ),
    }
    return {**_rest(), "servers": servers}


@cache
def _rest() -> dict[str, Any]:
    """What is the same wherever it is asked for; it takes a tenth of a second to write."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "hub",
            "version": version("hub"),
            "description": "What is published over HTTP, and what sockets hear of it.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {},
        "channels": {"publish": _publish_channel(), **_socket_channels()},
        "operations": _operations(),
        "components": {
            "messages": _messages(),
            "securitySchemes": BEARER,
        },
    }


def _server(host: str, protocol: str, path: str, words: str) -> dict[str, Any]:
    return {
        "host": host,
        "protocol": protocol,
        "pathname": path,
        "description": words,
        "security": [{"$ref": "#/components/securitySchemes/bearer"}],
    }


def rooms() -> dict[str, dict[str, dict[str, frozenset[str]]]]:
    """By namespace: which event types go to which rooms, and what is kept from them."""
    found: dict[str, dict[str, dict[str, frozenset[str]]]] = {}
    for event in REGISTRY.types():
        for audience in audiences(event):
            namespace = found.setdefault(audience.namespace, {})
            namespace.setdefault(event.name, {})[audience.room] = audience.hide
    return found


def _publish_channel() -> dict[str, Any]:
    return {
        "address": PUBLISH,
        "title": "Publish over HTTP",
        "description": "One CloudEvent or a batch; see the OpenAPI document for answers and errors.",
        "servers": [{"$ref": "#/servers/http"}],
        "messages": {event.name: _message_ref(f"publish.{event.name}") for event in publishable()},
    }


def _socket_channels() -> dict[str, Any]:
    return {
        _channel(namespace): {
            "address": namespace,
            "title": f"Namespace {namespace}",
            "description": _rooms_in_words(events),
            "servers": [{"$ref": "#/servers/sockets"}],
            "messages": {
                **{name: _message_ref(name) for name in events},
                **{one.name: _message_ref(one.name) for one in SIGNALS if one.namespace == namespace},
                **{
                    f"{call.name}{end}": _message_ref(f"{_channel(namespace)}.{call.name}{end}")
                    for call in _calls(namespace)
                    for end in ("", ".ack")
                },
            },
        }
        for namespace, events in rooms().items()
    }


def _rooms_in_words(events: dict[str, dict[str, frozenset[str]]]) -> str:
    lines = ["A socket that is in several of an event's rooms gets it once.", ""]
    for name, targets in events.items():
        told = []
        for room, hide in targets.items():
            without = f" (without {', '.join(sorted(hide))})" if hide else ""
            told.append(f"`{room}`{without}")
        lines.append(f"* `{name}` → {', '.join(told)}")
    return "\n".join(lines)


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {
        "publish": {
            "action": "receive",
            "summary": "Accept events",
            "channel": {"$ref": "#/channels/publish"},
            "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
            "messages": [_in_channel("publish", event.name) for event in publishable()],
        }
    }
    for namespace, events in rooms().items():
        channel = _channel(namespace)
        names = [*events, *(one.name for one in SIGNALS if one.namespace == namespace)]
        operations[f"{channel}.events"] = {
            "action": "send",
            "summary": f"What a socket in {namespace} hears",
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [_in_channel(channel, name) for name in names],
        }
        operations |= {f"{channel}.{call.name}": _call(channel, call) for call in _calls(namespace)}
    return operations


def _call(channel: str, call: SocketCall) -> dict[str, Any]:
    return {
        "action": "receive",
        "summary": call.summary,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [_in_channel(channel, call.name)],
        "reply": {
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [_in_channel(channel, f"{call.name}.ack")],
        },
    }


def _messages() -> dict[str, Any]:
    messages = {
        f"publish.{event.name}": _message(
            event.name, event.__doc__, published(event), "application/cloudevents+json"
        )
        for event in publishable()
    }
    messages |= {event.name: _message(event.name, event.__doc__, pushed(event)) for event in REGISTRY.types()}
    messages |= {one.name: _message(one.name, one.summary, one.payload) for one in SIGNALS}
    for call in CALLS:
        key = f"{_channel(call.namespace)}.{call.name}"
        messages[key] = _message(call.name, call.summary, call.payload)
        messages[f"{key}.ack"] = _message(call.name, f"The acknowledgement of `{call.name}`", call.ack)
    return messages


def _message(
    name: str, words: str | None, payload: dict[str, Any], media_type: str = "application/json"
) -> dict[str, Any]:
    summary = " ".join((words or "").split())
    return {"name": name, "title": name, "summary": summary, "contentType": media_type, "payload": payload}


def _calls(namespace: str) -> Iterable[SocketCall]:
    return [call for call in CALLS if call.namespace == namespace]


def _channel(namespace: str) -> str:
    return namespace.removeprefix("/")


def _message_ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/messages/{name}"}


def _in_channel(channel: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{channel}/messages/{name}"}
