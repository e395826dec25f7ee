import { has, t } from "../core/words.js";
import { html } from "./base.js";

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

/**
 * Keys to press, as this machine names them: "Mod+k" is ⌘K or Ctrl+K, and Enter has a name in each language.
 * @param {{keys: string}} props
 */
export function Kbd({ keys }) {
  const nameOf = (/** @type {string} */ key) => (has(`kbd.${key}`) ? t(`kbd.${key}`) : key);
  const named = keys.split("+").map((each) => (each === "Mod" ? (APPLE ? "⌘" : "Ctrl") : nameOf(each)));
  return html`<span class="kbd">${named.map((each) => html`<kbd>${each}</kbd>`)}</span>`;
}
