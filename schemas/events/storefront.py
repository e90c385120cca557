"""Owns the events about sales; money is integer cents with an ISO currency."""

from collections.abc import Iterable
from typing import ClassVar

from schemas.events.base import Audience, Event
from schemas.events.members import Cents, Currency, Id, Title
from schemas.ids import UserId


class StorefrontPurchased(Event):
    """Someone bought something from a seller."""

    name: ClassVar = "storefront.purchased"
    subject_kind: ClassVar = "order"
    subject_member: ClassVar = "order_id"

    order_id: Id
    seller: UserId
    buyer: UserId
    amount_cents: Cents
    currency: Currency
    item: Title | None = None

    def audience(self) -> Iterable[Audience]:
        return (Audience("/notifications", f"user:{self.seller}"),)


class StorefrontMembershipNew(Event):
    """Someone became a paying member of a creator."""

    name: ClassVar = "storefront.membership_new"
    subject_kind: ClassVar = "user"
    subject_member: ClassVar = "creator"

    creator: UserId
    member: UserId
    tier: Title
    amount_cents: Cents
    currency: Currency

    def audience(self) -> Iterable[Audience]:
        return (Audience("/notifications", f"user:{self.creator}"),)
