"""Text-video retrieval on Something-Something V2, by the label of a video or by its template."""

from typing import ClassVar

from datamodules.retrieval import RetrievalDataModule


class SSv2Label(RetrievalDataModule):
    """Something-Something V2 by labels, "lifting a cup with a spoon on it": one text a video."""

    annotation_names: ClassVar = ("ssv2_ret_label_val_small.json",)
    video_folders: ClassVar = ("20bn-something-something-v2", "videos", "")
    test_videos: ClassVar = 2088
    test_texts: ClassVar = 2088
    max_text_tokens: ClassVar = 25


class SSv2Template(SSv2Label):
    """Something-Something V2 by templates, "Lifting [something] with [something] on it": one text for twelve videos.

    A text counts as answered by the best of its videos.
    """

    annotation_names: ClassVar = ("ssv2_ret_template_val_small.json",)
    test_texts: ClassVar = 174
