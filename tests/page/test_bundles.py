"""Many modules in one file: what is sent in production means what development serves one by one."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from inbox.page.assets import assets, imported
from inbox.page.bundles import Around, Base, bundle, unpacked

MODULES = {
    "a/one.js": "export const one = 1;\nexport function two() {\n  return 2;\n}\nexport class Three {}\n",
    "a/all.js": 'export * from "./one.js";\nexport { one as uno } from "./one.js";\nexport {};\n',
    "b/main.js": (
        'import * as all from "../a/all.js";\nimport thing, { other as another } from "../vendor/thing.js";\n'
        'import {\n  uno,\n  two as due,\n} from "../a/all.js";\nconst here = import.meta.url;\n'
    ),
}


def resolve(path: str, name: str) -> str:
    (found,) = imported(path, f'import "{name}";')
    return found


def made(modules: dict[str, str]) -> str:
    return bundle(modules, Around(outside, resolve))


def outside(path: str) -> str | None:
    return f"../{path}" if path.startswith("vendor/") else {"c/main.js": "./c.js"}.get(path)


def test_each_form_of_import_and_export_is_known() -> None:
    lines = made(MODULES).splitlines()
    assert 'import * as $f0 from "../vendor/thing.js";' in lines
    assert "const $0 = (() => {" in lines
    assert "return { one, two, Three };" in lines
    assert "return { ...$0, uno: $0.one };" in lines
    assert "const all = $1;" in lines
    assert "const thing = $f0.default; const { other: another } = $f0;" in lines
    assert "const { uno, two: due } = $1;" in lines
    assert 'const here = $at("b/main.js");' in lines


def test_a_part_that_comes_later_takes_from_its_page_what_is_there() -> None:
    """So what a module keeps is one, whoever asks for it."""
    page = {**MODULES, "b/main.js": MODULES["b/main.js"] + 'const more = () => import("../c/main.js");\n'}
    before = bundle(page, Around(outside, resolve, lent=["a/one.js", "c/own.js"])).splitlines()
    assert 'const more = () => import("./c.js");' in before
    assert before[-1] == "export { $0 };"
    part = {
        "c/own.js": 'import { two } from "../a/one.js";\nexport const four = two() + 2;\n',
        "c/main.js": 'import { four } from "./own.js";\nexport const Part = four;\n',
    }
    around = Around(outside, resolve, bases=[Base("./b.js", list(MODULES))], mark="$l", is_part=True)
    after = bundle(part, around).splitlines()
    assert after[0] == 'import { $0 } from "./b.js";'
    assert "const { two } = $0;" in after
    assert after[-2:] == ["const Part = four;", "export { Part };"]


def test_a_packed_module_of_a_library_is_read_as_ours_are() -> None:
    packed = 'import{one as t}from"./one.js";const n=t+1;export{t as h,n};export default function(s){return s}'
    lines = unpacked(packed).splitlines()
    assert 'import {one as t} from "./one.js";' in lines
    modules = {"a/one.js": MODULES["a/one.js"], "a/packed.js": unpacked(packed), "b/main.js": ""}
    assert "return { h: t, n, default: $default };" in made(modules).splitlines()


def test_the_libraries_of_all_pages_are_in_one_file() -> None:
    text = assets().files["bundles/vendor.js"].content.decode()
    held = [line[3:] for line in text.splitlines() if line.startswith("// ")]
    for entry in ("inbox/main.js", "settings/main.js", "status/main.js"):
        first, others = assets().scripts(entry, joined=True)
        assert first == f"bundles/{PurePosixPath(entry).parent}.js"
        assert others[0] == "bundles/vendor.js"
        wanted = {path for path in assets().modules(entry) if path.startswith("vendor/")}
        assert wanted == {*held, *others[1:]}
        assert set(held).isdisjoint(others)


@pytest.mark.parametrize(
    "source",
    ["export default 1;", "export let moves = 1;", "import a from './a.js';", 'import { x } from "./missing.js";'],
)
def test_what_it_does_not_know_it_refuses(source: str) -> None:
    with pytest.raises(ValueError, match=r"a/one\.js"):
        made({"a/one.js": source, "b/main.js": ""})


def test_a_bundle_holds_every_module_of_its_page_once_and_in_the_order_of_need() -> None:
    for entry in ("inbox/main.js", "parts/main.js"):
        text = assets().files[f"bundles/{PurePosixPath(entry).parent}.js"].content.decode()
        own = [path for path in assets().modules(entry) if not path.startswith("vendor/")]
        assert own[-1] == entry
        assert [line[3:] for line in text.splitlines() if line.startswith("// ") and line.endswith(".js")] == own[:-1]


def test_a_module_is_in_one_bundle_of_its_page() -> None:
    texts = [assets().files[f"bundles/{name}.js"].content.decode() for name in ("vendor", "inbox", "more", "writing")]
    held = [line[3:] for text in texts for line in text.splitlines() if line.startswith("// ") and line.endswith(".js")]
    assert {"core/api.js", "more/palette.js", "writing/form.js"} <= set(held)
    assert [path for path in held if held.count(path) > 1] == []


def test_a_bundle_is_the_same_in_every_process() -> None:
    from inbox.page import assets as files

    again = files._assets.__wrapped__(0)
    assert again.release == assets().release
