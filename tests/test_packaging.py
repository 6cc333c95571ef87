"""What is installed: a wheel outside the checkout, and a source distribution that has all."""

import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODELS = {"culture256", "culture_backbone", "culture_tagger", "restore64"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the tracked files, with a model beside them that is not shipped; their names."""
    answer = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True
    )
    if answer.returncode:
        pytest.skip("not a git checkout")
    folder, names = tmp_path_factory.mktemp("copy"), answer.stdout.strip("\0").split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "saved_models" / "ornaments64").mkdir()
    (folder / "saved_models" / "ornaments64" / "model.json").write_text("{}")
    return folder, names


@pytest.mark.slow
def test_a_wheel_works_outside_the_checkout(checkout, tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, checkout[0]]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    place = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    tops = {path.name for path in place.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"stylegan_culture"}
    assert wheel.stat().st_size < 50e6
    question = f"""
import sys
sys.path.insert(0, {str(place)!r})
import stylegan_culture.pipelines.prepare
from stylegan_culture import models
from stylegan_culture.demo import site
assert stylegan_culture.__file__.startswith({str(place)!r})
assert stylegan_culture.pipelines.__file__.startswith({str(place)!r})
assert site._example(64) and (site.PAGE / "index.html").is_file()
loaded = models.load("restore64")
assert str(loaded.folder).startswith({str(place)!r})
print(sorted(models.shipped()), loaded.network.count_params())
"""
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=tmp_path, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(str(sorted(MODELS)))
    saved = place / "stylegan_culture" / "saved_models"
    shipped = {path.relative_to(saved) for path in saved.rglob("*") if path.is_file()}
    tracked = {
        path.relative_to("saved_models")
        for path in map(pathlib.Path, checkout[1])
        if path.parts[0] == "saved_models"
        and (len(path.parts) > 2 or path.suffix in (".py", ".csv"))
    }
    assert shipped == tracked


@pytest.mark.slow
def test_a_source_distribution_holds_every_tracked_file(checkout, tmp_path):
    question = "from setuptools import setup; setup()"
    subprocess.run(
        [sys.executable, "-c", question, "-q", "sdist", "--dist-dir", tmp_path],
        cwd=checkout[0],
        check=True,
        capture_output=True,
    )
    (packed,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert set(checkout[1]) <= names
    assert not [name for name in names if "ornaments64" in name]
