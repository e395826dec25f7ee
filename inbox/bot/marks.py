"""The model's Markdown as WhatsApp shows text: *bold*, _italic_, ~strike~, dashes, numbers, quotes and ``` alone.

What has no mark there stays readable: a heading is a bold line, a row of a table is a line, a link is its words and
its address. Source: WhatsApp Help Center, "How to format your messages" (2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.rules_inline import StateInline
from markdown_it.tree import SyntaxTreeNode

from inbox.bot.addresses import URL, Address, without_foreign

#: An address from its colon on, up to what may be the end of the sentence or of a mark around it.
_ADDRESS = re.compile(r"://[^\s<>()\[\]\"'`*\\]*[^\s<>()\[\]\"'`*\\_~.,;:!?]")
_ENDS_WITH_URL = re.compile(rf"(?:{URL.pattern})\Z", re.IGNORECASE)
_ROUNDS = 5  # a model that escapes its Markdown ("\\*\\*") needs two; more only plays with us
_MARKS = {"strong": "*", "s": "~"}
#: What needs a blank line behind it, lest the next line is read as a part of it.
_GREEDY = frozenset({"bullet_list", "ordered_list", "blockquote", "table"})
#: Two stars that CommonMark takes for text, as in "**Price: **5" and beside Chinese punctuation.
_LOOSE_BOLD = re.compile(r"\*\*([ \t]*)([^*\n]*?)([ \t]*)\*\*")
_LONE_BOLD = re.compile(r"(?<!\S)\*\*(?=\w)|(?<=[\w.!?:])\*\*(?!\S)")  # never closed, as in an answer cut short
#: "[our menu]()" inside of code, and "[our menu][1]" without the line that says what 1 is.
_HOLE = re.compile(r"!?\[([^\[\]\n]*)\]\([ \t]*\)|(?<!\w)!?\[([^\[\]\n]+)\]\[[^\[\]\n]*\]")
#: What nobody was to read, with the line that holds nothing else; one that is never closed hides all that follows.
_HIDDEN = re.compile(
    r"^[ \t]*{0}[ \t]*\n|[ \t]*{0}(?=[\s.,;:!?)]|\Z)|{0}".replace(
        "{0}", r"(?:<!--(?s:.*?)(?:-->|\Z)|<(?:script|style)\b(?s:.*?)(?:</(?:script|style)\s*>|\Z))"
    ),
    re.IGNORECASE | re.MULTILINE,
)
#: A tag of HTML, or one of the prompt's that the model repeats.
_TAG = re.compile(r"</?[a-z][\w-]*(?:[\s/][^<>]*)?>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/(?:p|div|li|tr|h[1-6]))\b", re.IGNORECASE)
#: The line that says where "[our menu][1]" leads: `[1]: https://… "title"`. "[Monday]: 9-17" is none.
_DEFINITION = re.compile(
    r"^[ \t>]*\[([^\[\]\n]+)\]:[ \t]*\n?[ \t]*"
    r"<?((?:[a-z][a-z0-9+.-]*:|www\.|[/#]|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,})[^\s<>]*)>?"
    r"(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\)))?[ \t]*(?:\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)


def _read_address(state: StateInline, silent: bool) -> bool:
    """An inline rule: the underscores and tildes of an address are no marks."""
    found = _ADDRESS.match(state.src, state.pos)
    if found is None or not state.pending.lower().endswith(("http", "https")):
        return False
    if not silent:
        state.pending += found[0]
    state.pos = found.end()
    return True


def _read_tag(state: StateInline, silent: bool) -> bool:
    """An inline rule: tags go, and what would have begun a line does so."""
    found = _TAG.match(state.src, state.pos)
    if found is None:
        return False
    state.pos = found.end()
    if silent:
        return True
    if _BREAK.match(found[0]):
        state.pending += "\n"
    elif state.pending.endswith(" ") and state.src[state.pos : state.pos + 1] == " ":
        state.pos += 1
    return True


def _reader() -> MarkdownIt:
    """CommonMark with tables and strike-through.

    Without underlined headings and indented code, which a chat never means, and without its own link definitions, which
    would swallow a line such as "[Monday]: 9-17" (`_DEFINITION` does not). Every link is read, so that none is left as
    its source.
    """
    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": 100}).enable(["table", "strikethrough"])
    reader.disable(["lheading", "code", "reference"])
    reader.inline.ruler.before("emphasis", "address", _read_address)
    reader.inline.ruler.before("html_inline", "tag", _read_tag)
    reader.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005 (its name is the library's)
    reader.normalizeLink = lambda url: url  # type: ignore[method-assign]
    return reader


_READER = _reader()


def whatsapp_marks(text: str, address: Address) -> str:
    """`text` with WhatsApp's marks in place of Markdown's; text that has none stays as it is."""
    for _ in range(_ROUNDS):
        shown = _once(text, address)
        if shown == text:
            break
        text = shown
    return text


def _once(text: str, address: Address) -> str:
    text = _HIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    defined = {normalizeReference(label): {"href": target, "title": ""} for label, target in _DEFINITION.findall(text)}
    text = _DEFINITION.sub("", text)
    tree = SyntaxTreeNode(_READER.parse(text, {"references": defined}))
    shown = _blocks(tree, text.split("\n"), address)
    return _HOLE.sub(lambda hole: hole[1] or hole[2] or "", shown).strip()


# --- blocks ------------------------------------------------------------------------------------------------------


def _blocks(parent: SyntaxTreeNode, lines: list[str], address: Address) -> str:
    """The blocks inside `parent`, a blank line between two that have one in the source."""
    shown, before = "", ""
    for node in parent.children:
        block = _block(node, lines, address)
        apart = bool(node.map and node.map[0] and not lines[node.map[0] - 1].strip(" \t>"))
        apart = apart or (before in _GREEDY and node.type not in _GREEDY)
        if block.strip():
            shown += ("\n\n" if apart else "\n") * bool(shown) + block
            before = node.type
    return shown


def _block(node: SyntaxTreeNode, lines: list[str], address: Address) -> str:
    match node.type:
        case "paragraph" | "inline":
            return "\n".join(line.strip() for line in _inline(node, address).split("\n"))
        case "heading":
            return _marked("*", _without(_inline(node, address), "*"))
        case "bullet_list" | "ordered_list":
            return "\n".join(filter(None, (_item(item, lines, address) for item in node.children)))
        case "blockquote":
            return "\n".join(f"> {line}".rstrip() for line in _blocks(node, lines, address).split("\n"))
        case "fence":
            code = without_foreign(node.content, address)
            return f"```\n{code.rstrip()}\n```" if code.strip() else ""
        case "table":
            return "\n".join(_rows(node, address))
        case "hr":
            return ""
        case _:
            return _blocks(node, lines, address) if node.children else node.content


def _item(node: SyntaxTreeNode, lines: list[str], address: Address) -> str:
    marker = f"{node.info}. " if node.info else "- "
    inner = _blocks(node, lines, address)
    return marker + re.sub(r"\n(?!\n)", "\n" + " " * len(marker), inner) if inner.strip() else ""


def _rows(table: SyntaxTreeNode, address: Address) -> Iterator[str]:
    """The head as a bold line, every other row as an item of a list."""
    for part in table.children:
        for row in part.children:
            cells = [_inline(cell, address).strip() for cell in row.children]
            line = " | ".join(cell for cell in cells if cell)
            if line:
                yield _marked("*", _without(line, "*")) if part.type == "thead" else f"- {line}"


# --- inside a line -----------------------------------------------------------------------------------------------


def _inline(node: SyntaxTreeNode, address: Address) -> str:
    return "".join(_piece(child, address) for child in node.children)


def _piece(node: SyntaxTreeNode, address: Address) -> str:
    match node.type:
        case "text":
            plain = without_foreign(node.content, address)
            return _LONE_BOLD.sub("", _LOOSE_BOLD.sub(r"\1*\2*\3", plain))
        case "softbreak" | "hardbreak":
            return "\n"
        case "code_inline":
            code = without_foreign(node.content, address)
            return f"`{code}`" if code.strip() else ""
        case "strong" | "em" | "s":
            mark = _mark(node)
            return _marked(mark, _without(_inline(node, address), mark))
        case "link":
            return _link(_inline(node, address).strip(), str(node.attrs.get("href", "")), address)
        case "image":
            return _link(node.content.strip(), str(node.attrs.get("src", "")), address)
        case "inline":  # its own content is the source
            return _inline(node, address)
        case _:
            return _inline(node, address) if node.children else node.content


def _mark(node: SyntaxTreeNode) -> str:
    """A single star is bold, as WhatsApp has it: the model may write so. Beside two stars it is italic."""
    if node.type != "em":
        return _MARKS[node.type]
    near_strong = any(each.type == "strong" for each in (*node.walk(), *_around(node)))
    return "*" if node.markup == "*" and not near_strong else "_"


def _around(node: SyntaxTreeNode) -> Iterator[SyntaxTreeNode]:
    while node.parent is not None:
        node = node.parent
        yield node


def _without(text: str, mark: str) -> str:
    """`text` without inner marks of the kind that is put around it: WhatsApp would pair them the wrong way."""
    return text.replace(mark, "")


def _marked(mark: str, text: str) -> str:
    """`mark` around each line: WhatsApp's do not reach over a line's end, and need something to hold.

    None behind an address, which would take the mark for its last character.
    """
    lines = [line.strip() for line in text.split("\n")]
    return "\n".join(f"{mark}{line}{mark}" if line and not _ENDS_WITH_URL.search(line) else line for line in lines)


def _link(words: str, target: str, address: Address) -> str:
    shown = address(target)
    if shown is None or shown in words:
        return words
    return f"{words}: {shown}" if words else shown
