"""The page's types, as JSDoc tells them, checked by TypeScript; and the comments that browsers are spared."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from inbox.page.assets import STATIC, without_comments
from tools import vendor

NODE = shutil.which("node")
pytestmark = [
    pytest.mark.skipif(NODE is None or shutil.which("npm") is None, reason="needs npm: apt-get install npm"),
    pytest.mark.timeout(400),
]
#: What stands beside each vendored module, so that its own types are found.
BESIDE = {
    "preact": 'export * from "preact";',
    "hooks": 'export * from "preact/hooks";',
    "signals-core": 'export * from "@preact/signals-core";',
    "signals": 'export * from "@preact/signals";',
    "htm": 'import htm from "htm"; export default htm;',
    "uplot": 'import uPlot from "uplot"; export default uPlot;',
}
#: The service worker lives in another world than pages do: it has names that they have not.
WORKER = """
declare function skipWaiting(): Promise<void>;
declare const clients: any;
"""
OPTIONS = {
    "strict": True,
    "allowJs": True,
    "checkJs": True,
    "noEmit": True,
    "skipLibCheck": True,
    "target": "es2023",
    "lib": ["es2023", "dom", "dom.iterable"],
    "module": "esnext",
    "moduleResolution": "bundler",
    "types": [],
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "noImplicitReturns": False,
}
_SAME = """
const ts = require(process.argv[2]), pairs = JSON.parse(require("fs").readFileSync(0, "utf8"));
const compilerOptions = { removeComments: true, target: "esnext", module: "esnext" };
const plain = (source) => ts.transpileModule(source, { compilerOptions }).outputText;
for (const [name, before, after] of pairs) if (plain(before) !== plain(after)) console.log(name);
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TypeScript, and the packages whose types the page uses."""
    folder = tmp_path_factory.mktemp("types")
    for package in (vendor.TYPESCRIPT, vendor.PREACT, vendor.SIGNALS_CORE, vendor.SIGNALS, vendor.HTM, vendor.UPLOT):
        for path, content in package.fetch().items():
            if path.endswith((".d.ts", "package.json", "tsc.js", "_tsc.js", "typescript.js")):
                vendor.write((folder / "node_modules" / package.name / path).parent, Path(path).name, content)
    return folder


def test_the_types_hold(packages: Path) -> None:
    shutil.copytree(STATIC, packages / "static")
    for name, text in BESIDE.items():
        (packages / "static" / "vendor" / f"{name}.d.ts").write_text(text)
    (packages / "static" / "worker.d.ts").write_text(WORKER)
    settings = {"compilerOptions": OPTIONS, "include": ["static"], "exclude": ["static/vendor/*.js"]}
    (packages / "tsconfig.json").write_text(json.dumps(settings))
    tsc = packages / "node_modules" / "typescript" / "lib" / "tsc.js"
    done = subprocess.run(
        [str(NODE), str(tsc), "--pretty", "false"],
        cwd=packages,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


def test_a_script_without_its_comments_is_the_same_script(packages: Path) -> None:
    own = [path for path in sorted(STATIC.rglob("*.js")) if "vendor" not in path.parts]
    pairs = [[str(path.relative_to(STATIC)), path.read_text(), without_comments(path.read_text())] for path in own]
    typescript = packages / "node_modules" / "typescript" / "lib" / "typescript.js"
    (packages / "same.cjs").write_text(_SAME)
    done = subprocess.run(
        [str(NODE), "same.cjs", str(typescript)],
        cwd=packages,
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert all(len(before.splitlines()) == len(after.splitlines()) for _, before, after in pairs)
    spared = sum(len(before) - len(after) for _, before, after in pairs)
    assert spared > 0.2 * sum(len(before) for _, before, _ in pairs)
