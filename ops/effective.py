"""Owns how a command finds its hub: settings first, then what the data directory of `hub up` says."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ops.embedded.data_dir import DataDir
from ops.embedded.errors import EmbeddedError
from ops.settings import Auth, Settings, SettingsError, load
from ops.simulators.simulated import with_simulators


def effective(data_dir: Path | None) -> Settings:
    """Load the settings and fill in what a running `hub up` left in its data directory."""
    settings = load(**({"data_dir": data_dir} if data_dir else {}))
    found = DataDir(settings.data_dir).read_hub_json() or {}
    filled: dict[str, object] = {}
    if settings.database_url is None and "database_url" in found:
        filled["database_url"] = SecretStr(found["database_url"])
    if settings.redis_url is None and "redis_url" in found:
        filled["redis_url"] = SecretStr(found["redis_url"])
    if settings.public_url is None and "url" in found:
        filled["public_url"] = found["url"]
    known = settings.model_copy(update=filled)
    if _is_elsewhere(settings, found):
        return known
    known, urls = with_auth(known), found.get("simulators") or {}
    return with_simulators(known, urls, DataDir(settings.data_dir).auth_secret()) if urls else known


def _is_elsewhere(settings: Settings, found: dict[str, Any]) -> bool:
    """Whether the hub has services of its own: the development secret goes with those of `hub up` only."""
    if settings.database_url is None or settings.redis_url is None:
        return False
    return settings.database_url.get_secret_value() != found.get("database_url")


def with_auth(settings: Settings) -> Settings:
    """Take the data directory's development secret where no other way to check tokens is set."""
    auth = settings.auth
    if auth.secret or auth.public_key or auth.jwks_url:
        return settings
    try:
        secret = DataDir(settings.data_dir).auth_secret()
    except EmbeddedError:
        return settings  # commands that need it say so
    found = Auth(secret=SecretStr(secret), issuer=auth.issuer, audience=auth.audience)
    return settings.model_copy(update={"auth": found})


def no_hub(settings: Settings, variable: str) -> SettingsError:
    """The error of a command that found no hub; `variable` is the setting that would name one."""
    return SettingsError(
        f"no hub is running in {DataDir(settings.data_dir).path}: start it with `hub up`, name the folder of"
        f" another with --data-dir or HUB_DATA_DIR, or set {variable}"
    )
