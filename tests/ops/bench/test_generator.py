"""Both load generators against a server that behaves as the test tells it."""

import json
import resource
from collections.abc import Iterable
from pathlib import Path

import pytest

from ops.bench import compiler, generator
from ops.bench.errors import BenchError
from ops.bench.generator import Generator
from ops.bench.results import Comeback, Connected, Figures, Phase, Unheard
from ops.bench.servers import Audience
from tests.ops.bench.odd_server import CLIENTS, Measure, OddServer, RecoveringServer, frame


@pytest.fixture(scope="module", params=["C", "Python"])
def load_generator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    if request.param == "Python":
        return generator.python()
    folder = tmp_path_factory.mktemp("generator")
    return generator.native(folder) or pytest.skip("there is no C compiler here")


@pytest.fixture
def measure(load_generator: Generator, redis_url: str, tmp_path: Path) -> Measure:
    return Measure(load_generator, redis_url, tmp_path)


def only_phase(measured: tuple[Figures, ...]) -> Phase:
    _, phase = measured
    assert isinstance(phase, Phase)
    return phase


def connected(measured: tuple[Figures, ...]) -> Connected:
    assert isinstance(measured[0], Connected)
    return measured[0]


async def test_what_arrives_is_counted_and_timed(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])

    measured = await measure(server)

    phase = only_phase(measured)
    assert phase.problems() == []
    assert 15 <= phase.published <= 21
    assert phase.expected == phase.received == CLIENTS * phase.published
    assert 0 < phase.p50_us <= phase.p90_us <= phase.p99_us <= phase.max_us < 5_000_000
    assert phase.deliveries_per_second > 0
    assert connected(measured).clients == CLIENTS
    assert sorted(server.heard) == [f'40/feed,{{"token":"{"t" * 200}{i}"}}'.encode() for i in range(CLIENTS)]


async def test_a_window_keeps_events_under_way(measure: Measure) -> None:
    phase = only_phase(await measure(OddServer(lambda place, sent: [sent]), "window:3:0.2"))

    assert phase.problems() == []
    assert phase.published > 3


async def test_time_spent_only_to_stay_awake_is_not_counted(measure_in_c: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])
    server.pause_s = 0.02
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    phase = only_phase(await measure_in_c(server, "window:1:1"))

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert phase.problems() == []
    assert phase.generator_cpu_percent / 100 < spent_s / 3


async def test_a_burst_is_in_the_stream_at_once(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])

    phase = only_phase(await measure(server, "burst:8:0.2"))

    assert phase.problems() == []
    assert phase.published > 16
    assert {size % 8 for size in server.reads} == {0}


async def test_each_event_goes_to_one_client_in_turn(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])

    measured = await measure(server, audience=Audience("/feed", "feed", unicast=True))

    phase = only_phase(measured)
    assert phase.problems() == []
    assert phase.received == phase.expected == phase.published > CLIENTS


async def test_an_event_for_another_client_is_reported(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])
    server.moved = 1

    phase = only_phase(await measure(server, audience=Audience("/feed", "feed", unicast=True)))

    assert phase.disorder > 0


async def test_who_connects_first_is_not_measured(measure: Measure) -> None:
    measured = await measure(OddServer(lambda place, sent: [sent]), warm=1)

    assert connected(measured).clients == CLIENTS - 1
    assert only_phase(measured).problems() == []


async def test_frames_cut_and_joined_anywhere_are_read(measure: Measure) -> None:
    def cut(place: int, sent: bytes) -> Iterable[bytes]:
        at = place * 7 % len(sent)
        return sent[:1], sent[1:3], sent[3:at], sent[max(at, 3) :]  # in the header, and somewhere in the text

    assert only_phase(await measure(OddServer(cut))).problems() == []


async def test_pings_are_answered_and_signals_not_counted(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [frame(b"2") + frame(b'42/feed,["content.stats",{}]') + sent])

    phase = only_phase(await measure(server))

    assert phase.problems() == []
    assert server.heard.count(b"3") == phase.received


async def test_a_lost_event_is_reported(measure: Measure) -> None:
    phase = only_phase(await measure(OddServer(lambda place, sent: [] if place == 3 else [sent])))

    assert phase.received == phase.expected - CLIENTS
    assert phase.disorder == CLIENTS


async def test_a_repeated_event_is_reported(measure: Measure) -> None:
    phase = only_phase(await measure(OddServer(lambda place, sent: [sent, sent] if place == 3 else [sent])))

    assert phase.received >= phase.expected  # once so many are there, the generator waits for no more
    assert phase.disorder == CLIENTS


async def test_swapped_events_are_reported(measure: Measure) -> None:
    held: list[bytes] = []

    def swap(place: int, sent: bytes) -> Iterable[bytes]:
        if place == 3:
            held.append(sent)
            return []
        return [sent, held[-1]] if place == 4 else [sent]

    phase = only_phase(await measure(OddServer(swap)))

    assert phase.received == phase.expected
    assert phase.disorder == 3 * CLIENTS  # the later one, the earlier one, and the next after both


async def test_a_closed_connection_is_reported(measure: Measure) -> None:
    phase = only_phase(await measure(OddServer(lambda place, sent: [b"\x88\x00"] if place == 3 else [sent])))

    assert phase.dead == CLIENTS
    assert phase.problems()


async def test_refused_clients_end_the_measurement(measure: Measure) -> None:
    server = OddServer(lambda place, sent: [sent])
    server.answer_to_connect = b'44/feed,{"message":"no","data":{"code":"unauthorized"}}'

    with pytest.raises(BenchError, match="only 0 of 4 clients could connect"):
        await measure(server)


@pytest.fixture
def measure_in_c(redis_url: str, tmp_path: Path) -> Measure:
    native = generator.native(tmp_path) or pytest.skip("there is no C compiler here")
    return Measure(native, redis_url, tmp_path)


async def come_back(measure: Measure, server: OddServer) -> Comeback:
    _, comeback = await measure(server, "comeback:20:0.2", drain=0.5)
    assert isinstance(comeback, Comeback)
    return comeback


async def test_all_come_back_to_what_they_missed(measure_in_c: Measure) -> None:
    server = RecoveringServer()

    comeback = await come_back(measure_in_c, server)

    assert comeback.problems() == []
    assert (comeback.recovered, comeback.received) == (CLIENTS, CLIENTS * 20)
    assert 0 < comeback.p50_us <= comeback.p99_us <= comeback.seconds * 1e6 < 150_000
    returned = [json.loads(payload.removeprefix(b"40/feed,")) for payload in server.heard[CLIENTS:]]
    assert [claim["offset"] for claim in returned] == ["0"] * CLIENTS


async def test_a_session_that_begins_afresh_is_reported(measure_in_c: Measure) -> None:
    server = RecoveringServer()
    server.forgets = True

    comeback = await come_back(measure_in_c, server)

    assert (comeback.recovered, comeback.complete, comeback.received) == (0, 0, 0)


async def test_a_missed_event_that_does_not_come_is_reported(measure_in_c: Measure) -> None:
    server = RecoveringServer()
    server.loses = 1

    comeback = await come_back(measure_in_c, server)

    assert (comeback.recovered, comeback.received, comeback.disorder) == (CLIENTS, CLIENTS * 19, CLIENTS)


@pytest.mark.parametrize("unicast", [False, True])
async def test_an_unheard_event_has_a_room_of_its_own_and_one_of_a_burst_is_heard(
    measure_in_c: Measure, unicast: bool
) -> None:
    server = OddServer(lambda place, sent: [sent])

    _, phase = await measure_in_c(
        server, "unheard:20:0.2", audience=Audience("/feed", "feed", unicast=unicast)
    )

    assert isinstance(phase, Unheard)
    assert phase.problems() == []
    bursts = phase.published // 20
    assert bursts > 2
    assert phase.received == phase.expected == bursts * (1 if unicast else CLIENTS)
    assert len(server.unheard) == len(set(server.unheard)) == bursts * 19
    assert {size % 20 for size in server.reads} == {0}


async def test_a_burst_that_nobody_hears_the_end_of_is_reported(measure_in_c: Measure) -> None:
    server = OddServer(lambda place, sent: [])

    _, phase = await measure_in_c(server, "unheard:20:0.2")

    assert isinstance(phase, Unheard)
    assert (phase.published, phase.received) == (40, 0)
    assert phase.problems()


@pytest.mark.parametrize("sources", [compiler.generator_sources(), compiler.floor_sources()])
def test_what_is_in_c_compiles_without_warnings(sources: list[str], tmp_path: Path) -> None:
    strictly = ("-Wconversion", "-Werror")

    if not compiler.compile_c(tmp_path / "program", sources, *strictly):
        pytest.skip("there is no C compiler here")
