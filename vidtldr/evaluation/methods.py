"""The methods of a config, checked before time is spent on the first."""

import re
from collections.abc import Mapping, Sequence

from vidtldr.errors import UserError, did_you_mean
from vidtldr.merging import Method, apply, build_method, remove
from vidtldr.tasks.base import AnyTask, Task

_RUN_NAME = re.compile(r"[\w+-][\w.+-]*")
_LONGEST_NAME = 200  # bytes; a file name may have 255, and pictures, tables and folders put something beside it


def build_methods(
    spec: Mapping[str, Mapping[str, object] | None], chosen: Sequence[str] | None = None
) -> dict[str, Method]:
    """Make the methods of a config.

    Args:
        spec: Options of each method by its name; ``method`` names the rule where the name is not the rule's, or
            ``class_path`` a class of the user's own, such as ``my_module.MyMethod``.
        chosen: Names to take, in this order; None takes all.

    Raises:
        UserError: A name, rule or option is unknown, or none is left; the message lists the legal ones.
    """
    if not spec:
        raise UserError("the config lists no methods: add for instance `methods: {base: {}, vidtldr: {r: [500, 200]}}`")
    names = list(spec) if chosen is None else list(dict.fromkeys(chosen))
    unknown = [name for name in names if name not in spec] or ([] if names else [""])
    if unknown:
        hint = did_you_mean(unknown[0], spec)
        raise UserError(f"unknown method '{unknown[0]}': the config has {', '.join(spec)}{hint}")
    if bad := [name for name in names if not _RUN_NAME.fullmatch(name)]:
        raise UserError(f"method name '{bad[0]}' cannot name a TensorBoard run: use letters, digits and . _ + -")
    if long := [name for name in names if len(name.encode()) > _LONGEST_NAME]:
        raise UserError(
            f"method name '{long[0][:20]}...' has {len(long[0].encode())} bytes, which is more than the "
            f"{_LONGEST_NAME} that fit into the names of files: choose a shorter one"
        )
    return {name: _build(name, dict(spec[name] or {})) for name in names}


def check_methods_fit(task: AnyTask, methods: Mapping[str, Method]) -> None:
    """Put every method on once, before time is spent on the first.

    Raises:
        UserError: A schedule is longer than the encoder is deep, or the model is no task.
    """
    if not isinstance(task, Task):
        raise UserError(f"{type(task).__name__} is no vidtldr.tasks.base.Task, so nothing says what to evaluate")
    for name, method in methods.items():
        try:
            apply(task.vision_encoder, method)
            if method.varies:
                raise ValueError(
                    "it leaves another number of tokens in each clip, so batches and GFLOPs are not defined; "
                    "give a share, such as keep: 0.6"
                )
        except ValueError as error:
            raise UserError(f"methods.{name} does not fit: {error}") from error
        finally:
            remove(task.vision_encoder)


def _build(name: str, options: dict[str, object]) -> Method:
    rule = str(options.pop("class_path", None) or options.pop("method", name))
    try:
        return build_method(rule, **options)
    except (ValueError, TypeError) as error:
        raise UserError(f"methods.{name}: {error}") from error
