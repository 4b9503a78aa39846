import pickle
from dataclasses import fields

import pytest
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from lightning.pytorch.plugins.precision import DoublePrecision, HalfPrecision
from lightning.pytorch.utilities.data import extract_batch_size
from torch import Tensor

from datamodules.loading.batches import Batch, ClipBatch, QuestionBatch, TextBatch, ViewBatch
from datamodules.loading.guarded_loader import GuardedLoader

CLIPS = {
    "clips": torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 1, 3, 4, 4),
    "index": torch.tensor([3, 5]),
    "broken": [(4, "c.mp4: empty")],
    "first": 3,
    "items": 3,
}
ASKED = {"questions": [["who"], []], "answers": [["he"], []], "question_ids": [[7], []]}
BATCHES = [
    ClipBatch(**CLIPS),
    ClipBatch(**CLIPS, texts=["a", "b"]),
    ClipBatch(**CLIPS, label=torch.tensor([0, 1])),
    ViewBatch(**CLIPS, view=torch.tensor([0, 0]), label=torch.tensor([0, 1])),
    QuestionBatch(**CLIPS, **ASKED),
    TextBatch(texts=["a", "b"], index=torch.tensor([0, 1]), videos=[[0], [0, 1]], first=0, items=2),
]
every_kind = pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: type(batch).__name__)


def assert_same(batch: Batch, expected: Batch) -> None:
    assert type(batch) is type(expected)
    for entry in fields(expected):
        value, wanted = getattr(batch, entry.name), getattr(expected, entry.name)
        assert type(value) is type(wanted)
        if isinstance(value, Tensor):
            torch.testing.assert_close(value, wanted, rtol=0, atol=0)
        else:
            assert value == wanted


@every_kind
def test_lightning_moves_every_tensor(batch):
    moved = move_data_to_device(batch, torch.device("meta"))
    assert {value.device.type for value in vars(moved).values() if isinstance(value, Tensor)} == {"meta"}
    assert_same(move_data_to_device(batch, torch.device("cpu")), batch)


@every_kind
@pytest.mark.parametrize("precision", [HalfPrecision("bf16-true"), DoublePrecision()], ids=["half", "double"])
def test_no_precision_changes_a_batch_of_integers(batch, precision):
    assert_same(precision.convert_input(batch), batch)


@every_kind
def test_a_batch_survives_the_way_from_a_worker(batch):
    assert_same(pickle.loads(pickle.dumps(batch)), batch)


@every_kind
@pytest.mark.filterwarnings("ignore:Trying to infer the `batch_size`")
def test_lightning_finds_the_number_of_rows(batch):
    assert extract_batch_size(batch) == 2


@every_kind
def test_every_tensor_is_pinned_and_nothing_else_changes(batch, monkeypatch):
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor + 100)
    loader = GuardedLoader(_Nothing(), [[0]], num_workers=0, collate_fn=lambda items: batch, timeout=0, pin_memory=True)
    (pinned,) = loader
    for entry in fields(batch):
        value, plain = getattr(pinned, entry.name), getattr(batch, entry.name)
        if isinstance(plain, Tensor):
            torch.testing.assert_close(value, plain + 100)
        else:
            assert value is plain


def test_a_view_needs_its_class():
    with pytest.raises(TypeError, match="label"):
        ViewBatch(**CLIPS, view=torch.tensor([0, 0]))


class _Nothing:
    paths = ()

    def __getitem__(self, position: int) -> int:
        return position
