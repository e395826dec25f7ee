"""Running a few lines over the page's modules in a browser."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page


def run(page: Page, imports: str, body: str, argument: Any = None) -> Any:
    """What `body`, an async function over `given`, gives.

    `imports`: modules of core/ by name, others as "inbox/listing"; each is a namespace of its own name.
    """
    paths = [name if "/" in name else f"core/{name}" for name in imports.split()]
    lines = [f"const {path.rpartition('/')[2]} = await import('/{path}.js');" for path in paths]
    return page.evaluate(
        f"""async (given) => {{
            const fakes = await import('/fakes.js');
            {" ".join(lines)}
            {body}
        }}""",
        argument,
    )
