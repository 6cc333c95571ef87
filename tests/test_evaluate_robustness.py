"""`evaluate robustness`, end to end on small networks and pictures; its page; wrong input."""

import dataclasses
import json
import shutil

import hostile
import numpy as np
import pytest
from reader import Reader

from stylegan_culture import config, evaluate, files, images, models, train
from stylegan_culture.measures import attacks
from stylegan_culture.pipelines.input import load_source
from stylegan_culture.reports import charts, robustness
from stylegan_culture.reports.trial import RobustnessConfig

NAMES = set(RobustnessConfig.FILES)


@pytest.fixture(scope="module")
def tagger(culture_folder, vgg_archive, tmp_path_factory):
    run = tmp_path_factory.mktemp("tagger") / "run"
    flags = ("--trainer", "classifier", "--side", "64", "--epochs", "20", "--rate", "0.02")
    data = ("--data", f"folder:{culture_folder / 'art'}", "--run", str(run), "--folds", "0")
    network = ("--backbone", "vgg19_16x", "--weights", str(vgg_archive))
    assert config.run_command(train.main, [*flags, *data, *network]) == 0
    return run


def _flags(culture_folder, out, **changed):
    given = {"data": f"folder:{culture_folder / 'art'}", "out": out, "pictures": 2, "steps": 2}
    words = [str(word) for item in (given | changed).items() for word in (f"--{item[0]}", item[1])]
    return ["robustness", *words]


@pytest.fixture(scope="module")
def made(tagger, culture_folder, model_folder, tmp_path_factory):
    """The folder that the command wrote, and the record and examples of its page."""
    folder, kept = tmp_path_factory.mktemp("made"), []
    generator = np.random.default_rng(8)
    for number in range(24):  # enough of them that two are held out
        picture = generator.uniform(size=(5, 5, 3)).repeat(9, axis=0).repeat(9, axis=1)
        images.write(folder / "photographs" / f"{number:02d}.png", picture.astype(np.float32))

    def measure(*arguments, measured=robustness.measure):
        kept.append(measured(*arguments))
        return kept[0]

    photographs = {"content": f"folder:{folder / 'photographs'}", "size": 32, "photographs": 2}
    flags = _flags(culture_folder, folder / "out", tagger=tagger, model=model_folder, **photographs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robustness, "measure", measure)
        assert config.run_command(evaluate.main, flags) == 0
    return folder / "out", *kept[0]


def test_a_tagger_and_a_stylizer_are_measured(made, tagger):
    folder = made[0]
    assert {one.name for one in folder.iterdir()} == NAMES
    record = json.loads((folder / "robustness.json").read_text("utf-8"))
    assert record["tagger"]["counts"] == {"lattice": 2, "waves": 2}
    assert len(record["tagger"]["attacks"]) == len(attacks.ATTACKS)
    accuracy = json.loads((tagger / "metrics.json").read_text("utf-8"))["held_out"]["accuracy"]
    for curve in record["tagger"]["attacks"]:
        unchanged = curve["shares"][0]["mean"][0]
        assert unchanged == pytest.approx(1.0 - accuracy if curve["targeted"] else accuracy)
        assert curve["levels"] == [0.0, *attacks.LEVELS]
        rows = [row["mean"] for row in curve["shares"]]
        assert all(0.0 <= low <= value <= high <= 1.0 for value, low, high in rows)
        if curve["method"] == "pgd":
            steps = np.diff([value for value, *_ in rows])
            assert (steps >= 0.0).all() if curve["targeted"] else (steps <= 0.0).all()
    stylizer = record["stylizer"]
    for place, level in enumerate(stylizer["levels"]):
        attacked, chance = (stylizer[kind][place]["mean"] for kind in ("attacked", "random"))
        assert attacked["amplification"][0] > chance["amplification"][0] > 0.0
        assert chance["input"][0] == pytest.approx(level, rel=0.15)


def test_the_page_stands_alone_and_can_be_read(made):
    folder, record, _ = made
    reader = Reader((folder / "robustness.html").read_text("utf-8"))
    assert not reader.wrong and not reader.reaches_out() and not reader.unreadable()
    text = " ".join(text for _, text in reader.found)
    assert all(sentence in text for sentence in robustness.findings(record))
    assert "Restyled pictures" in reader.texts("h2")
    labels = [own["aria-label"] for tag, own in reader.attributes if tag == "svg"]
    assert len(labels) == 7, "four of attacks, three of corruptions"
    clean = record.tagger.curve("pgd", "linf", False).shares[0].mean
    assert f"PGD: {clean.value:.0%} at 0, " in labels[0]


def test_names_of_strangers_are_text(made, tmp_path):
    _, record, examples = made
    names = {"lattice": hostile.MARKUP, "waves": hostile.CLOSING}
    record = dataclasses.replace(record, versions={})
    changed = hostile.renamed(record, names)
    keys = {name: name for name in names.values()}
    changed = dataclasses.replace(
        changed,
        tagger=dataclasses.replace(changed.tagger, cultures=keys, name=hostile.LONG),
        stylizer=dataclasses.replace(changed.stylizer, cultures=keys, name=hostile.CLOSING),
        commit=hostile.TURNED,
    )
    pages = [
        robustness.html_of(changed, hostile.renamed(examples, names)),
        robustness.html_of(record, examples),
    ]
    hostile.check(*pages, [*keys, hostile.LONG, hostile.TURNED])
    robustness.draw(changed, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(RobustnessConfig.PLOTS)


def test_without_a_stylizer_the_page_speaks_of_none(made, tagger, culture_folder, tmp_path, capsys):
    _, record, examples = made
    out = tmp_path / "out"
    out.mkdir()
    files.write_result(out / "robustness.json", {})
    images.write(out / "robustness_stylizer.png", np.zeros((4, 4, 3), np.uint8))
    record = dataclasses.replace(record, stylizer=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robustness, "measure", lambda _: (record, examples))
        flags = _flags(culture_folder, out, tagger=tagger)
        assert config.run_command(evaluate.main, flags) == 0
    assert {one.name for one in out.iterdir()} == NAMES - {"robustness_stylizer.png"}
    assert "Restyled" not in (out / "robustness.html").read_text("utf-8")
    printed = capsys.readouterr().out
    assert all(sentence in printed for sentence in robustness.findings(record))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": ""}, "--data is missing"),
        ({"model": "culture256"}, "--model and --content"),
        ({"steps": 0}, "--steps"),
        ({"photographs": 1}, "photographs is 1 and has to be at least 2"),
        ({"size": 40}, "size is 40"),
        ({"tagger": "nowhere"}, "nowhere is no run folder"),
    ],
)
def test_wrong_input_is_one_sentence(tagger, culture_folder, changed, said, capsys, tmp_path):
    flags = _flags(culture_folder, tmp_path / "out", **({"tagger": tagger} | changed))
    assert config.run_command(evaluate.main, flags) == config.EXIT_INPUT
    shown = capsys.readouterr().err
    assert shown.splitlines()[-1].startswith("error: ") and said in shown
    assert not (tmp_path / "out").exists()


def test_a_culture_that_the_tagger_lacks_is_named(tagger, culture_folder, tmp_path, capsys):
    for name in ("waves", "knots"):
        (tmp_path / "art" / name).mkdir(parents=True)
        for number in range(4):
            source = culture_folder / "art" / "waves" / f"{number:04d}.png"
            (tmp_path / "art" / name / source.name).write_bytes(source.read_bytes())
    flags = _flags(tmp_path, tmp_path / "out", tagger=tagger)
    assert config.run_command(evaluate.main, flags) == config.EXIT_INPUT
    assert "'knots'" in capsys.readouterr().err


def test_lines_are_drawn_where_their_values_are():
    """Of the first line and its interval, in the units of the axes."""
    data = charts.Lines(
        series={"one": [(0.2, 0.1, 0.3), (0.6, 0.5, 0.9)], "two": [0.4, 1.0]},
        ticks=["none", "$all$"],
        show="{:.1f}".format,
        faint=[[0.0, 0.5]],
    )
    with charts.drawing(300, 200) as figure:
        axes = figure.subplots()
        charts.draw_lines(axes, data)
        faint, first, second = axes.lines
        band = axes.collections[0].get_paths()[0].vertices
    drawn = [list(line.get_ydata()) for line in (first, second, faint)]
    assert drawn == [[0.2, 0.6], [0.4, 1.0], [0.0, 0.5]]
    assert {0.1, 0.3, 0.5, 0.9} <= {round(height, 6) for height in band[:, 1].tolist()}
    page = charts.lines(data, "What <is>")
    assert "What &lt;is&gt;. one: 0.2 at none, 0.6 at $all$; two: 0.4 at none, 1.0 at $all$" in page
    assert "var(--accent)" in page and ">$all$<" in page


def test_what_the_tagger_and_its_backbone_saw_is_not_attacked(
    tagger, culture_folder, tmp_path, monkeypatch
):
    folder = tmp_path / "run"
    shutil.copytree(tagger, folder)
    data = f"folder:{culture_folder / 'art'}"
    source = load_source(data, 64, "held_out")
    seen = sorted(source.ids)[0]
    row = f"art/{seen}.png,{seen.partition('/')[0]}"
    folder.with_name("run_pictures.csv").write_text(f"path,culture\n{row}\n")
    taken, asked = [], []

    def artworks(*given, found=robustness._artworks):
        taken.extend(found(*given)[2])
        raise StopIteration

    monkeypatch.setattr(robustness, "_artworks", artworks)
    monkeypatch.setattr(models, "backbone_pictures", lambda name: asked.append(name) or frozenset())
    with pytest.raises(StopIteration):
        robustness._of_tagger(RobustnessConfig(tagger=str(folder), data=data, pictures=9))
    assert set(taken) == set(source.ids) - {seen} and len(source) == 4
    assert asked == [models.load(folder).facts.record["weights"]]
