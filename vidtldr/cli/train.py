"""``train.py``: from a config to weights."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint

from callbacks import TrainingProgressCallback
from callbacks.broken_videos import SharedBrokenVideosCallback
from callbacks.exact_resume import ExactResumeCallback
from datamodules.clips.decoder import BrokenVideoError
from datamodules.loading.order import TooFewVideosError
from vidtldr.cli.entry import user_errors
from vidtldr.cli.options import TRAINING
from vidtldr.cli.parser import ProjectCLI
from vidtldr.errors import UserError
from vidtldr.results.tensorboard import RunLogger
from vidtldr.storage.atomic_files import remove_rests
from vidtldr.storage.training_checkpoints import SafeCheckpointIO
from vidtldr.tasks.outputs import KeptOutputs

_LAST = "last"


def main(argv: Sequence[str]) -> None:
    """Run ``train.py`` with these arguments.

    Raises:
        UserError: Something that the user can mend.
    """
    cli = TrainCLI(argv)
    resume_from = cli.resume_from()
    datamodule: Any = cli.build_data("fit")
    datamodule.training_seed = cli.seed
    module: Any = cli.build_model()
    progress = sys.stderr.isatty()
    trainer = cli.new_trainer(
        cli.callbacks(module.monitor, bars=progress),
        logger=RunLogger(cli.output, name="", version="tensorboard", default_hp_metric=False),
        enable_progress_bar=progress,
        use_distributed_sampler=False,  # the data know which process takes what
    )
    trainer.strategy.checkpoint_io = SafeCheckpointIO()
    if trainer.is_global_zero:
        cli.save_config(cli.output)
        remove_rests(cli.checkpoints)
    with user_errors(BrokenVideoError, TooFewVideosError):
        trainer.fit(module, datamodule=datamodule, ckpt_path=resume_from)
    if trainer.is_global_zero:
        weights = cli.output / "weights.safetensors"
        module.export_weights(cli.checkpoint_to_keep(trainer), weights)
        print(f"weights in {weights}; checkpoints in {cli.checkpoints}; tensorboard --logdir {cli.output}")


class TrainCLI(ProjectCLI):
    """The options of ``train.py``."""

    def __init__(self, argv: Sequence[str]) -> None:
        # Early logging: a run that goes wrong shows it in its first minute.
        super().__init__(TRAINING, argv, trainer_defaults={"log_every_n_steps": 5})
        self.output = Path(self.config.output or Path("outputs") / self.config_name / "train")
        self.checkpoints = self.output / "checkpoints"
        self.seed = int(self.config.seed_everything or 0)  # false seeds no weights, but the processes must agree

    def resume_from(self) -> str | None:
        """The checkpoint to resume from, or None.

        Raises:
            UserError: It does not exist, or the output folder holds another training.
        """
        path = self.config.ckpt_path
        last = self.checkpoints / f"{_LAST}.ckpt"
        if path is None:
            if last.exists():
                raise UserError(
                    f"{self.output} holds a training: add --ckpt_path last to resume it, or name another --output"
                )
            return None
        path = last if path == _LAST else Path(path)
        if not path.is_file():
            raise UserError(f"cannot resume: checkpoint {path} does not exist; omit --ckpt_path to start anew")
        return str(path)

    def _kept_outputs(self) -> KeptOutputs:
        """What validations keep, where all nodes see it."""
        return KeptOutputs(shared_folder=self.output if self.config.trainer.num_nodes > 1 else None)

    def checkpoint_to_keep(self, trainer: Trainer) -> Path:
        """The best checkpoint by validation, or the last one where nothing was validated."""
        best = getattr(trainer.checkpoint_callback, "best_model_path", "")
        return Path(best) if best else self.checkpoints / f"{_LAST}.ckpt"

    def callbacks(self, monitor: str, *, bars: bool) -> list[Callback]:
        """The best checkpoint by ``monitor`` where there is a validation, the last one; seeds; what is shown."""
        validates = self.init_args("data").get("val_annotation") is not None
        best = ModelCheckpoint(self.checkpoints, "best", monitor=monitor, mode="max", enable_version_counter=False)
        # Apart from the best: Lightning's own `save_last` saves only when the best has changed.
        last = ModelCheckpoint(self.checkpoints, _LAST, save_on_train_epoch_end=True, enable_version_counter=False)
        others = [
            LearningRateMonitor("step"),
            self._kept_outputs(),
            ExactResumeCallback(self.seed),
            SharedBrokenVideosCallback(),
            last,
        ]
        others += [] if bars else [TrainingProgressCallback()]
        return [best, *others] if validates else others
