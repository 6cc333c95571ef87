"""The layout, asserted from the syntax trees: levels, directions of import, top level."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ("stylegan_culture", "pipelines", "tests")
TOP_LEVEL = {
    *("setup.cfg", "README.md", "Makefile", "pyproject.toml", "LICENSE", ".gitignore", ".ci"),
    *("stylegan_culture", "pipelines", "tests", "saved_models"),
}
# The level of every unit of the library: a module of the package root, or a whole sub-package.
# Imports point from a level to a lower one, or within the unit.
LEVELS = {
    # What nothing else is needed for; `images` raises the errors that `config` defines.
    "__init__": 0,
    "config": 0,
    "files": 0.2,
    "isolation": 0.2,
    "picture_files": 0.2,
    "arrays": 0.3,
    "tables": 0.3,
    "model_record": 0.3,
    "images": 0.5,
    "outputs": 0.6,
    "features": 1,
    "losses": 2,
    "networks": 2,
    "training": 3,
    "stylization": 3,
    "analysis": 3,
    # What ships a model; `tflite` knows files alone and no network.
    "tflite": 4,
    "serving": 4.5,
    "translation": 4.6,
    "samplers": 4,
    "stylizer": 4.75,
    "pages": 4,
    # What is run.
    "train": 5,
    "stylize": 5,
    "evaluate": 5,
    "study": 5,
    "annotate": 5,
    "explain": 5,
    "export": 5,
    "benchmark": 5,
    "demo": 5,
}
COMMANDS = {unit for unit, level in LEVELS.items() if level == 5}
PIPELINES_MAY_USE = {
    *("stylegan_culture.config", "stylegan_culture.files", "stylegan_culture.images"),
    *("stylegan_culture.outputs", "stylegan_culture.picture_files", "stylegan_culture.tables"),
}


def _files(package):
    return sorted((ROOT / package).rglob("*.py"))


def _module(path):
    """`stylegan_culture/networks/blocks.py` to `stylegan_culture.networks.blocks`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _imports(source, module):
    """Names of all modules that a source imports, anywhere in it; relative names made absolute.

    `from package import name` counts as `package.name` where that is a module of the project.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: -node.level]
                base = ".".join([*parents, base]) if base else ".".join(parents)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if _is_module(name) else base


def _unit(module):
    """The unit of the library that a module belongs to: its second name, or the package root."""
    names = module.split(".")
    return names[1] if len(names) > 1 else "__init__"


def _within(module, package):
    return module == package or module.startswith(package + ".")


def _broken_rules(source, module):
    """Sentences about imports of a source that point where they must not."""
    for target in _imports(source, module):
        if _within(module, "pipelines"):
            if _within(target, "stylegan_culture") and target not in PIPELINES_MAY_USE:
                yield f"{module} uses {target}, which is above level 0"
            continue
        unit = _unit(module)
        if _within(target, "pipelines") and unit not in COMMANDS:
            yield f"{module} is no command and uses {target}"
        if not _within(target, "stylegan_culture") or _unit(target) == unit:
            continue
        if LEVELS[_unit(target)] >= LEVELS[unit]:
            yield f"{module} imports {target}, which is not below it"


def test_every_module_has_its_level():
    units = {_unit(_module(path)) for path in _files("stylegan_culture")}
    assert units <= set(LEVELS), f"without a level: {units - set(LEVELS)}"


@pytest.mark.parametrize("package", ["stylegan_culture", "pipelines"])
def test_imports_point_down(package):
    broken = []
    for path in _files(package):
        broken += _broken_rules(path.read_text(encoding="utf-8"), _module(path))
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("csv", {"stylegan_culture.tables"}),
        ("html", {"stylegan_culture.reports.parts.text"}),
        ("matplotlib", {"stylegan_culture.reports.parts.plots"}),
        ("matplotlib.figure", {"stylegan_culture.reports.parts.plots"}),
        ("matplotlib.pyplot", set()),
    ],
)
def test_texts_of_strangers_are_made_harmless_in_one_place(library, modules):
    """What would obey them is used where that is seen to: formulas, markup, mathematics."""
    found = {
        _module(path)
        for package in ("stylegan_culture", "pipelines")
        for path in _files(package)
        if library in _imports(path.read_text(encoding="utf-8"), _module(path))
    }
    assert found == modules


@pytest.mark.parametrize(
    ("module", "source", "right"),
    [
        ("stylegan_culture.losses", "from stylegan_culture.features import linalg", True),
        ("stylegan_culture.networks.blocks", "from . import generator", True),
        ("stylegan_culture.train", "import stylegan_culture.pipelines.input", True),
        ("stylegan_culture.pipelines.input", "from stylegan_culture import config, images", True),
        ("stylegan_culture.features.linalg", "from stylegan_culture import losses", False),
        ("stylegan_culture.losses", "from stylegan_culture.networks import blocks", False),
        ("stylegan_culture.training.loop", "import stylegan_culture.measures.truth", False),
        ("stylegan_culture.training.loop", "from ..analysis import truth", False),
        ("stylegan_culture.serving", "def f():\n    from stylegan_culture import export", False),
        ("stylegan_culture.export", "from stylegan_culture.train import main", False),
        ("stylegan_culture.training.loop", "from pipelines import input", False),
        ("stylegan_culture.pipelines.input", "from stylegan_culture.features import linalg", False),
        ("stylegan_culture.pipelines.input", "import stylegan_culture", False),
        ("stylegan_culture.config", "from stylegan_culture import images", False),
    ],
)
def test_the_rules_tell_right_from_wrong(module, source, right):
    assert (not list(_broken_rules(source, module))) == right


def test_importing_the_package_loads_no_tensorflow():
    """Nor any other library that takes seconds: a command's --help must be quick."""
    question = (
        "import sys, stylegan_culture, stylegan_culture.config, stylegan_culture.images; "
        "slow = {'tensorflow', 'keras', 'tensorflow_datasets', 'scipy', 'matplotlib'}; "
        "print(sorted(slow & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_every_module_says_what_it_is_for():
    silent = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in _files(package)
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_every_public_function_and_class_of_the_library_says_what_it_does():
    silent = []
    for package in ("stylegan_culture", "pipelines"):
        for path in _files(package):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                kinds = (ast.FunctionDef, ast.ClassDef)
                if isinstance(node, kinds) and node.name[0] != "_" and not ast.get_docstring(node):
                    silent.append(f"{_module(path)}.{node.name}")
    assert not silent


def test_the_top_level_holds_only_what_was_agreed():
    answer = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        pytest.skip("not a git checkout")
    tracked = {name.split("/")[0] for name in answer.stdout.splitlines()}
    assert tracked <= TOP_LEVEL, f"not agreed: {tracked - TOP_LEVEL}"
    assert {"stylegan_culture", "pipelines", "tests", "setup.cfg"} <= tracked
