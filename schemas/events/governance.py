"""Owns the events about proposals and votes."""

from collections.abc import Iterable
from typing import ClassVar

from schemas.events.base import Audience, Event
from schemas.events.members import Id, Time, Title


class ProposalEvent(Event):
    """Something about one proposal."""

    subject_kind: ClassVar = "proposal"
    subject_member: ClassVar = "proposal_id"

    proposal_id: Id


class GovernanceProposalCreated(ProposalEvent):
    """Someone put a proposal to the vote."""

    name: ClassVar = "governance.proposal_created"

    title: Title
    zone: Id | None = None
    closes_at: Time | None = None

    def audience(self) -> Iterable[Audience]:
        if self.zone is not None:
            yield Audience("/feed", f"zone:{self.zone}")


class GovernanceVoteCast(ProposalEvent):
    """Someone voted on a proposal."""

    name: ClassVar = "governance.vote_cast"

    choice: Title

    def audience(self) -> Iterable[Audience]:
        return (Audience("/feed", f"proposal:{self.proposal_id}"),)
