"""Owns how a user is shown."""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from schemas.events.members import rfc3339
from schemas.store.users import User


class UserShown(BaseModel):
    """A user as the hub knows them."""

    model_config = ConfigDict(frozen=True, title="User")

    id: str
    handle: str | None
    name: str | None
    tz: str | None
    locale: str | None
    email: str | None
    email_verified_at: AwareDatetime | None
    phone: str | None
    phone_verified_at: AwareDatetime | None
    roles: list[str]
    suspended_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


def shown_user(user: User) -> dict[str, Any]:
    at = {
        name: rfc3339(moment) if (moment := getattr(user, name)) else None
        for name in ("email_verified_at", "phone_verified_at", "suspended_at", "created_at", "updated_at")
    }
    return {
        "id": user.id,
        "handle": user.handle,
        "name": user.name,
        "tz": user.tz,
        "locale": user.locale,
        "email": user.email,
        "phone": user.phone,
        "roles": list(user.roles),
        **at,
    }
