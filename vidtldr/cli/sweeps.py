"""``--sweep tome.r=10,20,40``: several values of an option, each as a method of its own in one run."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import yaml

from vidtldr.errors import UserError, did_you_mean

Options = dict[str, Any]

_FORM = re.compile(r"([^.=]+)\.([^.=]+)=(.+)", re.DOTALL)


@dataclass(frozen=True)
class Sweep:
    """Values that an option takes in turn.

    Attributes:
        entry: Of ``methods`` in the config.
        option: Of the method.
        values: What it takes.
    """

    entry: str
    option: str
    values: tuple[Any, ...]

    @classmethod
    def parse(cls, text: str) -> "Sweep":
        """Read ``tome.r=10,20,40``; lists stand in brackets: ``vidtldr.r=[600,200,100],[500,200]``.

        Raises:
            UserError: It is of another form.
        """
        form = _FORM.fullmatch(text)
        try:
            values = yaml.safe_load(f"[{form[3]}]") if form else []
        except yaml.YAMLError:
            values = []
        if form is None or not values:
            raise UserError(
                f"--sweep {text}: write ENTRY.OPTION=VALUE,VALUE, such as tome.r=10,20 or vidtldr.r=[9,3],[12]"
            )
        return cls(form[1], form[2], tuple(values))


def expand_sweeps(methods: Mapping[str, Options], sweeps: Sequence[Sweep]) -> dict[str, dict[str, Options]]:
    """What each entry of a config becomes under sweeps.

    An entry that is swept gives way to one for each value, named by it: ``tome-r10``. Sweeps of several options of one
    entry give all combinations; those of different entries stand side by side.

    Args:
        methods: Options of each method by its name, as :func:`~vidtldr.evaluation.methods.build_methods` takes them.
        sweeps: In the order in which names tell them.

    Returns:
        By old name, the options by new name; an entry that is not swept keeps its name.

    Raises:
        UserError: There is no such entry, an option is swept twice, or a new name is taken.
    """
    for number, sweep in enumerate(sweeps):
        if sweep.entry not in methods:
            hint = did_you_mean(sweep.entry, methods)
            raise UserError(
                f"--sweep {sweep.entry}.{sweep.option}: the config's methods are {', '.join(methods)}{hint}"
            )
        if any((sweep.entry, sweep.option) == (other.entry, other.option) for other in sweeps[:number]):
            raise UserError(f"--sweep {sweep.entry}.{sweep.option} is given twice: write its values behind one")
    expanded = {name: _expand(name, options or {}, sweeps) for name, options in methods.items()}
    names = [name for entries in expanded.values() for name in entries]
    if taken := [name for name in names if names.count(name) > 1]:
        raise UserError(f"--sweep makes a method '{taken[0]}', which the config has already: rename that one")
    return expanded


def name_with(entry: str, options: Mapping[str, Any]) -> str:
    """A name that tells options, made of what TensorBoard lets a run be called.

    >>> name_with("vidtldr", {"r": [36, 12], "sharpening": False})
    'vidtldr-r36-12-sharpening-false'
    """
    return "-".join([entry, *(_told(option, value) for option, value in options.items())])


def _expand(name: str, options: Options, sweeps: Iterable[Sweep]) -> dict[str, Options]:
    own = [sweep for sweep in sweeps if sweep.entry == name]
    if not own:
        return {name: options}
    rule = {} if "class_path" in options else {"method": name}
    combinations = [dict(zip([sweep.option for sweep in own], values)) for values in product(*(s.values for s in own))]
    return {name_with(name, chosen): rule | options | chosen for chosen in combinations}


def _told(option: str, value: Any) -> str:
    values = value if isinstance(value, (list, tuple)) else [value]
    words = [re.sub(r"[^\w.+-]+", "-", str(each).lower() if isinstance(each, bool) else str(each)) for each in values]
    told = "-".join(words)
    return f"{option}{told}" if told[:1].isdigit() else f"{option}-{told}"
