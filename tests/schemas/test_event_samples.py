"""Events as they were once written to the log: they must be readable for ever.

When a type gains a member, fill it in its sample; never take away or rename what a sample has.
"""

from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.events.base import Event
from schemas.events.registry import REGISTRY

SAMPLES = {path.stem: path for path in (Path(__file__).parent / "samples").glob("*.json")}


def sample(name: str) -> dict[str, Any]:
    wire: dict[str, Any] = orjson.loads(SAMPLES[name].read_bytes())
    return wire


def test_every_type_has_a_sample_and_every_sample_a_type() -> None:
    assert SAMPLES.keys() == {cls.name for cls in REGISTRY.types()}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_sample_is_read_and_written_as_it_was(name: str) -> None:
    wire = sample(name)
    event = REGISTRY.decode(wire)
    assert event.name == name
    assert event.to_wire() == wire
    assert REGISTRY.parse(wire, source_default="other") == event


@pytest.mark.parametrize("cls", REGISTRY.types(), ids=lambda cls: cls.name)
def test_a_sample_fills_every_member(cls: type[Event]) -> None:
    wire = sample(cls.name)
    assert wire["data"].keys() == cls.data_members.keys()
    assert wire["actor"]


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_subject_of_a_sample_is_the_default_one(name: str) -> None:
    wire = sample(name)
    subject = wire.pop("subject")
    assert REGISTRY.parse(wire, source_default="other").subject == subject
