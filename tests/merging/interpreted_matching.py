"""What ``test_matching_triton.py`` runs with ``TRITON_INTERPRET=1``; by itself it is not collected."""

import pytest
import torch

from tests.helpers.matching import SHAPES, check_matching, tokens_with_ties
from tests.merging.test_matching import test_two_merges_in_a_row_equal_official_tome  # noqa: F401
from vidtldr.merging import attention_backend, match
from vidtldr.merging.matching_triton import match_tokens, merge_matched


@pytest.fixture(autouse=True)
def triton_backend():
    with attention_backend("triton"):
        yield


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(("num_tokens", "num_prefix", "r"), SHAPES)
def test_plans_and_merges_equal_those_in_float64(num_tokens: int, num_prefix: int, r: int, dtype: torch.dtype) -> None:
    check_matching(num_tokens, num_prefix, r, dtype=dtype, device="cpu", width=40)


def test_more_tokens_than_a_block_takes() -> None:
    check_matching(601, 1, 290, dtype=torch.float16, device="cpu", width=72)


def test_of_equal_tokens_the_earlier_go_and_the_earlier_are_reached() -> None:
    plan = match(torch.ones(2, 40, 8), 7)
    assert plan.source.tolist() == [list(range(7))] * 2
    assert plan.target.tolist() == [[0] * 7] * 2
    assert plan.unmerged.tolist() == [list(range(7, 20))] * 2


def test_compiled_code_knows_what_the_kernels_return() -> None:
    x = tokens_with_ties(21, dtype=torch.float32)
    checks = {"test_utils": ("test_schema", "test_faketensor")}
    torch.library.opcheck(match_tokens, (x, 4, 1, True), **checks)
    plan = match_tokens(x, 4, 1, True)
    torch.library.opcheck(merge_matched, (x, None, torch.rand(2, 21), *plan, 1), **checks)
