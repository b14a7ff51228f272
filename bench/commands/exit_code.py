"""From how a command ends to its exit code."""

from __future__ import annotations

import io
import sys

import click

from bench.commands.streams import is_broken, may_be_of_stream, show_error
from bench.errors import BenchError
from bench.files import MOST_ARRAYS, MOST_JSON


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
        What the command returned, that of the error it raised, 130 when it was interrupted, or 2
        when what it prints cannot be written or memory runs out.
    """
    try:
        code = _exit_code_of(command, interrupted, prog_name)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if not (may_be_of_stream(error) and (is_broken(sys.stdout) or is_broken(sys.stderr))):
            raise
        if not isinstance(error, BrokenPipeError):  # whoever closed it knows
            show_error(
                f"Error: Expected to print to the standard output, but could not: {error}. What "
                "was written to files before is kept."
            )
        return 2
    return code


def _exit_code_of(command: click.Command, interrupted: str, prog_name: str | None) -> int:
    try:
        return int(command.main(prog_name=prog_name, standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        show_error(shown.getvalue().rstrip("\n"))
        return 2
    except BenchError as error:
        show_error(f"Error: {error}")
        return error.exit_code
    except MemoryError as error:
        # Its frames hold what took the memory.
        lacking = str(error.with_traceback(None))
        show_error(
            f"Error: Ran out of memory{f' ({lacking})' if lacking else ''}; expected at most "
            f"{MOST_ARRAYS // 2**20} MiB in a file of arrays and {MOST_JSON // 2**20} MiB in one "
            "of JSON, one of each at a time. What was written to files before is kept. Free "
            "memory, or run fewer jobs side by side with --jobs."
        )
        return 2
    except (KeyboardInterrupt, click.Abort):
        show_error(interrupted)
        return 130
