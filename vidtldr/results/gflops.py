"""GFLOPs as tables show them."""


def gflops_digits(gflops: float) -> str:
    """One decimal place; of a small model three digits, but no more than three places unless nothing else is left."""
    if gflops >= 10:
        return f"{gflops:.1f}"
    return f"{gflops:.3f}" if 0.01 <= gflops < 1 else f"{gflops:.3g}"


def gflops_share(gflops: float, of: float) -> str:
    """GFLOPs in percent of others."""
    return f"{100 * gflops / of:.0f}%"
