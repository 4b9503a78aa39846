"""Methods compared one after the other: what has finished is on disk after each."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vidtldr.evaluation.one_method import Subject, evaluate
from vidtldr.evaluation.pictures import draw_pictures
from vidtldr.evaluation.processes import Processes
from vidtldr.evaluation.run_folder import Run
from vidtldr.merging import Method
from vidtldr.results.beside_paper import beside_paper
from vidtldr.results.bootstrap import Contributions
from vidtldr.results.choice import most_different
from vidtldr.results.curves import result_curves
from vidtldr.results.differences import compare
from vidtldr.results.pictures import Album
from vidtldr.results.records import MethodResult, RunRecord
from vidtldr.results.report import markdown
from vidtldr.results.samples import Sample, read_samples, write_samples
from vidtldr.results.tensorboard import MethodLogger, write_report
from vidtldr.tasks.base import AnyTask


class Comparison:
    """A run over several methods.

    Args:
        run: Where work and results are kept.
        record: What is reported; filled here.
        processes: Those that share the work. The first one writes.
        methods: What to compare, by name.
    """

    def __init__(self, run: Run, record: RunRecord, processes: Processes, methods: Mapping[str, Method]) -> None:
        self.record = record
        self._run, self._processes, self._methods = run, processes, methods
        self._option_keys = list(dict.fromkeys(key for method in methods.values() for key in vars(method)))
        self._loggers: dict[str, MethodLogger] = {}
        if processes.is_first:
            self._loggers = {name: MethodLogger(record.tensorboard_dir, name, record.score_tables) for name in methods}
        self._samples: dict[str, list[Sample]] = {}
        self._contributions: dict[str, Contributions] = {}
        self._album: Album | None = None

    @property
    def contributions(self) -> Mapping[str, Contributions]:
        """What each video adds to the score of each method that is through; on the first process alone."""
        return self._contributions

    def evaluate_all(self, subject: Subject) -> None:
        """Evaluate every method that an earlier run has not finished."""
        finished = self._processes.agree({name: self._run.finished(name) for name in self._methods})
        earlier = self._read_samples(name for name, result in finished.items() if result is not None)
        for name, method in self._methods.items():
            if (result := finished[name]) is not None:
                self._take_in(result, earlier.get(name, []), subject.task)
                continue
            logger = self._loggers.get(name, False)
            result, samples = evaluate(name, method, subject, logger=logger, store=self._run.store(name))
            result = self._of_all_processes(result)
            self._take_in(result, samples, subject.task)
            if self._processes.is_first:
                self._write(result)
            self._processes.wait()  # nobody may still read what is dropped now, nor write to a method that is through

    def draw(self, count: int, subject: Subject) -> None:
        """Keep pictures of so many samples, those that methods differ most in from the first baseline."""
        record = self.record
        against = (record.baselines or list(self._methods))[0]
        chosen = most_different(self._samples, against, count) if self._processes.is_first else []
        self._album = Album(record.pictures_dir, self._processes.agree(chosen))
        shares = draw_pictures(self._album, subject, self._methods)
        record.results = [replace(result, frame_shares=shares[result.name]) for result in record.results]

    def close(self) -> None:
        """Write what is known when all methods are through; the work is dropped."""
        if self._processes.is_first:
            for result in self.record.results:
                self._loggers[result.name].log_comparison(result, self.record.differences, self._album)
            write_report(self.record.tensorboard_dir, markdown(self.record))
            self.record.finished = True
            self.record.write()
            self._run.close()
        self._processes.wait()

    def _take_in(self, result: MethodResult, samples: list[Sample], task: AnyTask) -> None:
        self.record.results.append(result)
        if not self._processes.is_first:
            return
        self._samples[result.name] = samples
        self._contributions[result.name] = task.contributions(samples)
        record = self.record
        record.differences = compare(self._contributions, record.baselines, known=record.differences)

    def _write(self, result: MethodResult) -> None:
        name, score = result.name, self.record.score_tables[0].compared
        self._loggers[name].log_result(result, self._option_keys)
        self._loggers[name].log_curves(result_curves(result, self._samples[name], self._contributions[name], score))
        if (paper := beside_paper(self.record)) and name in paper.printed:
            self._loggers[name].log_paper(paper.printed[name])
        write_samples(self.record.samples_path, self._samples)
        self.record.write()
        self._run.finish(result)

    def _read_samples(self, names: Iterable[str]) -> dict[str, list[Sample]]:
        wanted = set(names)
        samples: dict[str, list[Sample]] = {name: [] for name in wanted}
        if wanted and self._processes.is_first:
            for sample in read_samples(self.record.samples_path):
                if (name := sample.pop("method")) in wanted:
                    samples[name].append(sample)
        return samples

    def _of_all_processes(self, result: MethodResult) -> MethodResult:
        """The result with the speed of all processes: rates add up, the longest time and the largest memory count."""
        speeds = self._processes.gather(result.speed)
        return replace(result, speed=speeds[0].with_others(speeds[1:]))
