"""What `hub up` says about a database that does not fit."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from ops.embedded.data_dir import DataDir
from ops.settings import Settings
from ops.up import _migrate
from schemas.db import Pool
from schemas.migrate import MigrationError


@pytest.mark.parametrize(("embedded", "said"), [(True, "while developing, `rm -r "), (False, "put it back")])
async def test_a_changed_migration_may_be_started_afresh_only_in_a_folder_of_our_own(
    database: str, pool: Pool, tmp_path: Path, embedded: bool, said: str
) -> None:
    await pool.execute("UPDATE migrations SET checksum = 'other' WHERE number = 1")
    settings = Settings(database_url=SecretStr(database))
    with pytest.raises(MigrationError) as refused:
        await asyncio.to_thread(_migrate, settings, DataDir(tmp_path / "my hub"), embedded=embedded)
    assert said in str(refused.value)
    assert (f"'{tmp_path}/my hub'" in str(refused.value)) is embedded
