from datamodules.annotations.records import RecognitionRecords, RetrievalRecords


def many_captions():
    return RetrievalRecords.from_captions([("a", ["a0", "a1", "same"]), ("b", ["same", "b1"]), ("c", [])])


def test_equal_captions_stay_separate_queries():
    records = many_captions()
    assert records.texts == ["a0", "a1", "same", "same", "b1"]
    assert records.gt_text_to_videos == [[0], [0], [0], [1], [1]]
    assert records.gt_video_to_texts == [[0, 1, 2], [3, 4], []]


def test_a_text_may_describe_several_videos():
    records = RetrievalRecords()
    records.add(["a", "b", "c"], ["first"])
    records.add(["d", "e", "f"], ["second"])
    assert records.gt_text_to_videos == [[0, 1, 2], [3, 4, 5]]
    assert records.gt_video_to_texts == [[0], [0], [0], [1], [1], [1]]


def test_a_text_survives_if_any_of_its_videos_does():
    records = RetrievalRecords()
    records.add(["a", "b"], ["both"])
    records.add(["c"], ["gone"])
    records.add(["d"], ["stays"])
    kept = records.keep([3, 1])
    assert kept.videos == ["b", "d"]
    assert kept.texts == ["both", "stays"]
    assert kept.gt_text_to_videos == [[0], [1]]
    assert kept.gt_video_to_texts == [[0], [1]]


def test_keeping_all_changes_nothing_and_keeping_none_leaves_nothing():
    records = many_captions()
    assert records.keep(range(3)) == records
    assert records.keep([]) == RetrievalRecords()


def test_keep_leaves_the_original_as_it_was():
    records = many_captions()
    records.keep([1])
    assert records == many_captions()


def test_equally_named_records_are_joined_for_training_only():
    records = RetrievalRecords.from_captions([("a", ["1"]), ("b", ["2"]), ("a", ["3"])])
    assert records.videos == ["a", "b", "a"]
    assert records.captions_by_name() == {"a": ["1", "3"], "b": ["2"]}


def test_recognition_records_keep_their_classes_when_videos_go():
    records = RecognitionRecords(["a", "b", "c"], [0, 4, 2])
    assert records.num_classes == 5
    kept = records.keep([2, 0])
    assert (kept.videos, kept.labels, kept.num_classes) == (["a", "c"], [0, 2], 5)


def test_recognition_records_with_names_have_as_many_classes_as_names():
    assert RecognitionRecords(["a"], [0], ["x", "y"]).num_classes == 2
    assert RecognitionRecords([], []).num_classes == 0


def test_the_texts_of_a_record_become_one_paragraph():
    records = many_captions()
    records.add(["d", "e"], ["d0 ", "d1"])
    paragraphs = records.paragraphs()
    assert paragraphs.videos == ["a", "b", "c", "d", "e"]
    assert paragraphs.texts == ["a0 a1 same", "same b1", "d0  d1"]
    assert paragraphs.gt_text_to_videos == [[0], [1], [3, 4]]
    assert paragraphs.gt_video_to_texts == [[0], [1], [], [2], [2]]


def test_records_of_equal_names_keep_paragraphs_of_their_own():
    records = RetrievalRecords.from_captions([("a", ["1", "2"]), ("a", ["3", "4"])])
    assert records.paragraphs().texts == ["1 2", "3 4"]
