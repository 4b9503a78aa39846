"""The callback on a plain timm ViT in somebody else's LightningModule."""

import pytest
import timm
import torch
from lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from callbacks import TokenMergeCallback
from vidtldr.merging import ToMe
from vidtldr.merging.trace import SourceMap


class _Classifier(LightningModule):
    def __init__(self, fail: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.vision_encoder = timm.models.VisionTransformer(
            img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=3
        )
        self.fail = fail
        self.tokens: dict[str, list[int]] = {"train": [], "test": [], "validation": []}
        self._stage = "train"
        self.vision_encoder.blocks[-1].norm2.register_forward_hook(
            lambda _module, _inputs, output: self.tokens[self._stage].append(output.shape[1])
        )

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        self._stage = "train"
        return self.vision_encoder(batch[0]).square().mean()

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self._stage = "validation"
        self.vision_encoder(batch[0])

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self._stage = "test"
        self.vision_encoder(batch[0])
        if self.fail:
            raise ZeroDivisionError

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3)


def _loader() -> DataLoader:
    return DataLoader(TensorDataset(torch.randn(4, 3, 32, 32)), batch_size=2)


def _trainer(callback: TokenMergeCallback, max_epochs: int = 1) -> Trainer:
    return Trainer(
        accelerator="cpu",
        max_epochs=max_epochs,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def test_it_merges_while_testing_and_leaves_no_trace() -> None:
    module = _Classifier()
    _trainer(TokenMergeCallback("tome", {"r": [5]})).test(module, _loader(), verbose=False)
    assert module.tokens["test"] == [12, 12]
    assert type(module.vision_encoder.blocks) is nn.Sequential


def test_training_runs_unmerged_and_its_validation_merged() -> None:
    module = _Classifier()
    _trainer(TokenMergeCallback(ToMe([5]))).fit(module, _loader(), _loader())
    assert set(module.tokens["train"]) == {17}
    assert set(module.tokens["validation"]) == {12}
    assert type(module.vision_encoder.blocks) is nn.Sequential


def test_training_runs_merged_if_asked_to_before_and_after_a_validation() -> None:
    module = _Classifier()
    before = {name: value.clone() for name, value in module.vision_encoder.blocks.named_parameters()}
    trainer = _trainer(TokenMergeCallback(ToMe([5]), training=True), max_epochs=2)
    trainer.fit(module, _loader(), _loader())
    assert module.tokens["train"] == [12] * 4
    assert set(module.tokens["validation"]) == {12}
    assert all(not torch.equal(before[name], value) for name, value in module.vision_encoder.blocks.named_parameters())
    assert type(module.vision_encoder.blocks) is nn.Sequential


def test_a_validation_of_its_own_leaves_no_trace_even_if_training_is_to_be_merged() -> None:
    module = _Classifier()
    _trainer(TokenMergeCallback(ToMe([5]), training=True)).validate(module, _loader(), verbose=False)
    assert module.tokens["validation"] == [12, 12]
    assert type(module.vision_encoder.blocks) is nn.Sequential


def test_an_exception_takes_the_method_off_too() -> None:
    module = _Classifier(fail=True)
    with pytest.raises(ZeroDivisionError):
        _trainer(TokenMergeCallback("vidtldr", {"r": [5]})).test(module, _loader(), verbose=False)
    assert module.tokens["test"] == [12]
    assert type(module.vision_encoder.blocks) is nn.Sequential


def test_predictions_are_merged_too() -> None:
    module = _Classifier()
    module.predict_step = lambda batch, batch_idx: module.vision_encoder(batch[0])
    found = _trainer(TokenMergeCallback("tome", {"r": [5]})).predict(module, _loader())
    plain = _trainer(TokenMergeCallback("base")).predict(module, _loader())
    assert not torch.equal(found[0], plain[0])
    assert type(module.vision_encoder.blocks) is nn.Sequential


def test_an_observer_is_told_of_every_layer_of_every_batch() -> None:
    module, seen = _Classifier(), []
    _trainer(TokenMergeCallback("tome", {"r": [5]}, observer=seen.append)).test(module, _loader(), verbose=False)
    assert [record.layer for record in seen] == [0, 1, 0, 1]
    assert all(record.owner.shape == (2, 17) and int(record.owner.max()) == 11 for record in seen)


def test_without_an_observer_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SourceMap, "identity", lambda x: pytest.fail("sources are tracked"))
    module = _Classifier()
    _trainer(TokenMergeCallback("tome", {"r": [5]})).test(module, _loader(), verbose=False)
    assert module.tokens["test"] == [12, 12]


def test_a_bad_method_is_refused_when_the_callback_is_made() -> None:
    with pytest.raises(ValueError, match="unknown method 'tomb'"):
        TokenMergeCallback("tomb")
