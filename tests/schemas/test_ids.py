"""The ids the hub makes, and the user ids it takes."""

import time
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.ids import UserId, uuid7

USER_ID: TypeAdapter[str] = TypeAdapter(UserId)
MOMENTS = st.integers(0, (2**48 - 1) * 1_000_000)


def test_a_uuid7_carries_its_version_and_variant() -> None:
    made = [uuid7() for _ in range(100)]
    assert {made_id.version for made_id in made} == {7}
    assert {made_id.variant for made_id in made} == {RFC_4122}
    assert len(set(made)) == 100


@given(st.tuples(MOMENTS, MOMENTS))
def test_a_later_uuid7_is_greater(moments: tuple[int, int]) -> None:
    earlier, later = sorted(moments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: earlier)
        first = uuid7()
        # 12 bits divide a millisecond into steps of 244 ns; within one step chance decides
        patch.setattr(time, "time_ns", lambda: later + 245)
        second = uuid7()
    assert first < second
    assert first.int >> 80 == earlier // 1_000_000


@pytest.mark.parametrize("user", ["a", "Alice_1", "svc:platform.eu-1", "x" * 64])
def test_a_user_id_is_taken(user: str) -> None:
    assert USER_ID.validate_python(user) == user


@pytest.mark.parametrize(
    "user", ["", "x" * 65, "bob\n", "bo b", "bób", "bob/1", "\x00", "\ud800", 5, None, b"bob"]
)
def test_what_is_no_user_id_is_refused(user: object) -> None:
    with pytest.raises(ValidationError):
        USER_ID.validate_python(user)
