"""From how a command ends to its exit code."""

from __future__ import annotations

import click

from bench.errors import BenchError


def exit_code_of(command: click.Command, *, interrupted: str, prog_name: str | None = None) -> int:
    """Run `command` on the arguments of the process, its errors shown without a traceback.

    Parameters
    ----------
    command : click.Command
    interrupted : str
        Said when an interrupt ends it.
    prog_name : str, optional
        What the command is called in its messages.

    Returns
    -------
    int
        What the command returned, that of the error it raised, or 130 when it was interrupted.
    """
    try:
        return int(command.main(prog_name=prog_name, standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except BenchError as error:
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo(interrupted, err=True)
        return 130
