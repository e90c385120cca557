"""How a command finds its hub, and whose secret it takes."""

from pathlib import Path

import pytest

from ops.effective import effective
from ops.embedded.data_dir import DataDir

OWN = {
    "HUB_DATABASE_URL": "postgresql://hub@db.example.com/hub",
    "HUB_REDIS_URL": "redis://redis.example.com",
}


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    """The folder of a `hub up`."""
    with DataDir(tmp_path) as made:
        made.write_hub_json(
            {"url": "http://127.0.0.1:1", "database_url": "postgresql://here", "redis_url": "redis://h"}
        )
        return made


def test_beside_hub_up_its_services_and_its_secret_are_taken(data_dir: DataDir) -> None:
    settings = effective(data_dir.path)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://here"
    assert settings.auth.secret is not None
    assert settings.auth.secret.get_secret_value() == data_dir.auth_secret()


def test_a_hub_with_services_of_its_own_takes_no_development_secret(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)
    assert effective(data_dir.path).auth.secret is None
    data_dir.remove_hub_json()
    assert effective(data_dir.path).auth.secret is None


def test_who_names_the_services_of_hub_up_is_of_the_same_hub(
    data_dir: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql://here")
    monkeypatch.setenv("HUB_REDIS_URL", "redis://h")
    assert effective(data_dir.path).auth.secret is not None
