"""The explain command, end to end on small networks and pictures, and its wrong input."""

import dataclasses
import json
import shutil

import hostile
import keras
import numpy as np
import pytest
from reader import Reader

from stylegan_culture import config as settings
from stylegan_culture import explain, files, images, models
from stylegan_culture.features.backbones import build_backbone
from stylegan_culture.measures import evidence
from stylegan_culture.models import save_tagger
from stylegan_culture.networks.classifier import CultureTagger
from stylegan_culture.networks.generator import CultureModel
from stylegan_culture.networks.sizes import GeneratorConfig
from stylegan_culture.pipelines.input import load_source
from stylegan_culture.pipelines.preprocess import center_crop
from stylegan_culture.pipelines.sampling import Source
from stylegan_culture.reports import explanation, subjects
from stylegan_culture.reports.explanation_settings import ExplainConfig
from stylegan_culture.training.classifier import TaggingConfig, train_head

PREVIOUS = '<meta name="generator" content="stylegan_culture 0"> the previous page'

SIDE = 64
TITLES = {"lattice": "The <lattice>", "waves": "Waves"}
FILES = ("0000.png", "0001.png")


@pytest.fixture(scope="module")
def networks(culture_folder, vgg_archive, tmp_path_factory):
    """Run folders of an untrained generator and of a tagger of the cultures of `culture_folder`."""
    folder = tmp_path_factory.mktemp("networks")
    described = [{"key": key, "title": title} for key, title in TITLES.items()]
    keras.utils.set_random_seed(4)
    model = CultureModel(tuple(TITLES), GeneratorConfig(width=64, blocks=1)).create_weights()
    model.mapping.code.kernel.assign(20.0 * model.mapping.code.kernel)  # cultures that differ
    (folder / "model").mkdir()
    model.save_weights(str(folder / "model" / "model.weights.h5"))
    facts = {"config": {"generator": dataclasses.asdict(model.config)}, "cultures": described}
    (folder / "model" / "run.json").write_text(json.dumps(facts), "utf-8")
    tagger = CultureTagger(build_backbone("vgg19_16x", vgg_archive))
    source = load_source(f"folder:{culture_folder / 'art'}", SIDE, "train")
    squares = np.stack([center_crop(source.read(n), SIDE) for n in range(len(source))])
    described_pictures = tagger.describe(squares.astype(np.float32) / 255)
    tagger.head = train_head(described_pictures, source.tags, TaggingConfig(epochs=20, rate=0.02))
    tagger.head.temperature.assign(9.0)  # probabilities that are neither 0 nor 1
    facts = {"backbone": "vgg19_16x", "weights": str(vgg_archive), "side": SIDE}
    facts["cultures"] = [one for key in source.cultures for one in described if one["key"] == key]
    save_tagger(folder / "tagger" / "classifier.npz", tagger, facts)
    return folder


@pytest.fixture(scope="module")
def tagger(networks):
    """The tagger, and its cultures in the order of its logits."""
    loaded = models.load(networks / "tagger", "classifier")
    return loaded.network, list(loaded.facts.keys)


@pytest.fixture(scope="module")
def model(networks):
    return models.load(networks / "model", "culture").network


@pytest.fixture(scope="module")
def flags(networks, culture_folder):
    """Makes a command line: two photographs, or `pictures`, and options by name."""
    given = {"model": networks / "model", "tagger": networks / "tagger", "culture": "waves"}
    given |= {"size": 64, "channels": 2, "patches": 3, "points": 2, "replicates": 20}

    def line(pictures=FILES, **changed):
        paths = [culture_folder / "photographs" / name for name in pictures]
        options = {name: value for name, value in (given | changed).items() if value is not None}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [str(word) for word in (*paths, *words)]

    return line


@pytest.fixture(scope="module")
def kept():
    return []


@pytest.fixture(scope="module")
def made(flags, culture_folder, tmp_path_factory, kept):
    """The folder that the command wrote with everything asked for, its record, its page."""
    folder = tmp_path_factory.mktemp("made") / "deep" / "out"
    arguments = flags(
        data=f"folder:{culture_folder / 'art'}",
        culture="waves,lattice",
        path="lattice,waves",
        steps=3,
        out=folder,
    )
    write = explanation.write
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(explanation, "write", lambda *given: kept.append(given[1]) or write(*given))
        assert settings.run_command(explain.main, arguments) == 0
    record = json.loads((folder / "explain.json").read_text("utf-8"))
    return folder, record, Reader((folder / "explain.html").read_text("utf-8"))


def test_page_sheets_and_numbers_are_there_and_nothing_else(made):
    folder, record, reader = made
    names = {"explain.html", "explain.json", "path.png", "projector"}
    names |= {f"{kind}_{k}.png" for kind in ("places", "walk", "channels") for k in TITLES}
    assert {path.name for path in folder.iterdir()} == names
    assert [path.name for path in folder.parent.iterdir()] == ["out"]
    for path in folder.glob("*.png"):
        assert images.read(path).std() > 0.03
    assert record["left_out"] == [] and record["titles"] == TITLES and record["seconds"] > 0.0
    assert not reader.wrong and not reader.reaches_out() and not reader.unreadable()
    text = " ".join(text for _, text in reader.found)
    assert "The <lattice>" in text and "do not say" in text and "Left out" not in text


def test_names_of_strangers_are_text_and_sheets_stay_in_the_folder(made, kept):
    names = dict(zip((*TITLES, *FILES), hostile.NAMES[:2] + hostile.NAMES[7:9], strict=True))
    pages, sheets = [], []
    for given in ({}, names):
        written = hostile.renamed(kept[0], given)
        record = dataclasses.replace(written.record, left_out=["x"])
        if given:
            tagger = dict.fromkeys(("name", "backbone", "tap", "weights"), hostile.MARKUP)
            record = dataclasses.replace(
                record,
                titles={key: key for key in record.titles},
                tagger=dataclasses.replace(record.tagger, **tagger),
                model=record.model | {"name": hostile.CLOSING},
                channels=dataclasses.replace(record.channels, tap=hostile.CLOSING),
                versions={hostile.MARKUP: hostile.CLOSING},
                left_out=[hostile.MARKUP],
                commit=hostile.TURNED,
                data=record.data | {"left_out": {hostile.MARKUP: 1}},
            )
        else:
            record = dataclasses.replace(record, data=record.data | {"left_out": {"x": 1}})
        written = dataclasses.replace(written, record=record)
        pages.append(explanation.html_of(written))
        sheets.append(explanation._sheets(written))
    hostile.check(pages[1], pages[0], list(names.values()))
    assert len(sheets[0]) == len(sheets[1]) == 7
    assert not [name for name in sheets[1] if "/" in name or len(name) > 200]


def test_scores_are_the_taggers_and_their_parts_add_up(made, tagger, model, culture_folder):
    """Pictures cropped, restyled and tagged once more, one by one."""
    (_, record, _), (tagger, keys) = made, tagger
    for culture, rows in record["places"].items():
        mixture = np.eye(2, dtype=np.float32)[[model.cultures.index(culture)]]
        for name, row in zip(FILES, rows, strict=True):
            pixels = images.read_uint8(culture_folder / "photographs" / name)
            picture = center_crop(pixels, SIDE)[None].astype(np.float32) / 255
            restyled = np.asarray(model(picture, mixture, np.ones((1, 1), np.float32)))
            for when, shown in (("before", picture), ("after", restyled)):
                own, logits = row[when], np.asarray(tagger(shown))[0]
                assert own["logit"] == pytest.approx(logits[keys.index(culture)], abs=2e-3)
                parts = [value for tap in own["taps"].values() for value in tap.values()]
                assert own["bias"] + sum(parts) == pytest.approx(own["logit"], abs=1e-6)
                odds = np.exp(logits - logits.max())
                for key, share in zip(keys, odds / odds.sum(), strict=True):
                    assert own["probabilities"][key] == pytest.approx(share, abs=2e-3)
                for check in own["checks"].values():
                    mean, least, most = check["elsewhere"]
                    assert least <= mean <= most and 0.0 <= check["beaten"] <= 1.0
                    assert (check["fall"] > most) == (check["beaten"] == 1.0)


@pytest.fixture(scope="module")
def artworks(made, tagger):
    """The data set once more: its source, the maps of the tap, and the tagger's descriptors."""
    source = load_source(made[1]["config"]["data"], SIDE, "all")
    squares = np.stack([center_crop(source.read(n), SIDE) for n in range(len(source))])
    squares = squares.astype(np.float32) / 255
    taps = {name: np.asarray(value) for name, value in tagger[0].backbone(squares).items()}
    return source, squares, taps, np.asarray(tagger[0].describe(squares))


def test_channels_are_chosen_in_training_and_measured_on_the_held_out(made, artworks):
    found = made[1]["channels"]
    source, _, taps, _ = artworks
    maps, labels, held = taps[found["tap"]], source.tags.argmax(axis=1), source.held
    count = maps.shape[-1]
    readings = {"mean": maps.mean(axis=(1, 2)), "deviation": maps.std(axis=(1, 2))}
    assert found["pictures"] == {"chosen_on": 16, "measured_on": 4} and found["channels"] == count
    train, judged = (
        {k: evidence.channel_differences(v[part], labels[part], 2) for k, v in readings.items()}
        for part in (~held, held)
    )
    for culture, rows in found["cultures"].items():
        number = source.cultures.index(culture)
        best = np.maximum(train["mean"][number], train["deviation"][number])
        assert [row["channel"] for row in rows] == np.argsort(-best)[:2].tolist()
        for row in rows:
            channel, kind = row["channel"], row["reading"]
            assert train[kind][number, channel] == pytest.approx(best[channel], rel=1e-3)
            value, low, high = row["difference"]
            assert low <= value <= high
            assert value == pytest.approx(judged[kind][number, channel], rel=1e-3, abs=1e-3)
            peaks = {source.ids[n]: maps[n, ..., channel].max() for n in range(len(source))}
            excited = [one["artwork"] for one in row["excited_by"]]
            assert excited[0] == max(peaks, key=peaks.get) and len(set(excited)) == 3
            assert [one["culture"] for one in row["excited_by"]] == [
                name.split("/")[0] for name in excited
            ]
            for one in row["excited_by"]:
                assert one["peak"] == pytest.approx(peaks[one["artwork"]], rel=1e-4)


def test_what_a_channel_adds_is_the_difference_of_logits(made, tagger, artworks):
    """Once more by the head: its inputs but this one are held at their averages."""
    (_, record, _), (tagger, keys) = made, tagger
    source, _, taps, described = artworks
    before = list(taps)[: list(taps).index(record["channels"]["tap"])]
    start = sum(2 * taps[tap].shape[-1] for tap in before)
    for culture, rows in record["channels"]["cultures"].items():
        own = source.tags[:, source.cultures.index(culture)]
        for row in rows:
            place = start + row["channel"]
            place += record["channels"]["channels"] * (row["reading"] == "deviation")
            alone = np.tile(np.asarray(tagger.head.mean), (len(source), 1))
            alone[:, place] = described[:, place]
            logits = np.asarray(tagger.head(alone))[:, keys.index(culture)]
            held = source.held
            expected = logits[own & held].mean() - logits[~own & held].mean()
            assert row["logit"] == pytest.approx(expected, rel=1e-2, abs=1e-4)


def test_walks_and_paths_restyle_by_the_codes_that_they_name(made, tagger, model, culture_folder):
    """Once more by the model's own functions; step 1 of a walk and an end of the path are the
    culture itself."""
    (_, record, _), (tagger, _) = made, tagger
    default, full = np.asarray(model.fusion.codes()), np.ones((1, 1), np.float32)
    pixels = images.read_uint8(culture_folder / "photographs" / FILES[1])
    picture = center_crop(pixels, SIDE)[None].astype(np.float32) / 255
    seen = record["tagger"]["knows"]

    def told(code):
        restyled = np.asarray(model.stylize_with(picture, code, full))
        return dict(zip(seen, np.asarray(tagger.probabilities(restyled))[0].tolist(), strict=True))

    middle, way = default.mean(axis=0), record["path"]["pictures"][1]["probabilities"]
    for culture, end in (("lattice", 0), ("waves", 2)):
        after = record["places"][culture][1]["after"]["probabilities"]
        walk = record["walks"][culture][1]["probabilities"]
        for own in (way[end], walk[3]):
            assert own == pytest.approx(after, abs=1e-4)
        step = default[model.cultures.index(culture)] - middle
        for far, own in zip(record["steps"], walk, strict=True):
            assert own == pytest.approx(told((middle + far * step)[None]), abs=1e-4)
        assert abs(walk[0]["waves"] - walk[4]["waves"]) > 3e-3, "a walk that leads nowhere"
    assert record["steps"] == [-2.0, -1.0, 0.0, 1.0, 2.0] and record["path"]["shares"][1] == 0.5
    assert way[1] == pytest.approx(told(middle[None]), abs=1e-4)


def test_codes_lie_along_directions_as_the_model_says(made, model, artworks):
    codes, (source, squares, _, _) = made[1]["codes"], artworks
    source, squares = source.select(np.flatnonzero(source.held)), squares[source.held]
    read = np.asarray(model.encode_style(squares), np.float64)
    default = np.asarray(model.fusion.codes(), np.float64)
    middle = default.mean(axis=0)
    for row, culture in enumerate(codes["cultures"]):
        own = read[source.tags[:, source.cultures.index(culture)]]
        for column, other in enumerate(codes["cultures"]):
            step = default[model.cultures.index(other)] - middle
            expected = ((own - middle) @ step / (step @ step)).mean()
            value, low, high = codes["along"][row][column]
            assert value == pytest.approx(expected, rel=1e-3, abs=1e-3) and low <= value <= high
    assert codes["held_out"] == 4 and 0.0 <= codes["accuracy"][0] <= 1.0
    assert set(codes["cosine"]) == set(TITLES)


def test_the_projector_has_pictures_results_and_held_out_artworks(made):
    folder, record, _ = made
    lines = (folder / "projector" / "metadata.tsv").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    kinds = [("picture", ""), ("restyled", "waves"), ("restyled", "lattice")]
    assert rows[:6] == [[name, *kind] for name in FILES for kind in kinds]
    source = load_source(record["config"]["data"], SIDE, "held_out")
    assert {row[0] for row in rows[6:]} == set(source.ids) and len(rows) == 10
    assert all(row[1:] == ["artwork", row[0].split("/")[0]] for row in rows[6:])


def test_one_picture_without_artworks_will_do(flags, tmp_path):
    """What needs artworks is left out and the page says so; sheets of an earlier run go."""
    out = tmp_path / "out"
    out.mkdir()
    files.write_result(out / "explain.json", {})
    for name in ("channels_waves.png", "places_knots.png", "own.png"):
        images.write(out / name, np.zeros((4, 4, 3), np.uint8))
    (out / "walk_mine.png").write_text("a user's")
    arguments = flags(FILES[:1], out=out, projector=tmp_path / "elsewhere")
    assert settings.run_command(explain.main, arguments) == 0
    names = {"explain.html", "explain.json", "places_waves.png", "walk_waves.png", "own.png"}
    names |= {"walk_mine.png"}
    assert {path.name for path in out.iterdir()} == names
    record = json.loads((out / "explain.json").read_text("utf-8"))
    assert record["channels"] is record["codes"] is record["path"] is None
    reader = Reader((out / "explain.html").read_text("utf-8"))
    assert not reader.wrong and not reader.unreadable()
    text = " ".join(text for _, text in reader.found)
    assert all(part in text for part in ("Left out", *explanation.WITHOUT_DATA))
    assert (tmp_path / "elsewhere" / "projector_config.pbtxt").is_file()


def test_a_failure_leaves_the_previous_page(flags, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "explain.html").write_text(PREVIOUS)

    def fails(*_):
        raise OSError(28, "No space left on device", "explain.html")

    monkeypatch.setattr(explanation, "html_of", fails)
    assert settings.run_command(explain.main, flags(FILES[:1], out=out)) == settings.EXIT_INPUT
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["explain.html"]
    assert (out / "explain.html").read_text() == PREVIOUS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"culture": "knots"}, "no culture 'knots'"),
        ({"culture": " , "}, "--culture KEY"),
        ({"out": None}, "--out DIR"),
        ({"path": "waves"}, "write A,B"),
        ({"path": "waves,waves"}, "write A,B"),
        ({"path": "waves,knots"}, "no culture 'knots'"),
        ({"steps": 1}, "--steps"),
        ({"size": 70}, "--size is 70"),
        ({"points": 2000}, "--points"),
        ({"tap": "mixed_5b"}, "no tap 'mixed_5b'"),
        ({"model": "nowhere"}, "nowhere"),
        ({"tagger": "nowhere"}, "nowhere is no run folder"),
        ({"pictures": ("none.png",)}, "none.png"),
        ({"data": "folder:nowhere"}, "nowhere"),
    ],
)
def test_wrong_input_is_one_sentence(flags, changed, said, capsys, tmp_path):
    arguments = flags(**{"out": tmp_path / "out", **changed})
    assert settings.run_command(explain.main, arguments) == settings.EXIT_INPUT
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(shown) == 1 and said in shown[0]
    assert not list(tmp_path.iterdir())


def test_too_few_artworks_of_a_culture_that_is_asked_for(flags, culture_folder, tmp_path, capsys):
    shutil.copytree(culture_folder / "art", tmp_path / "art")
    for file in sorted((tmp_path / "art" / "waves").iterdir())[4:]:
        file.unlink()
    arguments = flags(data=f"folder:{tmp_path / 'art'}", out=tmp_path / "out")
    assert settings.run_command(explain.main, arguments) == settings.EXIT_INPUT
    assert "pictures of 'waves'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_artworks_that_a_network_was_trained_on_are_not_judged(
    networks, culture_folder, tmp_path, monkeypatch
):
    """Those of the tables beside the generator and the tagger; their other parts too."""
    folder = tmp_path / "networks"
    shutil.copytree(networks, folder)
    (folder / "model_pictures.csv").write_text("path,culture\nart/waves/0001.png,waves\n")
    (folder / "tagger_pictures.csv").write_text("path,culture\nart/lattice/0002_3.png,lattice\n")
    config = ExplainConfig(
        model=str(folder / "model"), tagger=str(folder / "tagger"), data="folder:x", size=64
    )
    pictures = [str(culture_folder / "photographs" / FILES[0])]
    subjects_of = subjects.load(config, pictures)
    assert subjects_of.known == {"waves/0001", "lattice/0002_3"}
    ids = tuple(f"{key}/{n:04d}_{k}" for key in TITLES for n in range(8) for k in (1, 2))
    tags = np.array([[name.startswith(key) for key in TITLES] for name in ids])
    source = Source(tuple(TITLES), ids, tags, str, np.arange(len(ids)) % 16 < 8)
    monkeypatch.setattr(subjects, "load_source", lambda *_: source)
    rows = dict.fromkeys(("descriptors", "readings", "peaks", "places", "codes"))
    monkeypatch.setattr(subjects, "_pass", lambda *_: (rows, (1, 1)))
    artworks = subjects.collect(config, subjects_of)
    judged = {name for name, held in zip(artworks.source.ids, artworks.held, strict=True) if held}
    left = [f"lattice/000{number}" for number in (0, 1, 3)]
    left += [f"waves/000{number}" for number in (0, 2, 3)]
    assert judged == {f"{work}_{part}" for work in left for part in (1, 2)}
    assert len(artworks.source) == len(ids)  # the others are learnt from
