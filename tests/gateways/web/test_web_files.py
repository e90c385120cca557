"""The web client's files fit together: what a page or a module names is there, and nothing foreign is."""

import json
import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "gateways" / "web"
OURS = sorted(path for path in WEB.rglob("*.js") if "node_modules" not in path.parts)
IMPORT = re.compile(r"^(?:import|export)\s[^;]*?from\s+\"([^\"]+)\"|^import\s+\"([^\"]+)\"", re.MULTILINE)
DANGEROUS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySet|document\.write|\beval\(|new Function|javascript:"
)
PAGES = [WEB / "index.html", WEB / "docs.html", WEB / "templates.html"]
INDEX = PAGES[0].read_text()
MOST_LINES = 250


def imports(module: Path) -> list[str]:
    return [one or other for one, other in IMPORT.findall(module.read_text())]


def import_map() -> dict[str, str]:
    found = re.search(r"<script type=\"importmap\">(.*?)</script>", INDEX, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1])["imports"])


def reached_from(module: Path, seen: set[Path]) -> set[Path]:
    if module not in seen:
        seen.add(module)
        for name in imports(module):
            if name.startswith("."):
                reached_from((module.parent / name).resolve(), seen)
    return seen


def vendored() -> dict[str, str]:
    return dict(json.loads((WEB / "vendor.json").read_text()))


@pytest.mark.parametrize("module", OURS, ids=lambda path: str(path.relative_to(WEB)))
def test_every_import_leads_somewhere(module: Path) -> None:
    for name in imports(module):
        if name.startswith("."):
            assert (module.parent / name).is_file(), name
        else:
            assert name in import_map(), name


@pytest.mark.parametrize("module", OURS, ids=lambda path: str(path.relative_to(WEB)))
def test_a_module_is_short_and_says_what_it_owns(module: Path) -> None:
    lines = module.read_text().splitlines()
    assert len(lines) < MOST_LINES
    assert lines[0].startswith("// ")


@pytest.mark.parametrize("module", OURS, ids=lambda path: str(path.relative_to(WEB)))
def test_no_module_turns_text_into_markup_or_script(module: Path) -> None:
    assert not DANGEROUS.search(module.read_text())


def test_the_page_loads_every_module_at_once() -> None:
    """Without the list the browser would find them one import after the other."""
    preloaded = re.findall(r"<link rel=\"modulepreload\" href=\"/web/([^\"]+)\">", INDEX)
    reached = {str(path.relative_to(WEB)) for path in reached_from(WEB / "app.js", set())} - {"app.js"}
    assert sorted(preloaded) == sorted(reached)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    for url in re.findall(r"(?:src|href)=\"(/(?:web|vendor)/[^\"]+)\"", page.read_text()):
        if url.startswith("/web/"):
            assert (WEB / url.removeprefix("/web/")).is_file(), url
        else:
            assert url in vendored(), url


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_has_no_script_or_style_of_its_own(page: Path) -> None:
    html = page.read_text().replace('<script type="importmap">', "")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", html)


def test_libraries_are_listed_pinned_and_locked() -> None:
    package = json.loads((WEB / "package.json").read_text())
    lock = json.loads((WEB / "package-lock.json").read_text())["packages"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["dependencies"].values())
    assert set(import_map().values()) <= set(vendored())
    for url, file in vendored().items():
        name = "/".join(file.split("/")[: 2 if file.startswith("@") else 1])
        assert url == f"/vendor/{file}"
        assert f"node_modules/{name}" in lock
    for name, version in package["dependencies"].items():
        assert lock[f"node_modules/{name}"]["version"] == version
