"""Owns the Hypothesis strategies that several tests share: valid events of every type."""

from base64 import b64encode
from datetime import UTC, datetime
from functools import cache
from string import ascii_letters, ascii_uppercase, digits
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from schemas.events import members
from schemas.events.base import ENVELOPE, Event
from schemas.events.registry import REGISTRY
from schemas.ids import UserId


def events() -> st.SearchStrategy[Event]:
    """Valid events of every type, with and without their optional members."""
    return st.sampled_from(REGISTRY.types()).flatmap(events_of)


@cache
def events_of(cls: type[Event]) -> st.SearchStrategy[Event]:
    hints = get_type_hints(cls, include_extras=True)
    required: dict[str, st.SearchStrategy[Any]] = {"id": st.uuids(), "time": times(), "source": ids(300)}
    optional: dict[str, st.SearchStrategy[Any]] = {"subject": ids(300), "actor": user_ids()}
    for field, info in cls.model_fields.items():
        if field not in ENVELOPE:
            (required if info.is_required() else optional)[field] = _values(hints[field])
    return st.fixed_dictionaries(required, optional=optional).map(cls.model_validate)


def user_ids() -> st.SearchStrategy[str]:
    return st.text(ascii_letters + digits + "_.:-", min_size=1, max_size=64)


def ids(max_size: int = 200) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=max_size)


def texts() -> st.SearchStrategy[str]:
    """What PostgreSQL can store: everything but NUL and halves of surrogate pairs."""
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
    return st.text(characters, min_size=1, max_size=300)


def times() -> st.SearchStrategy[datetime]:
    first, last = datetime(1970, 1, 1), datetime(9999, 12, 31)  # noqa: DTZ001 - the zone is given below
    return st.datetimes(first, last, timezones=st.just(UTC))


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if hint in _BY_TYPE:
        return _BY_TYPE[hint]
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    present, _none = get_args(hint)
    return _BY_TYPE[present]


_BY_TYPE: Final[dict[Any, st.SearchStrategy[Any]]] = {
    UserId: user_ids(),
    members.Id: ids(),
    members.Title: texts(),
    members.Text: texts(),
    members.Url: st.sampled_from(["http://127.0.0.1:8080", "https://example.com/ö?q=1#x"]),
    members.Currency: st.text(ascii_uppercase, min_size=3, max_size=3),
    members.Ciphertext: st.binary(min_size=1).map(lambda raw: b64encode(raw).decode()),
    members.Integer: st.integers(-(2**63), 2**63 - 1),
    members.Position: st.integers(0, 2**63 - 1),
    members.Amount: st.integers(1, 10**15),
    members.Cents: st.integers(0, 10**15),
    members.Seconds: st.floats(0, 10**9),
    members.Users: st.lists(user_ids(), max_size=5).map(tuple),
    members.Uuid: st.uuids(),
    members.Uuids: st.lists(st.uuids(), max_size=5).map(tuple),
    members.Time: times(),
}
