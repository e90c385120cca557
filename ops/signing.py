"""Owns signing tokens with the shared secret of this machine."""

from datetime import timedelta

from gateways.auth import issue
from ops.embedded.data_dir import DataDir
from ops.settings import Settings, SettingsError
from schemas.clock import SystemClock


def sign(settings: Settings, user: str, scopes: tuple[str, ...], ttl: timedelta) -> str:
    """Sign a token; raises SettingsError when this machine has no shared secret to sign with."""
    auth = settings.auth
    if auth.secret is None:
        raise SettingsError(
            f"there is no shared secret to sign with: set HUB_AUTH__SECRET, start `hub up` in"
            f" {DataDir(settings.data_dir).path}, or name the folder of another hub with --data-dir or"
            " HUB_DATA_DIR"
        )
    try:
        return issue(
            auth.secret.get_secret_value(),
            user,
            scopes,
            ttl,
            SystemClock(),
            issuer=auth.issuer,
            audience=auth.audience,
        )
    except ValueError:
        raise SettingsError(
            f"{user!r} is not a user id: use 1 to 64 letters, digits and any of _ . : -"
        ) from None
