"""The commands as a user types them, against a running hub."""

import json
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from schemas.db import Session, connect
from tests.hubprocess import HUB, ROOT, HubProcess
from tests.waiting import until

DEADLINE_S = 60
LINES = 12_000


def run(hub: HubProcess, *arguments: str | Path, status: int = 0, **environment: str) -> str:
    """Run a command; answers what it wrote to stdout, or to stderr when it was to fail."""
    done = subprocess.run(
        [HUB, *arguments],
        env=hub.environment | {"HUB_DATA_DIR": str(hub.data_dir)} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


async def call(hub: HubProcess, path: str, *scopes: str, user: str = "root") -> tuple[int, Any]:
    headers = hub.headers(user, *scopes)
    async with aiohttp.ClientSession() as session, session.get(hub.url + path, headers=headers) as response:
        return response.status, await response.json(content_type=None)


@pytest.fixture
async def log(hub_process: HubProcess) -> AsyncIterator[Session]:
    """A connection to the hub's database."""
    connection = await connect(hub_process.json()["database_url"])
    yield connection
    await connection.close()


async def test_a_token_alone_is_printed_and_lets_its_bearer_in(hub_process: HubProcess) -> None:
    token = run(hub_process, "token", "tina", "--scope", "user", "--ttl", "5m").strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(hub_process.url + "/v1/me") as me,
    ):
        assert (me.status, (await me.json())["id"]) == (200, "tina")


async def test_a_published_event_is_in_the_log_and_its_trace_tells_what_became_of_it(
    hub_process: HubProcess,
) -> None:
    data = '{"content_id":"cli1","author":"ann","kind":"post","title":"From the command line"}'
    accepted = json.loads(run(hub_process, "publish", "content.created", "--data", data, "--actor", "ann"))
    assert accepted["duplicate"] is False

    async def handled() -> bool:
        _, trace = await call(hub_process, f"/v1/events/{accepted['id']}/trace", "admin")
        return {g["group"]: g["state"] for g in trace["groups"]} == dict.fromkeys(
            ("audiences", "router", "stats"), "handled"
        )

    await until(handled)


def test_what_is_wrong_with_an_event_is_named_by_its_path(hub_process: HubProcess) -> None:
    said = run(hub_process, "publish", "hours.tipped", "--data", '{"to":"bob","amount":"5"}', status=1)
    assert said.count("data.amount") == 1
    assert "data is not JSON" in run(hub_process, "publish", "hours.tipped", "--data", "{", status=2)


def write_lines(path: Path, count: int, content: str) -> Path:
    line = '{"type":"content.viewed","data":{"content_id":"%s","author":"ann","seconds":%d}}\n'
    path.write_text("".join(line % (content, n) for n in range(count)))
    return path


async def count_of(log: Session, content: str) -> int:
    return int(await log.fetchval("SELECT count(*) FROM events WHERE subject = $1", f"content:{content}"))


@pytest.mark.slow
async def test_a_file_goes_on_where_a_kill_stopped_it_and_no_line_is_published_twice(
    hub_process: HubProcess, log: Session, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "events.jsonl", LINES, "killed")
    first = subprocess.Popen(  # noqa: ASYNC220  to be killed
        [HUB, "publish", "--file", file, "--data-dir", hub_process.data_dir],
        env=hub_process.environment,
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )

    async def some() -> bool:
        return await count_of(log, "killed") > 0

    await until(some)
    first.send_signal(signal.SIGKILL)
    first.wait()
    run(hub_process, "publish", "--file", file)
    assert await count_of(log, "killed") == LINES
    numbers = "SELECT count(DISTINCT data->'seconds') FROM events WHERE subject = 'content:killed'"
    assert await log.fetchval(numbers) == LINES
    assert "already published: 12,000 events" in run(hub_process, "publish", "--file", file)
    assert await count_of(log, "killed") == LINES


def test_a_wrong_line_of_a_file_is_named(hub_process: HubProcess, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "events.jsonl", 3, "wrong")
    file.write_text(file.read_text() + "not json\n")
    assert "line 4 is not JSON" in run(hub_process, "publish", "--file", file, status=1)


async def test_the_tail_says_that_it_waits_and_shows_an_event_as_it_happens(
    hub_process: HubProcess,
) -> None:
    tail = subprocess.Popen(  # noqa: ASYNC220  to be read while it runs
        [HUB, "tail", "--type", "governance.vote_cast", "--data-dir", hub_process.data_dir],
        env=hub_process.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tail.stdout is not None
    assert tail.stderr is not None
    assert tail.stderr.readline() == "waiting for events; Ctrl-C stops\n"
    run(hub_process, "publish", "governance.vote_cast", "--data", '{"proposal_id":"p1","choice":"yes"}')
    assert "proposal:p1" in tail.stdout.readline()
    tail.send_signal(signal.SIGINT)
    assert tail.communicate(timeout=20) == ("", "")
    assert tail.returncode == 0


async def test_a_suspended_user_is_kept_out_until_resumed(hub_process: HubProcess) -> None:
    assert (await call(hub_process, "/v1/me", "user", user="sue"))[0] == 200
    run(hub_process, "users", "suspend", "sue")
    assert (await call(hub_process, "/v1/me", "user", user="sue"))[0] == 403
    run(hub_process, "users", "resume", "sue")
    assert (await call(hub_process, "/v1/me", "user", user="sue"))[0] == 200
    assert "sue is not suspended" in run(hub_process, "users", "resume", "sue", status=1)


def test_a_user_whom_nobody_has_seen_is_taken_for_a_typing_error(hub_process: HubProcess) -> None:
    for command in (["suspend", "seu"], ["resume", "seu"], ["erase", "seu", "--yes"]):
        said = run(hub_process, "users", *command, status=1)
        assert said.startswith("hub: there is no user seu: ")
        assert len(said.splitlines()) == 1


def test_the_question_before_an_erasure_names_the_person_and_an_unknown_one_is_not_asked_about(
    hub_process: HubProcess,
) -> None:
    run(hub_process, "publish", "user.registered", "--data", '{"user":"una"}')
    asked = run(hub_process, "users", "erase", "una", status=1)
    assert asked.splitlines()[-1] == "hub: stopped"
    unknown = run(hub_process, "users", "erase", "nua", status=1)
    assert unknown.startswith("hub: there is no user nua: ")
    assert "--yes" in unknown


def test_a_file_that_is_published_without_a_terminal_says_one_line(
    hub_process: HubProcess, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "events.jsonl", 3, "quiet")
    done = subprocess.run(
        [HUB, "publish", "--file", file, "--data-dir", hub_process.data_dir],
        env=hub_process.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("published 3 events\n", "")


async def test_an_erased_person_leaves_no_id_and_no_word_in_the_log(
    hub_process: HubProcess, log: Session
) -> None:
    data = '{"to":"eve","amount":700,"note":"a private word"}'
    tip = json.loads(run(hub_process, "publish", "hours.tipped", "--data", data, "--actor", "eric"))
    like = '{"content_id":"e1","author":"eric"}'
    run(hub_process, "publish", "content.liked", "--data", like, "--actor", "eve")
    run(hub_process, "users", "erase", "eric", "--yes")
    left = "SELECT count(*) FROM events WHERE actor = 'eric' OR data::text ~ 'eric|private'"
    assert await log.fetchval(left) == 0
    assert await log.fetchval("SELECT count(*) FROM users WHERE id = 'eric'") == 0
    row = await log.fetchrow("SELECT actor, data FROM events WHERE id = $1", tip["id"])
    assert row is not None
    assert row["actor"].startswith("erased:")
    assert row["data"]["amount"] == 700


async def test_a_replay_counts_every_event_once_again(hub_process: HubProcess, log: Session) -> None:
    run(hub_process, "publish", "zone.joined", "--data", '{"zone":"art","user":"zoe"}')

    async def counted() -> bool:
        return bool(
            await log.fetchval(
                "SELECT (SELECT sum(count) FROM stats_daily)"
                " = (SELECT count(*) FROM relay_log WHERE event_id IS NOT NULL)"
            )
        )

    await until(counted)
    run(hub_process, "replay", "--group", "stats")
    await until(counted)
    await log.execute("UPDATE stats_daily SET count = count + 7")
    run(hub_process, "replay", "--group", "stats", "--since", "2000-01-01")
    await until(counted)


def test_an_empty_dlq_says_so(hub_process: HubProcess) -> None:
    assert run(hub_process, "dlq", "list") == ""
    assert "no group has set aside" in run(hub_process, "dlq", "show", "1", status=1)


def test_the_doctor_finds_a_running_hub_well(hub_process: HubProcess) -> None:
    said = run(hub_process, "doctor")
    assert "FAIL" not in said
    assert "ok    open files: started from here, a process takes up to " in said


def test_a_token_of_another_hub_is_refused_with_the_address_that_was_asked(hub_process: HubProcess) -> None:
    data = '{"content_id":"c1","author":"ann","kind":"post","title":"Elsewhere"}'
    other = "a-secret-of-another-hub-of-32-bytes"
    said = run(hub_process, "publish", "content.created", "--data", data, status=1, HUB_AUTH__SECRET=other)
    assert f"401 Unauthorized at {hub_process.url} (HUB_PUBLIC_URL names another hub)" in said


def test_the_configuration_is_explained(nowhere: HubProcess) -> None:
    lines = run(nowhere, "config", "--explain").splitlines()
    batch = next(line for line in lines if line.startswith("HUB_LIMITS__BATCH "))
    assert batch.split(maxsplit=2) == ["HUB_LIMITS__BATCH", "1000", "events in one request"]
    assert any(line.startswith("HUB_RETENTION_DAYS ") and "(not set)" in line for line in lines)


def test_the_configuration_shows_no_secret(hub_process: HubProcess) -> None:
    shown = run(hub_process, "config")
    found = hub_process.json()
    assert json.loads(shown)["HUB_LIMITS__BATCH"] == 1000
    for secret in (found["database_url"], found["redis_url"]):
        assert secret.split(":")[2].split("@")[0] not in shown


@pytest.fixture
def nowhere(tmp_path: Path) -> HubProcess:
    return HubProcess(tmp_path / "nowhere")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_without_a_hub_every_command_says_where_it_looked_and_what_to_start(nowhere: HubProcess) -> None:
    commands = (
        ["publish", "x", "--data", "{}"],
        ["tail"],
        ["dlq", "list"],
        ["users", "suspend", "a"],
        ["migrate"],
    )
    for command in commands:
        said = run(nowhere, *command, status=1)
        assert said.startswith(f"hub: no hub is running in {nowhere.data_dir}: start it with `hub up`")
        assert "--data-dir or HUB_DATA_DIR" in said
    assert f"`hub up` in {nowhere.data_dir}" in run(nowhere, "token", "ann", status=1)


def test_every_error_has_the_same_beginning_and_a_wrong_call_has_a_status_of_its_own(
    nowhere: HubProcess,
) -> None:
    for command in (["tokn"], ["token"], ["token", "ann", "--ttl", "1y"], ["publish"], ["dlq", "list", "-x"]):
        said = run(nowhere, *command, status=2)
        assert said.splitlines()[-1].startswith("hub: ")
        assert "Error" not in said
    assert "there is no group 'x'; there is: stats" in run(nowhere, "replay", "--group", "x", status=2)
    for command in (["dlq", "list", "--group", "nope"], ["dlq", "redrive", "--group", "nope", "--all"]):
        said = run(nowhere, *command, status=2)
        assert "there is no group 'nope'; there is: stats" in said
        assert "deliveries, walks, updates" in said
    assert "dead events, deliveries, walks or updates" in run(nowhere, "dlq", "--help")
    assert "Commands" in run(nowhere, status=2)


def test_a_port_in_use_is_one_sentence(nowhere: HubProcess, taken: int) -> None:
    said = run(nowhere, "up", "--no-simulators", "--port", str(taken), status=1)
    assert said.strip().splitlines()[-1].startswith(f"hub: port {taken} on 127.0.0.1 is in use")
    assert not nowhere.data_dir.exists()


def test_an_unreachable_database_is_one_sentence(nowhere: HubProcess, taken: int) -> None:
    url = "postgresql://hub:secret@127.0.0.1:1/hub"
    for command in ("up", "serve"):
        said = run(
            nowhere,
            command,
            "--port",
            "0",
            status=1,
            HUB_DATABASE_URL=url,
            HUB_REDIS_URL="redis://127.0.0.1:1",
        )
        assert "HUB_DATABASE_URL" in said
        assert "secret" not in said


def test_a_taken_metrics_port_is_one_sentence_before_any_database_is_asked(
    nowhere: HubProcess, taken: int
) -> None:
    said = run(nowhere, "work", "--metrics-port", str(taken), status=1)
    assert said.strip().splitlines() == [
        f"hub: port {taken} on 127.0.0.1 is in use: end what uses it, or take another --metrics-port"
    ]


def test_several_workers_that_cannot_start_say_once_why(nowhere: HubProcess) -> None:
    said = run(nowhere, "serve", "--port", "0", "--workers", "2", status=1)
    assert said.count("HUB_DATABASE_URL is not set") == 1
    assert "Traceback" not in said


LIMITS = {
    "publish_rate": 1000,
    "publish_burst": 2000,
    "user_rate": 50,
    "user_burst": 200,
    "service_rate": 500,
    "socket_event_rate": 20,
    "socket_event_burst": 60,
    "connect_rate": 100,
    "connect_burst": 1000,
    "body_bytes": 1_000_000,
    "batch": 1000,
}


def test_the_configuration_without_any_setting_is_the_documented_one(nowhere: HubProcess) -> None:
    config = json.loads(run(nowhere, "config"))
    assert {"HUB_DATABASE_URL", "HUB_REDIS_URL", "HUB_PUBLIC_URL", "HUB_DATA_DIR"} <= config.keys()
    auth = {"HUB_AUTH__SECRET", "HUB_AUTH__PUBLIC_KEY", "HUB_AUTH__JWKS_URL"}
    assert auth | {"HUB_AUTH__ISSUER", "HUB_AUTH__AUDIENCE"} <= config.keys()
    assert config["HUB_RECOVERY_WINDOW"] == 120
    assert {name: config[f"HUB_LIMITS__{name.upper()}"] for name in LIMITS} == LIMITS
