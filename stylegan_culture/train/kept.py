"""The best weights of a run so far: `model.weights.h5`, and `best.json` that says of which step.

So the run folder serves `export`, `stylize` and `evaluate` from the first checkpoint on, though the
run be unfinished, and a run that was killed goes on comparing where it was.
"""

import math
import pathlib

from stylegan_culture.arrays import load_weights, save_weights
from stylegan_culture.config import InputError, shortened
from stylegan_culture.files import read_json, write_result

WEIGHTS, RECORD = "model.weights.h5", "best.json"


class Keeper:
    """Judges a model at every checkpoint and keeps its weights where they are the best so far.

    `keeper(step) -> {name: figure}` is the loop's hook. A step that was judged before is not judged
    again: its checkpoint is what the run was resumed from. What was judged after it was of weights
    that are lost and is forgotten, but for the best, whose weights are there. Of equally good steps
    the later one is kept.

    Args:
        folder: of the run.
        model: whose weights are judged and kept.
        measure: `measure(model) -> {name: figure}`.
        metric: the figure that decides.
        more: whether more of it is better.
        resumed: whether to go on with the folder's best.json; a new run begins without.

    Raises:
        InputError: best.json is damaged, of another metric, or its weights are missing.
    """

    def __init__(self, folder, model, measure, metric: str, more: bool, resumed: bool):
        self.folder, self.model, self.measure = pathlib.Path(folder), model, measure
        self.metric, self.more = metric, more
        self.best, self.judged = self._read() if resumed else (None, [])

    def __call__(self, step: int) -> dict:
        known = {entry["step"]: entry for entry in self.judged}
        self.judged = [entry for entry in self.judged if entry["step"] < step]
        found = known.get(step) or {"step": step, "figures": self.measure(self.model)}
        self.judged.append(found)
        if step not in known and self._better(found):
            self.best = found
            save_weights(self.model, self.folder / WEIGHTS)
        record = {
            "metric": self.metric,
            "more_is_better": self.more,
            "best": self.best and _for_json(self.best),
            "judged": [_for_json(entry) for entry in self.judged],
        }
        # Last: where a kill comes before, the step is judged again on resuming.
        write_result(self.folder / RECORD, record)
        return found["figures"]

    def finish(self) -> dict | None:
        """Puts the best weights into the model; the best step and its figures.

        None where no checkpoint was good enough to be written, and so none was judged.
        """
        if self.best is None:
            return None
        load_weights(
            self.folder / WEIGHTS,
            self.model.count_params(),
            lambda: self.model,
            f"delete it and {RECORD} to keep the last step's weights",
        )
        return {"metric": self.metric, **self.best}

    def _better(self, found: dict) -> bool:
        figure = found["figures"][self.metric]
        if self.best is None:
            return math.isfinite(figure)
        known = self.best["figures"][self.metric]
        return figure >= known if self.more else figure <= known

    def _is_entry(self, entry) -> bool:
        """Whether something is a step with its figures, that of the metric among them."""
        if not isinstance(entry, dict) or type(entry.get("step")) is not int:
            return False
        figures = entry.get("figures")
        if not isinstance(figures, dict) or self.metric not in figures:
            return False
        return all(type(figure) in (int, float, type(None)) for figure in figures.values())

    def _read(self):
        """The best step and all judged ones as best.json has them; none where there is no file."""
        path = self.folder / RECORD
        if not path.is_file():
            return None, []
        remedy = "delete it to begin the comparison anew"
        record = read_json(path, remedy)
        best, judged, metric = (record.get(name) for name in ("best", "judged", "metric"))
        if metric != self.metric:
            raise InputError(
                f"{path} was kept by {shortened(metric)}, not by {self.metric}; {remedy}"
            )
        entries = judged if isinstance(judged, list) else [None]
        for entry in entries if best is None else [*entries, best]:
            if not self._is_entry(entry):
                raise InputError(f"{path} is damaged ({shortened(entry)} is no step); {remedy}")
        if best is not None and not (self.folder / WEIGHTS).is_file():
            raise InputError(f"{path} is there and {WEIGHTS} of its best step is not; {remedy}")
        return best and _from_json(best), [_from_json(entry) for entry in judged]


def _for_json(entry: dict) -> dict:
    """A judged step, null for figures that are not finite."""
    figures = {name: x if math.isfinite(x) else None for name, x in entry["figures"].items()}
    return {"step": entry["step"], "figures": figures}


def _from_json(entry: dict) -> dict:
    figures = {name: math.nan if x is None else x for name, x in entry["figures"].items()}
    return {"step": entry["step"], "figures": figures}
