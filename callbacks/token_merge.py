"""Token merging, as a Lightning callback: at test time, and while training if asked for."""

from typing import Any, cast

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import nn

from vidtldr.merging import Method, apply, build_method, remove
from vidtldr.merging.trace import Observer


class TokenMergeCallback(Callback):
    """Puts a method on the module's vision encoder while testing, validating or predicting; takes it off afterwards.

    Works on any LightningModule whose ``vision_encoder`` is a ViT made of blocks that merging knows. Training runs
    unmerged unless asked otherwise.

    Args:
        method: A method's name (``base``, ``tome``, ``vidtldr``, ...), the class path of one's own, or a
            :class:`~vidtldr.merging.Method`.
        options: Options of the method, such as ``{"r": [600, 200, 100]}``.
        training: Merge in the steps of a training too; gradients flow through the merged tokens.
        observer: Told after each layer what became of the tokens, see :class:`~vidtldr.merging.LayerRecord`. Without
            one nothing is traced.

    Raises:
        ValueError: The method or an option is unknown; when testing starts, that the module cannot be patched.
    """

    def __init__(
        self,
        method: str | Method,
        options: dict[str, Any] | None = None,
        training: bool = False,
        observer: Observer | None = None,
    ) -> None:
        super().__init__()
        self.observer = observer
        self.method = method if isinstance(method, Method) else build_method(method, **(options or {}))
        self.training = training

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Apply the method if training is to run with it."""
        if self.training:
            self._apply(pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Apply the method."""
        self._apply(pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the method."""
        remove(_vision_encoder(pl_module))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Apply the method."""
        self._apply(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the method, unless a training goes on with it."""
        if not (self.training and trainer.state.fn == TrainerFn.FITTING):
            remove(_vision_encoder(pl_module))

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Apply the method."""
        self._apply(pl_module)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the method."""
        remove(_vision_encoder(pl_module))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the method."""
        remove(_vision_encoder(pl_module))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave no patched module behind."""
        remove(_vision_encoder(pl_module))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave no patched module behind, however the run ended."""
        remove(_vision_encoder(pl_module))

    def _apply(self, pl_module: LightningModule) -> None:
        apply(_vision_encoder(pl_module), self.method, observer=self.observer)


def _vision_encoder(pl_module: LightningModule) -> nn.Module:
    return cast(nn.Module, pl_module.vision_encoder)
