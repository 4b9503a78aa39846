"""Scores of videos that were classified view by view."""

from collections.abc import Sequence
from functools import partial

from datamodules.annotations.records import RecognitionRecords
from vidtldr.errors import UserError
from vidtldr.metrics import MultiViewAccuracy
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.samples import Sample, contributions_of
from vidtldr.storage.batch_store import BatchOutput
from vidtldr.tasks.passes import Scores


def score_views(outputs: Sequence[BatchOutput], records: RecognitionRecords, num_classes: int) -> Scores:
    """``top1`` and ``top5`` over videos; of as many views of each video as there are.

    Args:
        outputs: Batches with ``logits`` ``[b, k]``, ``index``, ``view`` and ``label`` ``[b]``; of a batch in which
            everything was broken, ``index`` alone.
        records: Videos and their classes.
        num_classes: Classes, k.

    Raises:
        UserError: No video could be read.
    """
    classified = [output for output in outputs if "logits" in output]
    if not classified:
        raise UserError("nothing is left to evaluate: no video could be read")
    num_views = 1 + max(int(output["view"].max()) for output in classified)
    accuracy = MultiViewAccuracy(len(records.videos), num_classes, num_views, sync_on_compute=False)
    for output in classified:
        accuracy.update(output["logits"], video=output["index"], view=output["view"], label=output["label"])
    return Scores(accuracy.compute(), partial(_samples, accuracy, records))


def top1_contributions(samples: Sequence[Sample]) -> Contributions:
    """What each video adds to top-1."""
    return contributions_of(samples, lambda sample: {0: sample["rank"] == 1}, parts=1)


def _samples(accuracy: MultiViewAccuracy, records: RecognitionRecords) -> list[Sample]:
    """One row for each video: its class, the five likeliest, the rank of its class from 1; names if there are any."""
    names = records.class_names if len(records.class_names or ()) >= accuracy.num_classes else None
    evaluated = (accuracy.views > 0).nonzero().squeeze(1)
    likeliest = accuracy.scores()[evaluated].topk(min(5, accuracy.num_classes))
    columns = (evaluated, accuracy.labels[evaluated], accuracy.ranks(), likeliest.indices, likeliest.values)
    return [
        {
            "video": records.videos[video],
            "label": label,
            "prediction": classes[0],
            "rank": rank + 1,
            "likeliest": classes,
            "probabilities": probabilities,
            **({"class": names[label], "predicted_class": names[classes[0]]} if names else {}),
        }
        for video, label, rank, classes, probabilities in zip(*(column.tolist() for column in columns), strict=True)
    ]
