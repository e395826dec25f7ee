/** Text of people as nodes: never as markup, and never able to turn the line around it (L3, L4). */

import { folded, nameParts, parse } from "../core/text.js";
import { t } from "../core/words.js";
import { html, useMemo, useState } from "../ui/index.js";

/** @typedef {import("../core/text.js").Node} Node */

/** What somebody has unfolded stays so while the page is open. @type {Set<string>} */
const unfolded = new Set();

/**
 * The text of a message: marks, links, a fold for long ones; each paragraph in its own direction. `meta` floats at the
 * end of the last line, and makes a line of its own when there is no room.
 * @param {{ id: string, text: string, meta?: any }} props
 */
export function Words({ id, text, meta }) {
  const [open, setOpen] = useState(unfolded.has(id));
  const short = useMemo(() => folded(text), [text]);
  const shown = short === null || open ? text : short;
  const nodes = useMemo(() => parse(shown), [shown]);
  const unfold = () => {
    unfolded.add(id);
    setOpen(true);
  };
  return html`<div class="words">
    ${nodes.map(drawn)}
    ${shown !== text && html`… <button type="button" class="words-more" onClick=${unfold}>${t("text.more")}</button>`}
    ${meta}
  </div>`;
}

/** @param {Node} node @param {number} place @returns {any} */
function drawn(node, place) {
  switch (node.type) {
    case "text":
      return node.text;
    case "bold":
      return html`<strong key=${place}>${node.nodes.map(drawn)}</strong>`;
    case "italic":
      return html`<em key=${place}>${node.nodes.map(drawn)}</em>`;
    case "strike":
      return html`<s key=${place}>${node.nodes.map(drawn)}</s>`;
    case "code":
      return html`<code key=${place}>${node.text}</code>`;
    case "block":
      return html`<pre key=${place}>${node.text}</pre>`;
    default:
      return html`<a key=${place} class="link" href=${node.href} target="_blank"
        rel="noopener noreferrer">${node.text}</a>`;
  }
}

/**
 * A name, a file name, a line of a list: isolated, with the marks of direction in it made visible.
 * @param {{ text: string }} props
 */
export function Plain({ text }) {
  return html`<bdi>${nameParts(text).map((part, place) =>
    "control" in part ? html`<span class="control" key=${place}
      title=${t("text.control")}>${part.control}</span>` : part.text,
  )}</bdi>`;
}
