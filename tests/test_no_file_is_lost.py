"""No command loses a file of its user: random inputs, outputs, styles, masks and flags.

The real `main` functions run; in the place of networks stand functions that take no time.
"""

import functools
import io
import json
import os
import pathlib
import types

import numpy as np
import pytest
from PIL import Image

from stylegan_culture import (
    annotate,
    benchmark,
    evaluate,
    explain,
    export,
    files,
    images,
    models,
    outputs,
    study,
    stylize,
    train,
)
from stylegan_culture.config import InputError, run_command
from stylegan_culture.deploy import exporter
from stylegan_culture.pipelines import prepare, record_writer, records
from stylegan_culture.pipelines.museums import ingest
from stylegan_culture.reports import bias, explanation_settings, page, robustness
from stylegan_culture.reports import evaluation as comparison
from stylegan_culture.reports import explanation as record
from stylegan_culture.restyling import gatys, pictures
from stylegan_culture.restyling.feedforward import CultureNetwork
from stylegan_culture.restyling.video import restyled as restyled_clips
from stylegan_culture.training import runs

ROUNDS, POOL = 250, 60
DECOYS = (  # names that a program might take for its own temporary files
    *(".out.png.part", "out.part", "out.png.part", "part_model.weights.h5", "a.preview.png"),
    *("c.preview.png", ".out.0123456789abcdef.parts/0001.png", ".out.mkv.parts/state.npz"),
    *("out/0001.png", "out/a.png", ".out.mkv.0123456789abcdef.parts/000000.nut"),
)


@functools.cache
def picture(suffix: str, number: int, software: str) -> bytes:
    """A picture file, one of `POOL` of each kind."""
    pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
    return images.encoded(pixels, suffix, software=software)


@functools.cache
def film() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    frames, file = [Image.fromarray(one) for one in pixels], io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


class Place:
    """A folder with pictures of a user, results of this program, and what is neither."""

    def __init__(self, root: pathlib.Path, draw: np.random.Generator):
        self.root, self.draw = root, draw
        self.pictures, self.results = [], []
        for name in ("d1/a.png", "d1/b.png", "d2/b.png", "d2/c.jpg", "e.webp", "out.png", "Ü.png"):
            if draw.random() < 0.8:
                self.pictures.append(self._picture(name))
        for number in range(1, 4):
            self.pictures.append(self._picture(f"frames/{number:04d}.png"))
            self._picture(f"art/one/{number}.png")
            self._picture(f"art/two/{number}.png")
        for name in DECOYS:
            if draw.random() < 0.5:
                self._picture(name)
        for name in ("d2/a.png", "result.png", "out/0002.png"):
            if draw.random() < 0.5:
                (root / name).parent.mkdir(exist_ok=True)
                (root / name).write_bytes(picture(".png", draw.integers(POOL), files.SOFTWARE))
                self.results.append(root / name)
        (root / "model").mkdir()
        facts = {"config": {}, "cultures": [{"key": "one"}, {"key": "two"}]}
        facts |= {"data": "folder:art", "image_size": 64}
        (root / "model" / "run.json").write_text(json.dumps(facts))
        self._picture("model/sheet.png")
        (root / "film.gif").write_bytes(film())
        if draw.random() < 0.5:
            (root / "link.png").symlink_to(self.some(self.pictures))
            os.link(self.some(self.pictures), root / "hard.png")
            (root / "linked").symlink_to(root / "d1")
        self.before = self.contents()

    def _picture(self, name: str) -> pathlib.Path:
        """A picture of somebody else: no Software tag."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        suffix = path.suffix if path.suffix in images.WRITABLE else ".png"
        path.write_bytes(picture(suffix, self.draw.integers(POOL), ""))
        return path

    def some(self, values):
        return values[self.draw.integers(len(values))]

    def contents(self) -> dict:
        found = (one for one in self.root.rglob("*") if one.is_file())
        return {one: one.read_bytes() for one in found}

    def output(self, names) -> pathlib.Path:
        """A place to write to: often one where something lies."""
        old = [*self.before, *(one.parent for one in self.before), self.root]
        new = [self.root / name for name in names]
        if (self.root / "hard.png").exists():
            new += [self.root / name for name in ("link.png", "hard.png", "linked/b.png", "linked")]
        return self.some(old if self.draw.random() < 0.4 else new)

    def check(self, read, flags) -> None:
        """Asserts that what the command read is as it was, and all that is not a result of ours,
        which alone may be replaced where nobody asked for more."""
        after = self.contents()
        for path, content in self.before.items():
            is_read = any(path == one or one in path.parents for one in read)
            if is_read or not ("--overwrite" in flags or path in self.results):
                assert after.get(path) == content, (path, flags)
            assert path in after, (path, flags)
        left = [one.name for one in self.root.rglob(".stylegan_culture*")]
        assert not left, "temporary files and locks go"


@pytest.fixture
def no_networks(monkeypatch):
    """Functions without a network in the place of everything that restyles or draws."""

    def restyle(content, preview=None):
        step = types.SimpleNamespace(steps=20, step=20, picture=content[::-1])
        return gatys.follow([step], preview)

    model = types.SimpleNamespace(
        cultures=("one", "two"),
        config=types.SimpleNamespace(code_size=3),
        named_codes=lambda: {name: np.zeros(3, np.float32) for name in ("one", "two")},
    )

    class Frames:
        network = types.SimpleNamespace(
            model=types.SimpleNamespace(get_weights=list), code=np.zeros(3)
        )
        restyle = staticmethod(lambda content, seconds: content[::-1])
        state = staticmethod(lambda: {"last": np.zeros(2)})
        restore = staticmethod(lambda state: None)

    def sampler(points, labels):
        return np.zeros((len(points), 8, 8, 3), np.float32)

    sampler.config = types.SimpleNamespace(conditional=True, noise_size=4)
    facts = types.SimpleNamespace(keys=("one", "two"))
    networks = {"culture": model, "sampler": sampler}
    monkeypatch.setattr(
        stylize, "_restyler", lambda command, *name: pictures.Restyler(restyle, command.request)
    )
    monkeypatch.setattr(restyled_clips, "_restyler", lambda options: Frames())
    monkeypatch.setattr(
        models, "load", lambda name, kind: models.Loaded(networks[kind], facts, None)
    )
    monkeypatch.setattr(CultureNetwork, "__call__", lambda self, content, *more: content)
    return monkeypatch


def stylize_flags(place: Place) -> tuple[list, list]:
    """Random arguments, and the files and folders that they say to read."""
    draw = place.draw
    known = place.pictures + place.results
    kind = place.some(["pictures"] * 5 + ["compare", "restore", "clip", "gif", "sample", "noise"])
    count = draw.integers(1, 4) if kind in ("pictures", "compare", "restore") else 1
    read = [place.some(known) for _ in range(count)]
    flags = []
    if kind == "clip":
        read = [place.some([place.root / "frames", place.root / "d1"])]
    elif kind == "gif":
        read = [place.root / "film.gif"]
    elif kind == "noise":
        read = []
    flags += map(str, read)
    if kind in ("sample", "noise"):
        flags += ["--sample", "2"]
        flags += ["--walk", "2"] if draw.random() < 0.5 else []
    if kind == "restore":
        read.append(place.some(known))
        flags += ["--restore", "inpaint", "--mask", str(read[-1])]
    elif kind in ("pictures", "compare") and draw.random() < 0.6:
        for _ in range(draw.integers(1, 3)):
            read.append(place.some(known))
            flags += ["--style", str(read[-1])]
            if kind == "compare" or draw.random() < 0.3:
                read.append(place.some(known))
                flags += ["--mask", str(read[-1])]
        flags += ["--compare", "wct,adain"] if kind == "compare" else []
        flags += ["--method", "wct"] if kind == "pictures" else []
    else:
        flags += ["--culture", "one"] if kind != "noise" else []
        flags += ["--compare", "wct"] if kind == "compare" else []
    for flag in ("--keep-colour", "--overwrite"):
        flags += [flag] if draw.random() < 0.25 and kind != "restore" else []
    flags += ["--overwrite"] if kind == "restore" and draw.random() < 0.25 else []
    if not {"--method", "--compare"} & set(flags):
        flags += ["--model", str(place.root / "model")]
        read.append(place.root / "model")
    names = ("new.png", "new.jpg", "out", "out.png", "OUT.PNG", "deep/new.webp", "d1", "result.png")
    clips = ("frames", "frames/new", "out.gif", "film.gif", "new", "deep/new.gif", "out.mkv")
    out = place.output(clips if kind in ("clip", "gif", "sample", "noise") else names)
    return [*flags, "--out", str(out), "--steady", "0"], [one.resolve() for one in read]


def test_stylize_loses_no_picture(no_networks, tmp_path, capsys):
    codes = []
    for number in range(ROUNDS):
        place = Place(tmp_path / f"{number}", np.random.default_rng(number))
        flags, read = stylize_flags(place)
        kind = "sampler" if "--sample" in flags and "--culture" not in flags else "culture"
        no_networks.setattr(models, "kind_of", lambda name, kind=kind: kind)
        codes.append(run_command(stylize.main, flags))
        errors = capsys.readouterr().err
        assert codes[-1] in (0, 2), errors
        place.check(read, flags)
    assert 0.3 < np.mean(np.equal(codes, 0)) < 0.8, "both kinds of end are tried"


def fill(folder, names) -> None:
    """What a command leaves in its folder."""
    with page.complete(pathlib.Path(folder)) as unfinished:
        for name in names:
            (unfinished / name).write_text("new")


@pytest.fixture
def no_work(monkeypatch):
    """In the place of each command's work, functions that write its files and nothing else."""

    set = monkeypatch.setattr
    set(comparison, "run", lambda config: fill(config.trial.out, [*evaluate.FILES, "model.png"]))
    set(bias, "run", lambda config: fill(config.trial.out, evaluate.BiasConfig.FILES))
    set(robustness, "run", lambda config: fill(config.out, evaluate.RobustnessConfig.FILES))
    set(study.page, "measure", lambda config: (study.page.Features("", "", ""), {}))
    set(study.page, "draw", lambda record, shown, folder: fill(folder, study.page.PLOTS))
    set(study.page, "html_of", lambda record, shown: "new")
    set(study, "_save_moments", lambda config, path: fill(path.parent, [path.name, "m.json"]))
    set(study.backbone_study, "measure", lambda *more: study.page.Features("", "", ""))
    set(study.backbone_study, "table", lambda *more: "")
    set(record, "measure", lambda config, names: types.SimpleNamespace(record={}))

    def explained(config, found):
        fill(config.out, explanation_settings.names(config))
        fill(explanation_settings.projector_of(config), explanation_settings.PROJECTOR)

    set(record, "write", explained)
    row = annotate._row("a.png", np.array([0.1, 0.9]), ("one", "two"), True, 0.6)
    set(annotate, "_annotate", lambda *more: (("one", "two"), [row], [("b.png", "bad")]))
    set(benchmark, "measure", lambda *more: [])
    set(benchmark, "report", lambda *more: "")
    set(exporter, "build", lambda plan, folder: (folder / "model.json").write_text("new"))
    set(record_writer, "_build", lambda plan, options, place: (place / records.NAME).mkdir())

    def collected(config):
        files.write_text(pathlib.Path(config.out) / "manifest.csv", "new")
        return ingest.Report({}, 0, 0, {}, 0)

    set(ingest, "ingest", collected)

    def sources(run):
        for name in ("run.json", "model.weights.h5", "samples/sheet.png", "0001.png"):
            files.write_text(run.folder / name, "new")
        raise InputError("enough")

    set(runs.Run, "sources", sources)
    return monkeypatch


PAGE = study.page.FILES + study.page.PLOTS
# Each command: its main function, what it writes to, and its further flags; R is the whole folder.
COMMANDS = {
    "evaluate": (evaluate.main, "--out", ["--model", "R/model", "--data", "folder:R/d1"]),
    "bias": (evaluate.main, "--out", ["bias", "--model", "R/model", "--data", "folder:R/d1"]),
    "robustness": (evaluate.main, "--out", ["robustness", "--data", "folder:R/d1"]),
    "page": (study.main, "--out", ["--data", "folder:R"]),
    "moments": (study.main, "m.npz", ["moments", "--data", "folder:R/d1"]),
    "backbones": (study.main, "m.json", ["backbones", "--data", "folder:R/d2"]),
    "explain": (explain.main, "--out", ["R/out.png", "--culture", "one", "--model", "R/model"]),
    "projector": (explain.main, "--projector", ["R/e.webp", "--culture", "one", "--out", "R/new"]),
    "annotate": (annotate.main, "m.csv", ["R/d1", "--compare", "R/tags.csv"]),
    "benchmark": (benchmark.main, "--json", ["R/out.png"]),
    "export": (export.main, "--out", ["--run", "R/model", "--pictures", "R/d1"]),
    "train": (train.main, "--run", ["--trainer", "vae", "--data", "folder:R/d1"]),
    "report": (prepare.main, "--report", ["folder", "R/art"]),
    "sheet": (prepare.main, "--sheet", ["folder", "R/art", "--report", "R/skipped.csv"]),
    "records": (prepare.main, "--out", ["records", "R/art", "--report", "R/skipped.csv"]),
    "panels": (prepare.main, "--out", ["panels", "R/d1"]),
    "museum": (prepare.main, "--out", ["museum"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_loses_a_file(no_work, tmp_path, capsys, name):
    main, target, more = COMMANDS[name]
    codes = []
    for number in range(30):
        draw = np.random.default_rng(number)
        place = Place(tmp_path / f"{number}", draw)
        for extra in ("m.json", "m.csv", "m_skipped.csv", "tags.csv", "new/study.html", "notes.md"):
            if draw.random() < 0.5:
                files.write_text(place.root / extra, "path,culture\n")
        place.before = place.contents()
        flags = [flag.replace("R", str(place.root), 1) for flag in more]
        read = [pathlib.Path(flag.removeprefix("folder:")).resolve() for flag in flags]
        read = [one for one in read if one.exists() and "new" not in one.name]
        if name in ("report", "sheet", "records"):
            read = [one for one in read if one.suffix != ".csv"]
        ending = ".png" if name == "sheet" else ""
        out = place.output([f"new{ending}", f"deep/new{ending}", "model", "d1", "out"])
        if "." in target:
            out, target_flag = place.root / target, "--out"
        else:
            target_flag = target
        flags += [target_flag, str(out)]
        flags += ["--overwrite"] if draw.random() < 0.25 else []
        codes.append(run_command(main, flags))
        assert codes[-1] in (0, 2), capsys.readouterr().err
        place.check(read, flags)
    assert {0, 2} == set(codes) or name == "train", "both kinds of end are tried"


def user(path: pathlib.Path) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(path.suffix, 0, ""))
    return path


def restyled(out, *more) -> int:
    return run_command(stylize.main, [*map(str, more), "--culture", "one", "--out", str(out)])


def test_results_may_be_made_again_and_no_other_file_is_replaced(no_networks, tmp_path, capsys):
    source, theirs = user(tmp_path / "a.png"), user(tmp_path / "theirs" / "a.png")
    for _ in range(2):
        assert restyled(tmp_path / "out.png", source) == 0
        assert restyled(tmp_path / "out", source) == 0
    assert restyled(theirs.parent, source) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert theirs.read_bytes() == picture(".png", 0, "")
    assert restyled(theirs.parent, source, "--overwrite") == 0
    assert theirs.read_bytes() != picture(".png", 0, "")


def test_a_picture_of_another_folder_is_not_replaced_before_it_is_read(
    no_networks, tmp_path, capsys
):
    sources = [user(tmp_path / name / "b.png") for name in ("d1", "d2")]
    assert restyled(tmp_path / "d2", *sources, "--overwrite") == 2
    assert "which the command reads" in capsys.readouterr().err
    assert sources[1].read_bytes() == picture(".png", 0, "")


def test_a_preview_takes_a_free_name_and_goes(no_networks, tmp_path, monkeypatch):
    source, mine = user(tmp_path / "a.png"), user(tmp_path / "out.preview.png")
    seen, real = [], images.write
    monkeypatch.setattr(
        images, "write", lambda path, one: seen.append(path.name) or real(path, one)
    )
    assert restyled(tmp_path / "out.png", source) == 0
    assert seen == ["out.preview_2.png", "out.png"]
    assert {one.name for one in tmp_path.iterdir()} == {"a.png", "out.png", mine.name}
    assert mine.read_bytes() == picture(".png", 0, "")


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.gif", "out"])
def test_a_clip_says_who_made_it_and_leaves_folders_of_others_alone(
    no_networks, tmp_path, capsys, name
):
    pytest.importorskip("av", reason="PyAV (extra `video`) is not installed")
    for number in range(3):
        user(tmp_path / "in" / f"{number}.png")
    theirs = [f".{name}.parts", f".{name}.0123456789abcdef.parts", f".{name}.part"]
    for folder in theirs:
        user(tmp_path / folder / "0.png")
    for _ in range(2):
        assert restyled(tmp_path / name, tmp_path / "in", "--steady", "0") == 0
    assert {one.name for one in tmp_path.iterdir()} == {"in", name, *theirs}
    made = tmp_path / name / "0.png" if name == "out" else tmp_path / name
    assert outputs.made_here(made)
    with files.locked(tmp_path / name, beside=True):
        assert restyled(tmp_path / name, tmp_path / "in", "--steady", "0") == 2
    assert "another run is at work" in capsys.readouterr().err
    if name == "out":
        user(made)
        assert restyled(tmp_path / name, tmp_path / "in", "--steady", "0") == 2
        assert made.read_bytes() == picture(".png", 0, "")
    assert restyled(tmp_path / "in", tmp_path / "in", "--steady", "0", "--overwrite") == 2


def test_pieces_in_a_folder_of_somebody_else_are_refused(
    no_networks, tmp_path, monkeypatch, capsys
):
    pytest.importorskip("av", reason="PyAV (extra `video`) is not installed")
    source = user(tmp_path / "in" / "0.png").parent
    monkeypatch.setattr(restyled_clips, "_key", lambda *more: 16 * "a")
    theirs = user(tmp_path / f".out.mp4.{16 * 'a'}.parts" / "0.png")
    assert restyled(tmp_path / "out.mp4", source, "--steady", "0") == 2
    assert "was not made by this program" in capsys.readouterr().err
    assert [one.name for one in theirs.parent.iterdir()] == ["0.png"]


BESIDE = ("moments", "backbones", "export")  # whose lock lies beside what they write
ALONE = [name for name in COMMANDS if COMMANDS[name][1] not in ("--json", "--report", "--sheet")]


@pytest.mark.parametrize("name", [one for one in ALONE if one not in ("annotate", "museum")])
def test_a_second_run_in_a_place_is_refused(no_work, tmp_path, capsys, name):
    main, target, more = COMMANDS[name]
    place = Place(tmp_path, np.random.default_rng(0))
    out = place.root / (target if "." in target else "second")
    flags = [flag.replace("R", str(place.root), 1) for flag in more]
    flags += ["--out" if "." in target else target, str(out)]
    for path in ("e.webp", "out.png", "d1/a.png"):
        user(place.root / path)
    with files.locked(out, beside=name in BESIDE):
        assert run_command(main, flags) == 2
    assert "another run is at work" in capsys.readouterr().err
    run_command(main, flags)
    assert "another run" not in capsys.readouterr().err


def test_a_run_that_is_alive_is_not_resumed_and_helpers_do_not_wait(no_work, tmp_path, capsys):
    files.write_json(tmp_path / "run" / "run.json", {"config": {}})
    flags = ["--trainer", "vae", "--run", str(tmp_path / "run"), "--resume"]
    with files.locked(tmp_path / "run"):
        assert run_command(train.main, flags) == 2
        assert "another run is at work" in capsys.readouterr().err
        cluster = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
        no_work.setenv("TF_CONFIG", json.dumps(cluster))
        flags = types.SimpleNamespace(dry_run=False, run=tmp_path / "run", strategy="multiworker")
        with runs.alone(flags):
            pass
        cluster["task"]["index"] = 0
        no_work.setenv("TF_CONFIG", json.dumps(cluster))
        with pytest.raises(InputError, match="another run"), runs.alone(flags):
            pass


def test_a_run_begins_in_a_new_folder_alone(no_work, tmp_path, capsys):
    mine = user(tmp_path / "run" / "model.weights.h5.png")
    for trainer in ("vae", "classifier"):
        flags = ["--trainer", trainer, "--run", str(tmp_path / "run")]
        flags += ["--data", f"folder:{tmp_path}"]
        flags += ["--folds", "0"] if trainer == "classifier" else []
        assert run_command(train.main, flags) == 2
        assert "holds other files" in capsys.readouterr().err
    assert [one.name for one in mine.parent.iterdir()] == [mine.name]


@pytest.mark.parametrize(
    "extra", ["diary.txt", "runs/a/run.json", "saved_model/mine.pb", "a.tflite"]
)
def test_export_replaces_what_it_wrote_and_nothing_else(no_work, tmp_path, capsys, extra):
    run, out = tmp_path / "run", tmp_path / "out"
    cultures = [{"key": "one"}, {"key": "two"}]
    facts = {"config": {}, "cultures": cultures, "data": "ornaments", "image_size": 64}
    files.write_json(run / "run.json", facts)
    for name in ("weights.h5", "saved_model/saved_model.pb", "old_64_int8.tflite"):
        files.write_text(out / name, "old")
    files.write_json(out / "model.json", {"cultures": [], "name": "old"})
    flags = ["--run", str(run), "--out", str(out), "--pictures", str(tmp_path / "pictures")]
    files.write_text(out / extra, "a user's")
    assert run_command(export.main, [*flags, "--overwrite"]) == 2
    assert "would be lost" in capsys.readouterr().err
    assert (out / extra).read_text() == "a user's" and (out / "weights.h5").is_file()
    (out / extra).unlink()
    (out / "runs").exists() and [one.rmdir() for one in (out / "runs" / "a", out / "runs")]
    assert run_command(export.main, flags) == 0
    assert [one.name for one in out.iterdir()] == ["model.json"]
    assert run_command(export.main, flags) == 2, "what came is no record of a model"
    assert run_command(export.main, [*flags, "--overwrite"]) == 0
    assert {one.name for one in tmp_path.iterdir()} == {"run", "out"}


def test_export_keeps_the_folder_where_the_new_one_cannot_come(no_work, tmp_path, monkeypatch):
    files.write_text(tmp_path / "out" / "model.json", "old")
    files.write_text(tmp_path / "new" / "model.json", "new")
    real = pathlib.Path.replace

    def replace(self, target):
        if self.name == "new":
            raise OSError("no")
        return real(self, target)

    monkeypatch.setattr(pathlib.Path, "replace", replace)
    with pytest.raises(OSError, match="no"):
        exporter._replace(tmp_path / "new", tmp_path / "out", tmp_path / "old")
    assert (tmp_path / "out" / "model.json").read_text() == "old"
