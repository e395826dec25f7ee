"""The page's files: one address for each release, small, and of a shape that holds."""

from __future__ import annotations

import gzip
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli
import pytest
from flask.testing import FlaskClient

from inbox.page import assets as files
from inbox.page.assets import STATIC, Assets, assets, imported

OWN = [path for path in sorted(STATIC.rglob("*.js")) if "vendor" not in path.parts]


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """On SQLite: no file depends on the database."""
    (tmp_path / "inbox.db").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path / 'inbox.db'}"


def test_a_file_is_kept_for_a_year_and_packed_for_those_who_can_read_it(stranger: FlaskClient) -> None:
    address = assets().address("style/ui.css")
    plain = stranger.get(address)
    assert plain.data == assets().files["style/ui.css"].content
    smallest = stranger.get(address, headers={"Accept-Encoding": "gzip, br"})
    older = stranger.get(address, headers={"Accept-Encoding": "gzip, deflate, br;q=0"})
    assert [each.headers.get("Content-Encoding") for each in (plain, smallest, older)] == [None, "br", "gzip"]
    assert brotli.decompress(smallest.data) == gzip.decompress(older.data) == plain.data
    assert len(smallest.data) < len(older.data) < len(plain.data)
    for response in (smallest, older, plain):
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert response.mimetype == "text/css"


def test_a_font_is_sent_as_it_is(stranger: FlaskClient) -> None:
    response = stranger.get(assets().address("vendor/inter.woff2"), headers={"Accept-Encoding": "gzip"})
    assert (response.mimetype, response.headers.get("Content-Encoding")) == ("font/woff2", None)


@pytest.mark.parametrize(
    "path", ["style/none.css", "../assets.py", "..%2fassets.py", "", "vendor/", "templates/base.html"]
)
def test_nothing_else_is_there(stranger: FlaskClient, path: str) -> None:
    assert stranger.get(f"/assets/{assets().release}/{path}").status_code in (404, 308)


def test_another_release_is_not_answered_with_this_ones_files(stranger: FlaskClient) -> None:
    response = stranger.get("/assets/0123456789abcdef/style/ui.css")
    assert response.status_code == 404
    assert response.headers["Cache-Control"] == "no-store"


def test_many_who_ask_at_once_have_the_page_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    listed = files._files
    monkeypatch.setattr(files, "_files", lambda: made.append(1) or listed())  # type: ignore[func-returns-value]
    files._assets.cache_clear()
    together = threading.Barrier(6)

    def ask() -> Assets:
        together.wait()
        return assets()

    with ThreadPoolExecutor(6) as pool:
        found = [asked.result() for asked in [pool.submit(ask) for _ in range(6)]]
    assert len(made) == 1
    assert len({id(each) for each in found}) == 1


def test_the_release_follows_from_every_file_and_word(monkeypatch: pytest.MonkeyPatch) -> None:
    before = assets().release
    monkeypatch.setattr(files, "_module_of_words", lambda language, page: b"export default {};")
    assert files._assets.__wrapped__(0).release != before


def test_what_a_module_imports_is_found_however_it_is_written() -> None:
    source = (
        'import a from "./a.js";\nimport {\n  b,\n} from "../core/b.js";\nimport "./c.js";\nexport * from "./d.js";\n'
    )
    assert imported("ui/x.js", source) == ["ui/a.js", "core/b.js", "ui/c.js", "ui/d.js"]


# --- their shape -------------------------------------------------------------------------------------------------


def test_every_import_leads_to_a_file() -> None:
    for path in OWN:
        here = str(path.relative_to(STATIC))
        for name in imported(here, path.read_text()):
            assert (STATIC / name).exists() or name.startswith("words/"), f"{here} imports {name}"


#: Folder by folder, what its modules may import besides their own.
MAY_IMPORT = {"core": {"vendor"}, "ui": {"core", "vendor"}}


def test_imports_point_one_way() -> None:
    for path in OWN:
        here = path.relative_to(STATIC)
        for name in imported(str(here), path.read_text()):
            top = name.split("/")[0]
            if here.parts[0] in MAY_IMPORT:
                assert top in MAY_IMPORT[here.parts[0]] | {here.parts[0]}, f"{here} imports {name}"


def test_the_core_knows_no_component() -> None:
    for path in (STATIC / "core").glob("*.js"):
        named = {name for name in imported(f"core/{path.name}", path.read_text()) if name.startswith("vendor/")}
        assert named <= {"vendor/signals-core.js"}, path.name


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(STATIC)))
def test_a_file_can_be_read_at_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(STATIC)))
def test_no_script_makes_markup_or_code_of_text(path: Path) -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|dangerouslySet|srcdoc"
    assert re.findall(forbidden, path.read_text()) == []


def test_no_template_has_a_style_or_a_handler_of_its_own() -> None:
    for path in (files.ROOT / "templates").glob("*.html"):
        assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", path.read_text()) == [], path.name


def test_what_is_vendored_has_its_licence_beside_it_and_names_its_neighbours() -> None:
    vendor = STATIC / "vendor"
    for path in vendor.glob("*.js"):
        for name in imported(f"vendor/{path.name}", path.read_text()):
            assert (STATIC / name).exists(), name
        assert not re.findall(r'\bfrom\s*"(?!\./)', path.read_text()), path.name
    assert len(list((vendor / "licences").glob("*.txt"))) == 8


# --- what they weigh ---------------------------------------------------------------------------------------------


def weight(*paths: str) -> int:
    files = [assets().files[path] for path in paths]
    return sum(len(each.packed("br") if each.packs else each.content) for each in files)


def test_styles_are_sent_without_their_comments() -> None:
    styles = [path for path in assets().files if path.startswith("style/")]
    assert "style/inbox.css" in styles
    for path in styles:
        source, sent = (STATIC / path).read_text(), assets().files[path].content.decode()
        assert "/*" not in sent
        assert (sent.count("{"), sent.count(";")) == tuple(re.sub(r"(?s)/\*.*?\*/", "", source).count(x) for x in "{;")


def test_a_page_has_the_same_looks_in_one_file_and_in_many() -> None:
    for page in ("inbox", "settings", "bot", "status"):
        many, joined = (assets().styles(page, joined=each) for each in (False, True))
        assert many[:3] == ["style/tokens.css", "style/base.css", "style/ui.css"]
        assert joined == ["bundles/every.css", f"bundles/{page}.css"]
        texts = ("".join(assets().files[path].content.decode() for path in paths) for paths in (many, joined))
        assert len({"".join(text.split()) for text in texts}) == 1
    assert assets().styles("bot", joined=False)[3:] == ["style/bot.css", "style/settings.css"]


def test_a_first_visit_is_light() -> None:
    styles = assets().styles("inbox", joined=True)
    parts = {
        "font": (weight("vendor/inter.woff2"), 31_300),
        "libraries": (weight("bundles/vendor.js"), 9_700),
        "scripts and words": (weight("bundles/inbox.js", "words/fr.js", "watch.js"), 60_000),
        "styles": (weight(*styles), 11_100),
        "icons": (weight("vendor/icons.svg"), 4_100),
    }
    assert {name: part for name, part in parts.items() if part[0] > part[1]} == {}
    shell = 8_800  # see test_shell
    assert sum(most for _, most in parts.values()) + shell <= 125_000
    assert weight("bundles/more.js", "words/more-fr.js") <= 18_500  # when it has stood for a moment
