"""Owns the simulated endpoint where tokens for FCM come from, and keys of accounts that it knows."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ops.simulators.base import SLOW_S, Behaviours, json_answer, silence
from schemas.clock import Clock

ADDRESS: Final = "oauth2.googleapis.com"
"""By which this endpoint can be told to misbehave: down, reject, slow, timeout."""
EMULATED: Final = "owner"  # what the libraries of Firebase show to an emulator
AUDIENCE: Final = "https://oauth2.googleapis.com/token"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPES: Final = frozenset(
    f"https://www.googleapis.com/auth/{name}" for name in ("cloud-platform", "firebase", "firebase.messaging")
)
LIFETIME_S: Final = 3599
KEPT: Final = 1_000


class Tokens:
    """Gives tokens for signed assertions, and knows which ones count."""

    def __init__(self, clock: Clock, behaviours: Behaviours) -> None:
        self.lifetime_s = LIFETIME_S
        self.asked = 0
        """How often a token was asked for."""
        self._clock = clock
        self._behaviours = behaviours
        self._given: OrderedDict[str, datetime] = OrderedDict()

    def count(self, token: str) -> bool:
        until = self._given.get(token)
        return token == EMULATED or (until is not None and until > self._clock.now())

    def revoke(self) -> None:
        """None that was given counts any more."""
        self._given.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        mode = self._behaviours.take(ADDRESS) if self._behaviours.own({ADDRESS}) else "ok"
        if mode in {"timeout", "timeout_after"}:
            return await silence(request)
        if mode in {"down", "flaky"}:
            return json_answer({"error": "internal_failure"}, 503)
        if mode == "slow":
            await asyncio.sleep(SLOW_S)
        wrong = "Account disabled." if mode in {"reject", "gone"} else self._wrong(await request.post())
        if wrong:
            return json_answer({"error": "invalid_grant", "error_description": wrong}, 400)
        return json_answer(
            {"access_token": self._give(), "expires_in": self.lifetime_s, "token_type": "Bearer"}
        )

    def _give(self) -> str:
        token = f"ya29.{uuid4().hex}"
        self._given[token] = self._clock.now() + timedelta(seconds=self.lifetime_s)
        if len(self._given) > KEPT:
            self._given.popitem(last=False)
        return token

    def _wrong(self, form: Mapping[str, Any]) -> str | None:
        """Whose key it is cannot be known here; the rest is looked at."""
        assertion = str(form.get("assertion", ""))
        try:
            claims = jwt.decode(assertion, options={"verify_signature": False})
            algorithm = jwt.get_unverified_header(assertion)["alg"]
            lasts = float(claims["exp"]) - float(claims["iat"])
            ended = float(claims["exp"]) <= self._clock.now().timestamp()
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            return "Invalid JWT: it cannot be read."
        if form.get("grant_type") != GRANT or algorithm != "RS256" or claims.get("aud") != AUDIENCE:
            return "Invalid JWT: grant, algorithm or audience."
        if ended or not 0 < lasts <= 3600:
            return (
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
            )
        if not SCOPES.intersection(str(claims.get("scope", "")).split()):
            return "Invalid OAuth scope or ID token audience provided."
        return None


def service_account(url: str, project: str = "simulated") -> str:
    """A key, as JSON, of an account that the simulator under this address knows."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": project,
            "private_key_id": uuid4().hex,
            "private_key": pem.decode(),
            "client_email": f"hub@{project}.example.com",
            "token_uri": f"{url}/token",
        }
    )
