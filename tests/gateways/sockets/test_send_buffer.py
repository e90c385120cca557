"""What waits for a poll, and what of it counts as waiting."""

from gateways.sockets import frames
from gateways.sockets.send_buffer import SendBuffer


def of(size: int) -> bytes:
    return frames.text(b"x" * size)


async def test_what_is_given_back_does_not_count_however_it_is_mixed_with_what_does() -> None:
    buffer = SendBuffer()
    left = [(5, False), (100, True), (200, True), (7, False), (300, True), (9, False)]
    for size, spared in left:
        (buffer.put_spared if spared else buffer.put)(of(size))
    while left:
        assert buffer.waiting == sum(not spared for _, spared in left)
        assert buffer.spared_size == sum(size for size, spared in left if spared)
        assert buffer.size == sum(size for size, _ in left)
        size, _ = left.pop(0)
        assert buffer.take(1) == [b"x" * size]
    assert (buffer.waiting, buffer.size, buffer.spared_size) == (0, 0, 0)


async def test_a_websocket_takes_all_of_it_in_order() -> None:
    buffer = SendBuffer()
    buffer.put(of(1))
    buffer.put_spared(of(200) + frames.binary(b"abc"))
    assert buffer.take_frames() == of(1) + of(200) + frames.binary(b"abc")
    assert (len(buffer), buffer.waiting, buffer.size, buffer.spared_size) == (0, 0, 0, 0)
