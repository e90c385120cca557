"""What a profile may hold: here the handle, by which others mention a person."""

import pytest
from pydantic import ValidationError

from schemas.profile import Personal


@pytest.mark.parametrize(
    "handle", ["ann", "Ann_1", "a", "zoë", "zoe\u0308", "अनिता", "ann.b-c", "x" * 64, "42"]
)
def test_a_handle_of_letters_digits_and_a_few_signs_is_taken(handle: str) -> None:
    assert Personal(handle=handle).handle == handle


@pytest.mark.parametrize("handle", ["@ann", " @ann ", "ann "])
def test_a_handle_is_kept_without_what_does_not_belong_to_it(handle: str) -> None:
    assert Personal(handle=handle).handle == "ann"


@pytest.mark.parametrize(
    "handle", ["@n!", "a b", "@", "@@ann", "ann@example.com", "a/b", "<b>", "🎈", "x" * 65]
)
def test_any_other_handle_is_refused_with_a_sentence_that_says_what_may_be_in_it(handle: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Personal(handle=handle)
    [error] = refused.value.errors()
    assert error["loc"] == ("handle",)
    assert "must be 1 to 64 letters, digits or _ . -" in error["msg"]


def test_a_handle_can_be_taken_away() -> None:
    assert Personal(handle=None).handle is None
