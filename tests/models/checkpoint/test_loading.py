"""Entries of a checkpoint that could be loaded but should not be, and errors that name their file."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from vidtldr.errors import UserError
from vidtldr.models.checkpoint import join_attention_bias, load_exactly, named_in_errors, one_line, read_state_dict


def _saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(2**40),
        torch.eye(2).to_sparse(),
        torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8),
        torch.zeros(2, device="meta"),
    ],
    ids=["repeats itself", "sparse", "quantised", "without numbers"],
)
def test_a_tensor_that_does_not_hold_its_numbers_is_refused(tensor: torch.Tensor, tmp_path: Path) -> None:
    path = _saved(tmp_path / "odd.pth", {"model": {"fine": torch.zeros(2), "a.weight": tensor}})
    message = r"checkpoint '.*odd.pth' holds (tensors that are sparse, quantised or repeat themselves|'.*', which)"
    with pytest.raises(UserError, match=message):
        read_state_dict(path)


def test_tied_and_sliced_tensors_are_welcome(tmp_path: Path) -> None:
    table = torch.arange(6.0).view(2, 3)
    state = {"whole": table, "tied": table, "row": table[1], "turned": table.t()}
    for key, value in read_state_dict(_saved(tmp_path / "tied.pth", state)).items():
        assert torch.equal(value, state[key])


def test_names_that_are_no_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"entries that are no tensors \(7\)"):
        read_state_dict(_saved(tmp_path / "odd.pth", {7: torch.zeros(2)}))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (torch.tensor([1.0, float("nan")]), "not finite"),
        (torch.tensor([1.0, float("-inf")]), "not finite"),
        (torch.zeros(2, dtype=torch.int8), "of another type"),
        (torch.zeros(2, dtype=torch.complex64), "of another type"),
    ],
)
def test_weights_that_are_no_weights_are_refused(value: torch.Tensor, problem: str) -> None:
    model = nn.LayerNorm(2)
    with pytest.raises(UserError, match=rf"checkpoint 'x.pth' does not fit this model: 1 {problem} \(weight\)"):
        load_exactly(model, {"weight": value, "bias": torch.zeros(2)}, "x.pth")
    assert model.weight.tolist() == [1, 1]


def test_half_precision_weights_are_loaded() -> None:
    model = nn.LayerNorm(2)
    load_exactly(model, {"weight": torch.full((2,), 0.5).half(), "bias": torch.zeros(2).bfloat16()}, "x.pth")
    assert model.weight.tolist() == [0.5, 0.5]


def test_errors_about_the_content_name_the_file() -> None:
    biases = {"b.attn.q_bias": torch.zeros(2), "b.attn.v_bias": torch.zeros(2, 1)}
    for state, message in (
        ({"b.attn.q_bias": torch.zeros(2)}, r"^checkpoint 'x.pth': it has b.attn.q_bias but no b.attn.v_bias$"),
        (biases, r"^checkpoint 'x.pth' does not fit this model \(.+\)$"),
    ):
        with pytest.raises(UserError, match=message), named_in_errors("x.pth"):
            join_attention_bias(OrderedDict(state))


def test_errors_of_others_are_cut_to_a_line() -> None:
    assert one_line(RuntimeError("first.\nsecond")) == "first"
    assert one_line(RuntimeError("\x00bad\x7f")) == "?bad?"
    assert one_line(KeyError()) == "KeyError"
    assert len(one_line(RuntimeError("x" * 10_000))) < 250
