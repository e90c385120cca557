"""Owns where one sender is measured: a process of its own, which says in one line what it found.

python -m ops.bench.channels_alone '{"who": "hub", "channel": "sms", …}'
"""

import sys

from ops.bench.channels_seat import Seat
from ops.logs import configure
from ops.loop import run


async def _measure(seat: Seat) -> None:
    if seat.who == "hub":
        from ops.bench.channels_hub import measured  # noqa: PLC0415  each has only its own libraries
    else:
        from ops.bench.channels_sdk import measured  # noqa: PLC0415
    found = await measured(seat)
    sys.stdout.write(found.model_dump_json() + "\n")


if __name__ == "__main__":
    configure("warning", "console")
    run(_measure(Seat.model_validate_json(sys.argv[1])))
