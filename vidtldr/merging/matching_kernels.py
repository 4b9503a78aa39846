"""The Triton kernels of :mod:`vidtldr.merging.matching_triton`.

Tokens are one matrix a clip, ``[n, c]``, rows contiguous. Sources and destinations stand at every other position, from
``first_source`` and ``first_destination`` on.
"""

import triton
import triton.language as tl

# Three products in tf32, which the tensor cores do, make one about as exact as float32.
_FLOAT32_PRODUCTS = tl.constexpr("tf32x3")

# The low half of a packed maximum holds this minus the destination: of equal similarities the earlier one wins.
LAST_INDEX = tl.constexpr(0x7FFFFFFF)


@triton.jit
def closest_kernel(
    x, packed, first_source, first_destination, num_tokens, num_sources, num_destinations,
    WIDTH: tl.constexpr, SOURCES: tl.constexpr, DESTINATIONS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """The highest cosine of some sources with some destinations, and which destination has it.

    Grid: blocks of sources, blocks of destinations, clips, in one dimension, the first fastest. Both go into one
    integer, ``[b, s]`` int64, of which blocks of destinations keep the largest: the similarity in the upper half, as an
    integer of the same order. Tokens are float32, and normalised after they are multiplied.
    """
    source_blocks, destination_blocks = tl.cdiv(num_sources, SOURCES), tl.cdiv(num_destinations, DESTINATIONS)
    source = tl.program_id(0) % source_blocks * SOURCES + tl.arange(0, SOURCES)
    block = tl.program_id(0) // source_blocks % destination_blocks
    destination = block * DESTINATIONS + tl.arange(0, DESTINATIONS)
    clip = (tl.program_id(0) // (source_blocks * destination_blocks)).to(tl.int64)
    x += clip * num_tokens * WIDTH
    source_rows = x + (first_source + 2 * tl.minimum(source, num_sources - 1)) * WIDTH
    destination_rows = x + (first_destination + 2 * tl.minimum(destination, num_destinations - 1)) * WIDTH

    products = tl.zeros([SOURCES, DESTINATIONS], tl.float32)
    source_squares = tl.zeros([SOURCES], tl.float32)
    destination_squares = tl.zeros([DESTINATIONS], tl.float32)
    for start in range(0, WIDTH, CHANNELS):
        channels = start + tl.arange(0, CHANNELS)
        exists = (channels < WIDTH)[None, :]
        a = tl.load(source_rows[:, None] + channels[None, :], mask=exists, other=0.0)
        b = tl.load(destination_rows[:, None] + channels[None, :], mask=exists, other=0.0)
        products = tl.dot(a, tl.trans(b), products, input_precision=_FLOAT32_PRODUCTS)
        source_squares += tl.sum(a.to(tl.float32) * a.to(tl.float32), 1)
        destination_squares += tl.sum(b.to(tl.float32) * b.to(tl.float32), 1)
    similarity = products / tl.maximum(tl.sqrt(source_squares), 1e-12)[:, None]
    similarity = similarity / tl.maximum(tl.sqrt(destination_squares), 1e-12)[None, :]
    similarity = tl.where((destination < num_destinations)[None, :], similarity, float("-inf"))

    # One reduction gives both: a second look for the highest may see numbers that are rounded differently.
    highest, column = tl.max(similarity, 1, return_indices=True, return_indices_tie_break_left=True)
    index = block * DESTINATIONS + column
    bits = (highest + 0.0).to(tl.int32, bitcast=True)  # -0 becomes 0: the two are equal
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    value = (ordered.to(tl.int64) << 32) | (index * -1 + LAST_INDEX).to(tl.int64)
    tl.atomic_max(packed + clip * num_sources + source, value, mask=source < num_sources)


@triton.jit
def rank_kernel(packed, rank, num_sources, SOURCES: tl.constexpr, OTHERS: tl.constexpr):
    """How many sources are closer to their destination than each is, earlier ones among equals; ``[b, s]`` int32.

    Grid: blocks of sources, clips, the first fastest.
    """
    blocks = tl.cdiv(num_sources, SOURCES)
    source = tl.program_id(0) % blocks * SOURCES + tl.arange(0, SOURCES)
    first = (tl.program_id(0) // blocks).to(tl.int64) * num_sources
    own = tl.load(packed + first + source, mask=source < num_sources, other=0) >> 32
    ahead = tl.zeros([SOURCES], tl.int32)
    for start in range(0, num_sources, OTHERS):
        other = start + tl.arange(0, OTHERS)
        exists = other < num_sources
        value = tl.load(packed + first + other, mask=exists, other=0) >> 32
        equal = (value[None, :] == own[:, None]) & (other[None, :] < source[:, None])
        before = ((value[None, :] > own[:, None]) | equal) & exists[None, :]
        ahead += tl.sum(before.to(tl.int32), 1)
    tl.store(rank + first + source, ahead, mask=source < num_sources)


@triton.jit
def choose_kernel(
    packed, rank, unmerged, merged, target, num_sources, r,
    KEEP_ORDER: tl.constexpr, SOURCES: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """Write the ``r`` first sources by rank with their destinations, and the others by position or by rank.

    Grid: blocks of sources, clips, the first fastest.
    """
    blocks = tl.cdiv(num_sources, SOURCES)
    source = tl.program_id(0) % blocks * SOURCES + tl.arange(0, SOURCES)
    clip = (tl.program_id(0) // blocks).to(tl.int64)
    first = clip * num_sources
    exists = source < num_sources
    own = tl.load(rank + first + source, mask=exists, other=0)
    value = tl.load(packed + first + source, mask=exists, other=0)
    goes = exists & (own < r)
    tl.store(merged + clip * r + own, source.to(tl.int64), mask=goes)
    tl.store(target + clip * r + own, (value & LAST_INDEX) * -1 + LAST_INDEX, mask=goes)
    place = own - r
    if KEEP_ORDER:
        place = source
        for start in range(0, num_sources, OTHERS):
            other = start + tl.arange(0, OTHERS)
            its = tl.load(rank + first + other, mask=other < num_sources, other=r)
            place -= tl.sum(((its < r)[None, :] & (other[None, :] < source[:, None])).to(tl.int32), 1)
    stays = exists & (own >= r)
    tl.store(unmerged + clip * (num_sources - r) + place, source.to(tl.int64), mask=stays)


@triton.jit
def merge_kernel(
    x, mass, weight, unmerged, merged, target, tokens, masses,
    num_prefix, first_source, first_destination, num_tokens, num_unmerged, num_kept, r,
    HAS_MASS: tl.constexpr, HAS_WEIGHT: tl.constexpr,
    WIDTH: tl.constexpr, PADDED: tl.constexpr, TARGETS: tl.constexpr,
):  # fmt: skip
    """One token after the merge: taken over, or a destination averaged with its sources, most similar first.

    Grid: tokens after the merge, clips, in one dimension, the first fastest.
    """
    place = tl.program_id(0) % num_kept
    clip = (tl.program_id(0) // num_kept).to(tl.int64)
    x += clip * num_tokens * WIDTH
    mass += clip * num_tokens
    weight += clip * num_tokens
    destination = place - num_prefix - num_unmerged
    position = place
    if place >= num_prefix:
        if destination >= 0:
            position = first_destination + 2 * destination
        else:
            chosen = tl.load(unmerged + clip * num_unmerged + place - num_prefix)
            position = first_source + 2 * chosen.to(tl.int32)
    channels = tl.arange(0, PADDED)
    exists = channels < WIDTH
    result = tl.load(x + position * WIDTH + channels, mask=exists, other=0.0).to(tl.float32)
    total = 1.0
    if HAS_MASS:
        total = tl.load(mass + position)
    if destination >= 0:
        result *= total
        for start in range(0, r, TARGETS):
            pair = start + tl.arange(0, TARGETS)
            joins = tl.load(target + clip * r + pair, mask=pair < r, other=-1) == destination
            for _ in range(tl.sum(joins.to(tl.int32), 0)):
                first = tl.min(tl.where(joins, pair, r), 0)
                joins = joins & (pair != first)
                source = first_source + 2 * tl.load(merged + clip * r + first).to(tl.int32)
                moving = 1.0
                if HAS_MASS:
                    moving = tl.load(mass + source)
                if HAS_WEIGHT:
                    moving *= tl.load(weight + source)
                result += tl.load(x + source * WIDTH + channels, mask=exists, other=0.0).to(tl.float32) * moving
                total += moving
        result /= total
    row = clip * num_kept + place
    tl.store(tokens + row * WIDTH + channels, result.to(tokens.dtype.element_ty), mask=exists)
    tl.store(masses + row, total)
