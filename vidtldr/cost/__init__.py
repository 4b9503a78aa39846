"""GFLOPs in the paper's convention: counted on a model as it runs, or by formula; ``python -m vidtldr.cost --help``."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidtldr.measuring.flops_counted import encoder_gflops

__all__ = ["encoder_gflops"]


def __getattr__(name: str) -> Any:
    # Late, so that ``python -m vidtldr.cost`` answers a typo before torch is imported.
    if name == "encoder_gflops":
        from vidtldr.measuring.flops_counted import encoder_gflops

        return encoder_gflops
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
