"""What happens to the arguments before they are parsed. Standard library only."""

from collections.abc import Sequence

CONFIG_OPTIONS = ("-c", "--config")
METHODS_OPTION = "--methods"
ONLY_OPTION = "--only"
BASELINE_OPTION = "--baseline"
SWEEP_OPTION = "--sweep"
HELP_OPTIONS = ("-h", "--help")
WHOLE_HELP_OPTION = "--trainer.help"


def configs_first(argv: Sequence[str]) -> list[str]:
    """Move ``--config FILE`` to the front, so that an option wins over a config wherever it stands.

    >>> configs_first(["--limit", "4", "--config", "demo"])
    ['--config', 'demo', '--limit', '4']
    """
    configs: list[str] = []
    others: list[str] = []
    words = iter(argv)
    for word in words:
        if word in CONFIG_OPTIONS:
            value = next(words, None)
            configs += [word] if value is None else [word, value]
        else:
            (configs if is_config_option(word) else others).append(word)
    return configs + others


def configs_named(argv: Sequence[str]) -> list[str]:
    """The values of ``--config``, in order.

    >>> configs_named(["--config=demo", "--limit", "4", "-c", "mine.yaml"])
    ['demo', 'mine.yaml']
    """
    words, named = iter(argv), []
    for word in words:
        if word in CONFIG_OPTIONS:
            named += [value for value in (next(words, None),) if value is not None]
        elif is_config_option(word):
            named.append(word.split("=", 1)[1])
    return named


def choose_methods(argv: Sequence[str]) -> list[str]:
    """Read ``--methods base,tome``, the older spelling, as ``--only base,tome``: names choose, a mapping replaces.

    >>> choose_methods(["--methods", "base,tome", "--methods.tome.r", "50"])
    ['--only', 'base,tome', '--methods.tome.r', '50']
    """
    words = list(argv)
    for index, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == METHODS_OPTION:
            given = value if equals else "".join(words[index + 1 : index + 2])
            if not given.lstrip().startswith("{"):
                words[index] = ONLY_OPTION + equals + value
    return words


def join_baselines(argv: Sequence[str]) -> list[str]:
    """Make ``--baseline`` that is given several times one list, where the parser would take the last alone.

    >>> join_baselines(["--baseline", "tome", "--limit", "4", "--baseline=wide"])
    ['--limit', '4', '--baseline', 'tome,wide']
    """
    rest, names = split_repeated(argv, BASELINE_OPTION)
    return [*rest, BASELINE_OPTION, ",".join(names)] if names else rest


def split_repeated(argv: Sequence[str], wanted: str) -> tuple[list[str], list[str]]:
    """Take an option that may be given several times out, with all its values.

    >>> split_repeated(["--sweep", "tome.r=10,20", "--limit", "4", "--sweep=wide.r=5"], "--sweep")
    (['--limit', '4'], ['tome.r=10,20', 'wide.r=5'])
    """
    rest: list[str] = []
    values: list[str] = []
    words = iter(argv)
    for word in words:
        option, equals, value = word.partition("=")
        given = value if equals else next(words, None) if option == wanted else None
        if option == wanted and given is not None:
            values.append(given)
        else:
            rest.append(word)
    return rest, values


def split_method_options(argv: Sequence[str]) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Take options such as ``--methods.tome.r 50`` out, as (method, option, value).

    >>> split_method_options(["--methods.tome.r", "50", "--limit", "4"])
    (['--limit', '4'], [('tome', 'r', '50')])
    """
    rest: list[str] = []
    changes: list[tuple[str, str, str]] = []
    words = iter(argv)
    for word in words:
        path, equals, value = word.partition("=")
        parts = path.split(".")
        if len(parts) == 3 and parts[0] == METHODS_OPTION and all(parts):
            given = value if equals else next(words, None)
            if given is not None:
                changes.append((parts[1], parts[2], given))
                continue
        rest.append(word)
    return rest, changes


def asks_for_help(argv: Sequence[str]) -> bool:
    """Whether ``--help`` is among the arguments; help about one class or the Trainer has options of its own."""
    return any(word in HELP_OPTIONS for word in argv)


def whole_help(argv: Sequence[str]) -> list[str]:
    """Let ``--trainer.help`` show what the full parser's ``--help`` shows.

    >>> whole_help(["--config", "demo", "--trainer.help"])
    ['--config', 'demo', '--help']
    """
    return [HELP_OPTIONS[1] if word == WHOLE_HELP_OPTION else word for word in argv]


def is_config_option(word: str) -> bool:
    """Whether a word is ``--config``, with or without its value."""
    return word.split("=", 1)[0] in CONFIG_OPTIONS
