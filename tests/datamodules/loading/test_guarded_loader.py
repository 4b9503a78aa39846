"""Loading that survives hanging and dying workers, compared with torch's DataLoader where nothing happens."""

import faulthandler
import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import multiprocessing
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from datamodules.loading.guarded_loader import GuardedLoader
from datamodules.loading.order import Draw

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core

TIMEOUT = 0.5
BATCHES = [[0, 1, 2], [3, 4], [5], [6, 7, 8], [9]]


class Numbers:
    """Item ``n`` is ``n`` and a random number, or ``(n, reason)`` of a broken one.

    Args:
        accidents: By position, a function that does not come back.
        folder: Where each attempt at an accident leaves a trace.
    """

    def __init__(self, accidents=None, folder=None):
        self.paths = [Path(f"{position}.mp4") for position in range(10)]
        self.accidents, self.folder = accidents or {}, folder

    def __len__(self):
        return len(self.paths)

    def broken_item(self, position, reason):
        return position, reason

    def __getitem__(self, position):
        if position in self.accidents:
            with open(self.folder / str(position), "a") as trace:
                trace.write("x")
            self.accidents[position]()
        return position, torch.tensor([position, torch.randint(1000, ()).item()])

    def attempts(self, position):
        trace = self.folder / str(position)
        return len(trace.read_text()) if trace.exists() else 0


def hang():
    time.sleep(60)


def crash():
    faulthandler.disable()  # pytest's would print the stack of the worker
    os.kill(os.getpid(), signal.SIGSEGV)


def leave():
    os._exit(3)


def misbehave():
    raise LookupError("a mistake of ours")


def as_dict(items):
    return {
        "values": torch.stack([value for _, value in items if not isinstance(value, str)] or [torch.zeros(2)]),
        "broken": [(position, value) for position, value in items if isinstance(value, str)],
    }


def guarded(dataset, batches=BATCHES, num_workers=2, **options):
    options = {"collate_fn": as_dict, "timeout": TIMEOUT, **options}
    return GuardedLoader(dataset, batches, num_workers=num_workers, **options)


def positions_of(batches):
    return [batch["values"][:, 0].tolist() for batch in batches]


def broken_in(batches):
    return dict(video for batch in batches for video in batch["broken"])


@pytest.fixture(autouse=True)
def no_worker_is_left():
    gc.collect()
    before = set(multiprocessing.active_children())
    yield
    gc.collect()
    assert set(multiprocessing.active_children()) <= before


@pytest.mark.parametrize("num_workers", [0, 1, 2, 3])
def test_batches_equal_those_of_a_plain_loader(num_workers):
    for epoch in range(2):
        torch.manual_seed(epoch)
        expected = list(DataLoader(Numbers(), batch_sampler=BATCHES, num_workers=num_workers, collate_fn=as_dict))
        torch.manual_seed(epoch)
        loader = guarded(Numbers(), num_workers=num_workers)
        batches = list(loader)
        assert len(loader) == len(batches) == len(expected)
        for batch, wanted in zip(batches, expected, strict=True):
            if num_workers:  # without workers the plain loader draws a seed that it does not use
                assert torch.equal(batch["values"], wanted["values"])
        assert positions_of(batches) == positions_of(expected)


def test_a_sampler_shuffles_as_for_a_plain_loader():
    torch.manual_seed(0)
    sampler = BatchSampler(RandomSampler(range(10)), batch_size=3, drop_last=True)
    loader = guarded(Numbers(), sampler)
    first, second = list(loader), list(loader)
    torch.manual_seed(0)
    plain = DataLoader(Numbers(), batch_sampler=sampler, num_workers=2, collate_fn=as_dict)
    assert positions_of(first) == positions_of(plain) != positions_of(second)
    assert len(loader) == 3


def test_more_workers_than_batches_and_empty_batches():
    assert positions_of(guarded(Numbers(), [[4], []], num_workers=5)) == [[4], [0]]  # as_dict's stand-in for nothing
    assert list(guarded(Numbers(), [])) == []


@pytest.mark.parametrize(
    ("accident", "reason"),
    [
        (hang, "4.mp4: decoding did not end within 0.5 s"),
        (crash, "4.mp4: the decoder crashed (Segmentation fault)"),
        (leave, "4.mp4: the decoder ended its process (exit code 3)"),
    ],
)
@pytest.mark.parametrize("num_workers", [1, 3])
def test_an_accident_costs_its_video_alone(tmp_path, accident, reason, num_workers):
    dataset = Numbers({4: accident}, tmp_path)
    loader = guarded(dataset, num_workers=num_workers)
    batches = list(loader)
    assert positions_of(batches) == [[0, 1, 2], [3], [5], [6, 7, 8], [9]]
    assert broken_in(batches) == loader.broken == {4: reason}
    assert dataset.attempts(4) == 2
    assert broken_in(loader) == {4: reason}
    assert dataset.attempts(4) == 2, "a second iteration does not try again"


def test_several_accidents_in_one_batch_and_at_both_ends(tmp_path):
    accidents = {0: crash, 2: hang, 6: crash, 7: leave, 8: hang, 9: crash}
    loader = guarded(Numbers(accidents, tmp_path))
    assert positions_of(loader) == [[1], [3, 4], [5], [0], [0]]
    assert loader.broken.keys() == accidents.keys()


def test_one_accident_is_forgiven(tmp_path):
    def once():
        if len((tmp_path / "4").read_text()) == 1:
            crash()

    loader = guarded(Numbers({4: once}, tmp_path))
    assert positions_of(loader) == BATCHES
    assert loader.broken == {}


def test_a_video_in_two_batches_is_given_up_once(tmp_path):
    dataset = Numbers({4: crash}, tmp_path)
    loader = guarded(dataset, [[4], [4], [4], [5]], num_workers=2)
    assert positions_of(loader) == [[0], [0], [0], [5]]
    assert loader.broken == {4: "4.mp4: the decoder crashed (Segmentation fault)"}


def test_a_video_known_to_be_broken_is_not_opened(tmp_path):
    dataset = Numbers({4: hang}, tmp_path)
    assert broken_in(guarded(dataset, broken={4: "known"})) == {4: "known"}
    assert broken_in(guarded(dataset, broken={4: "known"}, num_workers=0)) == {4: "known"}
    assert dataset.attempts(4) == 0


def test_the_limit_is_for_one_video_and_not_for_a_batch(tmp_path):
    slow = dict.fromkeys(range(6), lambda: time.sleep(0.4))
    loader = guarded(Numbers(slow, tmp_path), [list(range(6))], num_workers=1, timeout=1.5)
    assert positions_of(loader) == [list(range(6))]
    assert loader.broken == {}


def test_a_consumer_may_be_slower_than_the_limit():
    batches = []
    for batch in guarded(Numbers(), [[position] for position in range(5)], num_workers=1):
        time.sleep(TIMEOUT + 0.1)
        batches.append(batch)
    assert positions_of(batches) == [[position] for position in range(5)]


def test_a_mistake_of_the_dataset_is_raised_in_its_place(tmp_path):
    batches = iter(guarded(Numbers({3: misbehave}, tmp_path)))
    assert positions_of([next(batches)]) == [[0, 1, 2]]
    with pytest.raises(LookupError, match="a mistake of ours") as caught:
        next(batches)
    assert "in misbehave" in "".join(caught.value.__notes__)


def test_an_error_that_cannot_be_pickled_is_told(tmp_path):
    class Private(Exception):
        pass

    def fail():
        raise Private("hidden")

    with pytest.raises(RuntimeError, match="Private: hidden"):
        list(guarded(Numbers({3: fail}, tmp_path)))


def test_a_batch_that_cannot_be_sent_is_an_error():
    with pytest.raises(Exception, match="lambda"):
        list(guarded(Numbers(), collate_fn=lambda items: lambda: items))


def test_workers_that_die_outside_of_any_video_end_the_run():
    class Deadly:
        def __reduce__(self):  # called when the batch is sent
            crash()

    with pytest.raises(RuntimeError, match=r"2 workers were lost outside of any video .*Segmentation.*/dev/shm"):
        list(guarded(Numbers(), collate_fn=lambda items: Deadly()))


def test_iteration_may_be_left_and_begun_again(tmp_path):
    loader = guarded(Numbers({9: hang}, tmp_path), timeout=0)
    for _ in range(2):
        started = time.monotonic()
        for batch in loader:
            assert positions_of([batch]) == [[0, 1, 2]]
            break
        gc.collect()
        assert multiprocessing.active_children() == []
        assert time.monotonic() - started < 5, "a hanging worker is not waited for"


@pytest.mark.parametrize("num_workers", [0, 1])
def test_draws_seed_their_items_alone_and_failures_count_by_video(tmp_path, num_workers):
    expected = []
    for video, seed in [(3, 7), (3, 8), (5, 7)]:
        value = torch.randint(1000, (), generator=torch.Generator().manual_seed(seed))
        expected.append([video, int(value)])
    batches = [[Draw(3, 7)], [Draw(3, 8), Draw(4, 1)], [Draw(4, 2)], [Draw(5, 7)]]
    dataset = Numbers({4: crash}, tmp_path)
    loader = guarded(dataset, batches, num_workers=num_workers, broken={} if num_workers else {4: "known"})
    loaded = [batch["values"].tolist() for batch in loader]
    assert [*loaded[0], *loaded[1], *loaded[3]] == expected
    assert list(loader.broken) == [4]
    assert dataset.attempts(4) == (2 if num_workers else 0)


class Processes(Numbers):
    """Item ``n`` is ``n`` and the process that loads it."""

    def __getitem__(self, position):
        super().__getitem__(position)
        return position, torch.tensor([position, os.getpid()])


def workers_of(batches):
    return {int(worker) for batch in batches for _, worker in batch["values"]}


def test_kept_workers_load_the_next_iteration_until_they_are_stopped():
    loader = guarded(Processes(), keep_workers=True)
    first = workers_of(loader)
    unexhausted = iter(loader)  # as Lightning does, which counts batches
    second = workers_of(next(unexhausted) for _ in BATCHES)
    unexhausted = iter(loader)
    assert first == second == workers_of(unexhausted)
    assert len(first) == 2
    loader.stop()
    assert multiprocessing.active_children() == []
    assert not first & workers_of(loader)
    loader.stop()


def test_an_iteration_that_is_left_early_leaves_no_workers():
    loader = guarded(Processes(), [[n % 10] for n in range(20)], keep_workers=True)
    for _ in loader:
        break
    gc.collect()
    assert multiprocessing.active_children() == []


def test_workers_end_with_a_loader_that_is_dropped():
    loader = guarded(Processes(), keep_workers=True)
    list(loader)
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    del loader
    for worker in workers:
        worker.join(20)
        assert worker.exitcode == 0


def test_kept_workers_are_replaced_and_a_broken_video_is_remembered(tmp_path):
    dataset = Processes({4: hang, 9: crash}, tmp_path)
    loader = guarded(dataset, keep_workers=True)
    for _ in range(3):
        batches = list(loader)
        assert positions_of(batches[:4]) == [[0, 1, 2], [3], [5], [6, 7, 8]]
        assert broken_in(batches) == loader.broken
        assert loader.broken.keys() == {4, 9}
    assert dataset.attempts(4) == dataset.attempts(9) == 2
    loader.stop()


def test_failures_of_different_iterations_do_not_add_up(tmp_path):
    def every_other_time():
        if len((tmp_path / "4").read_text()) % 2:
            crash()

    loader = guarded(Numbers({4: every_other_time}, tmp_path), keep_workers=True)
    assert positions_of(loader) == positions_of(loader) == BATCHES
    assert loader.broken == {}
    loader.stop()


def test_tensors_are_pinned_wherever_they_stand(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor + 100)
    batch = {"a": torch.tensor([1]), "b": [(torch.tensor([2]), "text")], "c": None}
    loader = guarded(Numbers(), [[0]], collate_fn=lambda items: batch, pin_memory=True)
    assert list(loader) == [{"a": torch.tensor([101]), "b": [(torch.tensor([102]), "text")], "c": None}]


def test_signal_handlers_of_the_main_process_do_not_reach_the_workers(tmp_path):
    previous = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        assert list(guarded(Numbers({4: hang}, tmp_path)).__iter__())[1]["broken"]
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_workers_end_when_the_main_process_is_killed(tmp_path):
    script = f"""
import sys, os, pathlib, time
sys.path[:0] = {[str(Path(__file__).parents[3])]!r}
from tests.datamodules.loading.test_guarded_loader import Numbers, guarded, hang
from torch import multiprocessing
batches = iter(guarded(Numbers({{9: hang}}, pathlib.Path({str(tmp_path)!r})), timeout=2))
next(batches)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        workers = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker outlives the main process"
        time.sleep(0.1)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
