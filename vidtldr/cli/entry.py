"""From ``sys.argv`` to an exit code: user errors become one line, our own mistakes keep their traceback."""

import errno
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vidtldr.cli.argv import asks_for_help, configs_named
from vidtldr.cli.messages import process_rank, set_up_messages
from vidtldr.cli.paths import find_config
from vidtldr.errors import UserError, on_one_line

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def run(command: str, argv: Sequence[str] | None = None) -> int:
    """Run a command and say how it went.

    Args:
        command: Module with a ``main`` that takes the arguments; imported late, because that takes seconds.
        argv: Arguments without the program's name; None means the process's own.

    Returns:
        0, 2 after a user error (one line on stderr), or 130 after Ctrl-C.
    """
    argv = sys.argv[1:] if argv is None else argv
    set_up_messages()
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # where a user's own methods, backbones, data and tasks may lie
    try:
        _refuse_windows()
        for name in configs_named(argv):
            find_config(name)  # a typo is answered before the slow import
        if not _answer_early(command, argv):
            importlib.import_module(command).main(argv)
    except UserError as error:
        whose = f"process {rank}: " if (rank := process_rank()) else ""
        print(f"{whose}error: {on_one_line(error)}", file=sys.stderr)
        return EXIT_USER_ERROR
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning answers Ctrl-C in a run with `sys.exit(1)`.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, KeyboardInterrupt):
            raise
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `eval.py | head`: nobody is left to read
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # wherever a path that was given is first looked at
        if error.errno != errno.ENAMETOOLONG:
            raise
        name = str(error.filename)
        print(f"error: the path '{name[:60]}...' is longer than file systems allow", file=sys.stderr)
        return EXIT_USER_ERROR
    return 0


@contextmanager
def user_errors(*types: type[Exception]) -> Iterator[None]:
    """Turn errors of these types into a :class:`UserError`, in a phase that works on what the user gave.

    Args:
        types: What the phase is known to raise for bad input.
    """
    try:
        yield
    except UserError:
        raise
    except types as error:
        raise UserError(on_one_line(error) or type(error).__name__) from error


def _answer_early(command: str, argv: Sequence[str]) -> bool:
    """Whether a script's question is answered without the imports that take seconds."""
    # Late as well: the scripts of costs and benchmarks have options of another kind.
    from vidtldr.cli.early import refuse_missing_files
    from vidtldr.cli.options import PROGRAMS
    from vidtldr.cli.quick_help import print_help

    if command not in PROGRAMS:
        return False
    if asks_for_help(argv):
        print_help(PROGRAMS[command])
        return True
    refuse_missing_files(argv)
    return False


def _refuse_windows() -> None:
    # Locks on files, limits of memory and the alarm that ends a hung decoder are POSIX: their imports would fail.
    if sys.platform == "win32":
        raise UserError("Windows is not supported yet: run this on Linux or macOS, or in WSL on Windows")
