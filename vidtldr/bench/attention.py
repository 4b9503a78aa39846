"""Attention by itself: ``python -m vidtldr.bench.attention`` times each backend, and on a GPU the tiles of its kernels.

Fused attention without sharpness is what the backends are compared with: what sharpness costs.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vidtldr.cli.arguments import CommandParser, positive
from vidtldr.cli.entry import run as run_command
from vidtldr.measuring.timing import Timing, interleaved
from vidtldr.merging.attention.attend import attend
from vidtldr.merging.attention.backends import Backend, attention_backend

# Tiles to try: queries, keys, warps, stages.
_TILES = [
    (q, k, w, s)
    for q, k, w in ((128, 128, 8), (128, 64, 8), (128, 64, 4), (64, 128, 4), (64, 64, 4))
    for s in (2, 3, 4)
]


@dataclass(frozen=True)
class AttentionInput:
    """What attention is timed on: random queries, keys and values, laid out as timm's projection leaves them.

    Attributes:
        batch: Clips.
        num_tokens: Tokens of a clip.
        heads: Attention heads.
        width: Channels of a head.
        dtype: Of queries, keys and values.
        device: Where they are.
        with_mass: Whether keys have masses.
    """

    batch: int = 1
    num_tokens: int = 2352  # UMT, 12 frames
    heads: int = 12
    width: int = 64
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    with_mass: bool = True

    def make(self) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor | None]:
        """Queries, keys and values, ``[b, h, n, e]``, and the logarithm of the masses, ``[b, n]``."""
        generator = torch.Generator(self.device).manual_seed(0)
        shape = (self.batch, self.num_tokens, 3, self.heads, self.width)
        packed = torch.randn(shape, generator=generator, device=self.device).to(self.dtype)
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        mass = torch.randint(1, 9, shape[:2], generator=generator, device=self.device)
        return (query, key, value), mass.log() if self.with_mass else None


def time_attention(of: AttentionInput, backends: Sequence[Backend], *, rounds: int) -> dict[str, Timing]:
    """Time attention with sharpness in each backend beside PyTorch's fused attention, which comes first.

    Args:
        of: What to run on.
        backends: Backends to time.
        rounds: Rounds that count.

    Raises:
        ValueError: A backend does not run on this device.
    """
    (query, key, value), log_mass = of.make()
    scale = of.width**-0.5

    def run(backend: Backend) -> Callable[[], object]:
        def attention() -> object:
            with torch.inference_mode(), attention_backend(backend):
                return attend(query, key, value, scale=scale, log_mass=log_mass, statistic="sharpness")

        return attention

    runs: dict[str, Callable[[], object]] = {"fused": lambda: F.scaled_dot_product_attention(query, key, value)}
    runs |= {backend: run(backend) for backend in backends}
    return interleaved(runs, rounds=rounds, device=torch.device(of.device))


def time_tiles(of: AttentionInput, *, rounds: int) -> dict[str, Timing]:
    """Time the two Triton kernels with other tiles; the tile in use comes first for each, as what to compare with.

    Args:
        of: What to run on, on a GPU.
        rounds: Rounds that count.
    """
    from vidtldr.merging.attention import triton as kernels  # late: Triton is optional

    (query, key, value), log_mass = of.make()
    scale = of.width**-0.5
    log_sum_exp = kernels.flash(query, key, value, scale, log_mass)[1]
    passes: dict[str, Callable[[], object]] = {
        "flash": lambda: kernels.flash(query, key, value, scale, log_mass),
        "sharpness": lambda: kernels.read_attention(query, key, log_sum_exp, scale, "sharpness"),
    }
    timings: dict[str, Timing] = {}
    for name, run in passes.items():
        tiles = dict.fromkeys([*kernels.tiles_of(query), *map(kernels.Tile._make, _TILES)])
        runs = {f"{name} {'x'.join(map(str, tile))}": kernels.with_tile(tile, query, run) for tile in tiles}
        timings |= interleaved(
            {k: f for k, f in runs.items() if _fits(f)}, rounds=rounds, device=torch.device(of.device)
        )
    return timings


def _fits(run: Callable[[], object]) -> bool:
    """Whether a tile takes no more registers and shared memory than there are."""
    from triton.runtime.errors import OutOfResources

    try:
        run()
    except OutOfResources:
        return False
    return True


def main(argv: Sequence[str]) -> None:
    """Print times beside fused attention's."""
    options = _parser().parse_args(argv)
    on_gpu = options.device == "cuda"
    dtype = {"32": torch.float32, "bf16": torch.bfloat16, "16": torch.float16}[options.precision]
    of = AttentionInput(options.batch_size, options.num_tokens, options.heads, options.width, dtype, options.device)
    tables = {"fused": time_attention(of, options.backends, rounds=options.rounds)}
    if on_gpu and "triton" in options.backends:
        tables["the tile in use"] = time_tiles(of, rounds=options.rounds)
    print(f"{of}, torch {torch.__version__}" + (f", {torch.cuda.get_device_name()}" if on_gpu else ""))
    for first, timings in tables.items():
        print(f"{'':24}{'ms':>10}  speed beside {first}")
        for name, timing in timings.items():
            print(f"{name:24}{timing.median_seconds * 1e3:10.3f}  {timing.median_ratio:.2f}")


def _parser() -> CommandParser:
    on_gpu = torch.cuda.is_available()
    parser = CommandParser("python -m vidtldr.bench.attention", __doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if on_gpu else "cpu")
    parser.add_argument("--precision", choices=["32", "bf16", "16"], default="bf16" if on_gpu else "32")
    parser.add_argument("--batch-size", type=positive, default=8 if on_gpu else 1, metavar="N")
    parser.add_argument("--num-tokens", type=positive, default=2352, metavar="N", help="default: UMT with 12 frames")
    parser.add_argument("--heads", type=positive, default=12, metavar="N")
    parser.add_argument("--width", type=positive, default=64, metavar="N", help="channels of a head")
    parser.add_argument("--rounds", type=positive, default=9, metavar="N")
    backends = ["eager", "blocked", "triton"] if on_gpu else ["eager", "blocked"]
    parser.add_argument("--backends", nargs="+", choices=["eager", "blocked", "triton"], default=backends)
    return parser


if __name__ == "__main__":
    sys.exit(run_command("vidtldr.bench.attention"))
