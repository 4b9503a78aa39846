"""GFLOPs of the methods of a config; neither weights nor data are looked for."""

from collections.abc import Sequence

from vidtldr.cli.entry import user_errors
from vidtldr.cli.evaluate import EvalCLI
from vidtldr.evaluation.methods import build_methods
from vidtldr.measuring.flops_analytic import analytic_gflops
from vidtldr.measuring.towers import build_tower
from vidtldr.merging import Method
from vidtldr.models.registry import CLIP_SETTINGS
from vidtldr.results.gflops import gflops_digits, gflops_share
from vidtldr.results.report import describe_options
from vidtldr.results.text_tables import Block


def config_gflops(names: Sequence[str], pairs: str | None = None) -> dict[str, tuple[Method, float]]:
    """Each method of a config by its name, with its GFLOPs.

    Args:
        names: The config's name, or several that overlay each other.
        pairs: Pre-training, where the config gives schedules for several; None takes the config's own.

    Raises:
        UserError: The config, a method or the backbone is not what it should be.
    """
    return _counted(_read(names, pairs))


def config_block(names: Sequence[str], pairs: str | None = None) -> Block:
    """The table of :func:`config_gflops`; shares are those of the config's ``base``."""
    cli = _read(names, pairs)
    counted = _counted(cli)
    base = next((gflops for method, gflops in counted.values() if method.name == "base"), None)
    rows = []
    for name, (method, gflops) in counted.items():
        share = gflops_share(gflops, of=base) if base else "-"
        rows.append([name, describe_options(method.changed_options()) or "-", gflops_digits(gflops), share])
    pre_trained = f", pre-trained on {cli.config.pairs} pairs" if cli.config.pairs else ""
    return Block(" + ".join(names) + pre_trained, ["method", "options", "GFLOPs", "of base"], rows)


def _read(names: Sequence[str], pairs: str | None) -> EvalCLI:
    chosen = [] if pairs is None else ["--pairs", pairs]
    return EvalCLI([*(word for name in names for word in ("--config", name)), *chosen])


def _counted(cli: EvalCLI) -> dict[str, tuple[Method, float]]:
    model = cli.init_args("model")
    methods = build_methods(cli.config.methods)
    with user_errors(ValueError):
        tower = build_tower(model.backbone, **{key: model[key] for key in CLIP_SETTINGS if key in model})
        return {name: (method, analytic_gflops(tower, method)) for name, method in methods.items()}
