"""GFLOPs as tables show them."""


def gflops_digits(gflops: float) -> str:
    """One decimal place, or three digits of a small model's."""
    return f"{gflops:.1f}" if gflops >= 10 else f"{gflops:.3g}"


def gflops_share(gflops: float, of: float) -> str:
    """GFLOPs in percent of others."""
    return f"{100 * gflops / of:.0f}%"
