"""Owns the command that runs the bot of Telegram."""

from pathlib import Path

import click

from ops.commands.options import data_dir_option


@click.command()
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), help="Show /metrics of this process on this port."
)
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="The address to show it on.")
@data_dir_option
def bot(metrics_port: int | None, metrics_host: str, data_dir: Path | None) -> None:
    """Run the bot of Telegram: what people write to it, and what is sent to them there."""
    from ops.bot import bot as be_the_bot
    from ops.effective import effective
    from ops.logs import configure
    from ops.loop import run
    from ops.metrics import shown

    settings = effective(data_dir)
    configure(settings.log_level, settings.log_format)
    with shown(metrics_host, metrics_port):
        run(be_the_bot(settings))
