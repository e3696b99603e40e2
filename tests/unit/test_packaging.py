"""What setup.cfg says is what there is: packages, data files, pins."""

from __future__ import annotations

import re
from configparser import ConfigParser
from importlib.metadata import EntryPoint, requires
from pathlib import Path

ROOT = Path(__file__).parents[2]


BACKEND = ROOT / "scripts/building/backend.py"


def setup_cfg() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_packages() -> None:
    """Every package of the tree is listed, and nothing else."""
    listed = setup_cfg()["options"]["packages"].split()
    there = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "hokm").rglob("__init__.py")
    }
    assert sorted(listed) == sorted(there | {"twisted.plugins"})


def test_data_files() -> None:
    """Every file of a package that is not Python matches a pattern of package_data."""
    patterns = {
        package: value.replace(",", " ").split()
        for package, value in setup_cfg()["options.package_data"].items()
    }
    for path in (ROOT / "hokm").rglob("*"):
        if path.is_dir() or path.suffix in (".py", ".pyc"):
            continue
        owner = next(p for p in path.parents if (p / "__init__.py").exists())
        package = ".".join(owner.relative_to(ROOT).parts)
        name = path.relative_to(owner)
        assert any(name.match(pattern) for pattern in patterns.get(package, ())), path


def test_commands() -> None:
    """Every command that is installed has something to run."""
    scripts = setup_cfg()["options.entry_points"]["console_scripts"].split("\n")
    commands = [line.split(" = ") for line in scripts if line]
    assert [name for name, _ in commands] == ["hokmctl"]
    for name, value in commands:
        assert callable(EntryPoint(name, value, "console_scripts").load())


def test_no_package_where_twisted_looks_for_plugins() -> None:
    """The folders of the plugin hold no __init__.py: they would hide Twisted's own."""
    assert not list((ROOT / "twisted").rglob("__init__.py"))


def test_build_system_only() -> None:
    """pyproject.toml names the build system and nothing else."""
    text = (ROOT / "pyproject.toml").read_text()
    assert re.findall(r"^\[(.+)\]", text, re.MULTILINE) == ["build-system"]


def test_pins() -> None:
    """Whatever hokm, its tests and its checks require is pinned in constraints.txt."""
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {_canonical(line.partition("==")[0]) for line in pins if line}
    assert all("==" in line for line in pins if line)
    wanted = {_canonical(re.split(r"[^\w.-]", need)[0]) for need in requires("hokm") or ()}
    assert wanted <= pinned


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_compiled_modules() -> None:
    """What is compiled is there, and defines no class of msgspec: it would lose its fields' types.

    Such a class is read from JSON by the types of its fields, in a snapshot for one.
    """
    listed = re.search(r"^MODULES = \((.+?)^\)", BACKEND.read_text(), re.DOTALL | re.MULTILINE)
    assert listed is not None
    names = re.findall(r'"(.+)"', listed[1])
    assert len(names) > 10
    for name in names:
        text = (ROOT / "hokm" / f"{name}.py").read_text()
        assert not re.search(r"^class \w+\(.*Struct", text, re.MULTILINE), name
