"""`evaluate robustness`, end to end on small networks and pictures; its page; wrong input."""

import html.parser
import json

import numpy as np
import pytest

from stylegan_culture import config, files, images, train
from stylegan_culture.measures import attacks as measures
from stylegan_culture.reports import robustness, robustness_charts, robustness_words

PLOTS = set(robustness.PLOTS)


@pytest.fixture(scope="module")
def tagger(culture_folder, vgg_archive, tmp_path_factory):
    """A run folder of a small tagger of waves and lattices."""
    run = tmp_path_factory.mktemp("tagger") / "run"
    flags = ("--trainer", "classifier", "--side", "64", "--epochs", "20", "--rate", "0.02")
    data = ("--data", f"folder:{culture_folder / 'art'}", "--run", str(run), "--folds", "0")
    network = ("--backbone", "vgg19_16x", "--weights", str(vgg_archive))
    assert config.run_command(train.main, [*flags, *data, *network]) == 0
    return run


@pytest.fixture
def flags(tagger, culture_folder, tmp_path):
    given = {
        "tagger": tagger,
        "data": f"folder:{culture_folder / 'art'}",
        "out": tmp_path / "out",
        "pictures": 2,
        "steps": 2,
    }
    return lambda **changed: [
        str(word) for name, value in (given | changed).items() for word in (f"--{name}", value)
    ]


@pytest.fixture
def photographs(culture_folder, tmp_path):
    """Enough of them that two are held out."""
    generator = np.random.default_rng(8)
    for number in range(24):
        picture = generator.uniform(size=(5, 5, 3)).repeat(9, axis=0).repeat(9, axis=1)
        images.write(tmp_path / "photographs" / f"{number:02d}.png", picture.astype(np.float32))
    return f"folder:{tmp_path / 'photographs'}"


class _Reader(html.parser.HTMLParser):
    """What a page links to, whether its elements close, and all its words."""

    def __init__(self):
        super().__init__()
        self.open, self.places, self.links, self.words = [], set(), set(), ""

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "img", "line", "polyline", "polygon", "path", "circle"):
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.places.add(value)
            if name in ("href", "src"):
                self.links.add(value)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        self.words += data


def test_a_tagger_and_a_stylizer_are_measured(
    flags, tagger, model_folder, photographs, tmp_path, capsys
):
    arguments = flags(model=model_folder, content=photographs, size=32, photographs=2)
    assert config.run_command(robustness.main, arguments) == 0
    out = tmp_path / "out"
    names = {"robustness.json", "robustness.html"} | PLOTS
    assert {one.name for one in out.iterdir()} == names
    record = json.loads((out / "robustness.json").read_text("utf-8"))
    assert record["tagger"]["counts"] == {"lattice": 2, "waves": 2}
    assert len(record["tagger"]["attacks"]) == len(measures.ATTACKS)
    accuracy = json.loads((tagger / "metrics.json").read_text("utf-8"))["held_out"]["accuracy"]
    for curve in record["tagger"]["attacks"]:
        unchanged = curve["shares"][0]["mean"][0]
        assert unchanged == pytest.approx(1.0 - accuracy if curve["targeted"] else accuracy)
        assert curve["levels"] == [0.0, *measures.LEVELS]
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
    page = (out / "robustness.html").read_text("utf-8")
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert {link[1:] for link in reader.links if link.startswith("#")} <= reader.places
    assert all(link.startswith(("#", "data:")) for link in reader.links)
    shown = capsys.readouterr().out
    for sentence in robustness_words.findings(record):
        assert sentence in reader.words and sentence in shown


def test_without_a_stylizer_the_page_speaks_of_none(flags, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    files.write_result(out / "robustness.json", {})
    images.write(out / "robustness_stylizer.png", np.zeros((4, 4, 3), np.uint8))
    assert config.run_command(robustness.main, flags(pictures=1)) == 0
    names = {one.name for one in out.iterdir()}
    assert names == {"robustness.json", "robustness.html"} | PLOTS - {"robustness_stylizer.png"}
    assert "Restyled" not in (out / "robustness.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": ""}, "--data is missing"),
        ({"model": "culture256"}, "--model and --content"),
        ({"steps": 0}, "--steps"),
        ({"photographs": 1}, "--photographs has to be at least 2"),
        ({"size": 40}, "--size is 40"),
        ({"tagger": "nowhere"}, "no tagger 'nowhere'"),
    ],
)
def test_wrong_input_is_one_sentence(flags, changed, said, capsys, tmp_path):
    assert config.run_command(robustness.main, flags(**changed)) == config.EXIT_INPUT
    shown = capsys.readouterr().err
    assert shown.splitlines()[-1].startswith("error: ") and said in shown
    assert not (tmp_path / "out").exists()


def test_a_culture_that_the_tagger_lacks_is_named(flags, culture_folder, tmp_path, capsys):
    for name in ("waves", "knots"):
        (tmp_path / "art" / name).mkdir(parents=True)
        for number in range(4):
            source = culture_folder / "art" / "waves" / f"{number:04d}.png"
            (tmp_path / "art" / name / source.name).write_bytes(source.read_bytes())
    arguments = flags(data=f"folder:{tmp_path / 'art'}")
    assert config.run_command(robustness.main, arguments) == config.EXIT_INPUT
    assert "'knots'" in capsys.readouterr().err


def test_labels_at_the_end_of_lines_do_not_overlap():
    for heights in ({"a": 50.0, "b": 51.0}, {"a": 148.0, "b": 148.0}, {"a": 8.0, "b": 140.0}):
        found = robustness_charts._apart(heights)
        assert abs(found["a"] - found["b"]) >= 14.0 - 1e-9
        assert all(0.0 <= y <= robustness_charts.BOTTOM for y in found.values())
    assert robustness_charts._apart({"a": 20.0, "b": 90.0}) == {"a": 20.0, "b": 90.0}
