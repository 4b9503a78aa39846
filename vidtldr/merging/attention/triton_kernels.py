"""The two Triton kernels of :mod:`vidtldr.merging.attention.triton`.

Rows beyond the last token are read from the last one instead, so that loads along the tokens need no mask; what they
give is weighted with 0 or not stored. Scores are kept in units of log2(e), since ``exp2`` is what the hardware has.
"""

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)

# Three products in tf32, which the tensor cores do, make one about as exact as float32.
_FLOAT32_PRODUCTS = tl.constexpr("tf32x3")

# What is made of the averaged attention; constants, because a kernel is compiled for each.
SHARPNESS = tl.constexpr(0)
ATTENTIVENESS = tl.constexpr(1)
MAP = tl.constexpr(2)


@triton.jit
def _load_rows(base, rows, row_stride, width_stride, WIDTH: tl.constexpr, PADDED: tl.constexpr):
    """``[rows, PADDED]`` of a matrix with ``WIDTH`` columns, zeros beyond them."""
    columns = tl.arange(0, PADDED)
    pointers = base + rows[:, None] * row_stride + columns[None, :] * width_stride
    if WIDTH == PADDED:
        return tl.load(pointers)
    return tl.load(pointers, mask=(columns < WIDTH)[None, :], other=0.0)


@triton.jit
def flash_kernel(
    query, key, value, log_mass, output, log_sum_exp,
    query_clip, query_head, query_row, query_column,
    key_clip, key_head, key_row, key_column,
    value_clip, value_head, value_row, value_column,
    output_clip, output_head, output_row,
    num_heads, num_tokens, scale,
    HAS_MASS: tl.constexpr, WIDTH: tl.constexpr, PADDED: tl.constexpr,
    QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """Output of a block of queries and one head, and the log-sum-exp of its plain scores, ``[b, h, n]``, in log2.

    Grid: blocks of queries, heads, clips, in one dimension, which alone has no narrow limit; the first runs fastest, so
    that keys and values of few heads are in use at a time. The names with two parts are strides; ``scale`` includes
    log2(e).
    """
    num_blocks = tl.cdiv(num_tokens, QUERIES)
    clip_and_head = (tl.program_id(0) // num_blocks).to(tl.int64)
    clip, head = clip_and_head // num_heads, clip_and_head % num_heads
    rows = tl.program_id(0) % num_blocks * QUERIES + tl.arange(0, QUERIES)
    inside = tl.minimum(rows, num_tokens - 1)
    q = _load_rows(query + clip * query_clip + head * query_head, inside, query_row, query_column, WIDTH, PADDED)
    key += clip * key_clip + head * key_head
    value += clip * value_clip + head * value_head
    log_mass += clip * num_tokens

    highest = tl.full([QUERIES], float("-inf"), tl.float32)
    weighted_total = tl.zeros([QUERIES], tl.float32)
    plain_total = tl.zeros([QUERIES], tl.float32)
    summed = tl.zeros([QUERIES, PADDED], tl.float32)
    for start in range(0, num_tokens, KEYS):
        columns = start + tl.arange(0, KEYS)
        exists = columns < num_tokens
        present = tl.minimum(columns, num_tokens - 1)
        k = _load_rows(key, present, key_row, key_column, WIDTH, PADDED)
        bias = tl.where(exists, 0.0, float("-inf"))
        if HAS_MASS:
            bias = tl.load(log_mass + columns, mask=exists, other=float("-inf")) * LOG2_E
        scores = tl.dot(q, tl.trans(k), input_precision=_FLOAT32_PRODUCTS) * scale + bias[None, :]
        new_highest = tl.maximum(highest, tl.max(scores, 1))
        weights = tl.exp2(scores - new_highest[:, None])
        shrink = tl.exp2(highest - new_highest)
        highest = new_highest
        weighted_total = weighted_total * shrink + tl.sum(weights, 1)
        if HAS_MASS:  # what the mass multiplied is divided by it: one exponential serves both sums
            inverse_mass = tl.where(exists, tl.exp2(-bias), 0.0)
            plain_total = plain_total * shrink + tl.sum(weights * inverse_mass[None, :], 1)
        v = _load_rows(value, present, value_row, value_column, WIDTH, PADDED)
        summed = tl.dot(weights.to(v.dtype), v, summed * shrink[:, None], input_precision=_FLOAT32_PRODUCTS)
    if not HAS_MASS:
        plain_total = weighted_total

    sums = log_sum_exp + clip_and_head * num_tokens + rows
    tl.store(sums, highest + tl.log2(plain_total), mask=rows < num_tokens)
    width = tl.arange(0, PADDED)
    target = output + clip * output_clip + head * output_head + rows[:, None] * output_row + width[None, :]
    result = summed / weighted_total[:, None]
    mask = (rows < num_tokens)[:, None] & (width < WIDTH)[None, :]
    tl.store(target, result.to(output.dtype.element_ty), mask=mask)


@triton.jit
def statistic_kernel(
    query, key, log_sum_exp, result,
    query_clip, query_head, query_row, query_column,
    key_clip, key_head, key_row, key_column,
    num_heads, num_tokens, scale,
    STATISTIC: tl.constexpr, WIDTH: tl.constexpr, PADDED: tl.constexpr,
    QUERIES: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    """What one tile of the head-averaged attention contributes.

    Grid: blocks of queries, blocks of keys, clips, in one dimension, the first fastest. The result is ``[b, key blocks,
    n]`` for the sharpness, ``[b, query blocks, n]`` for the attentiveness, to be summed over the blocks, and ``[b, n,
    n]`` for the map.
    """
    query_blocks, key_blocks = tl.cdiv(num_tokens, QUERIES), tl.cdiv(num_tokens, KEYS)
    query_block = tl.program_id(0) % query_blocks
    key_block = tl.program_id(0) // query_blocks % key_blocks
    clip = (tl.program_id(0) // (query_blocks * key_blocks)).to(tl.int64)
    rows = query_block * QUERIES + tl.arange(0, QUERIES)
    columns = key_block * KEYS + tl.arange(0, KEYS)
    inside, present = tl.minimum(rows, num_tokens - 1), tl.minimum(columns, num_tokens - 1)
    query += clip * query_clip
    key += clip * key_clip
    log_sum_exp += clip * num_heads * num_tokens

    total = tl.zeros([QUERIES, KEYS], tl.float32)
    for head in range(0, num_heads):
        q = _load_rows(query + head * query_head, inside, query_row, query_column, WIDTH, PADDED)
        k = _load_rows(key + head * key_head, present, key_row, key_column, WIDTH, PADDED)
        normaliser = tl.load(log_sum_exp + head * num_tokens + inside)
        scores = tl.dot(q, tl.trans(k), input_precision=_FLOAT32_PRODUCTS)
        total += tl.exp2(scores * scale - normaliser[:, None])
    mean = total * (1.0 / num_heads)

    if STATISTIC == SHARPNESS:
        logs = tl.log2(tl.maximum(mean, 1.2e-38)) * LN_2  # 0 log 0 = 0
        terms = tl.where((columns < num_tokens)[None, :], mean * logs, 0.0)
        target = result + (clip * key_blocks + key_block) * num_tokens + rows
        tl.store(target, tl.sum(terms, 1), mask=rows < num_tokens)
    elif STATISTIC == ATTENTIVENESS:
        received = tl.sum(tl.where((rows < num_tokens)[:, None], mean, 0.0), 0)
        target = result + (clip * query_blocks + query_block) * num_tokens + columns
        tl.store(target, received, mask=columns < num_tokens)
    else:
        target = result + clip * num_tokens * num_tokens + rows[:, None] * num_tokens + columns[None, :]
        tl.store(target, mean, mask=(rows < num_tokens)[:, None] & (columns < num_tokens)[None, :])
