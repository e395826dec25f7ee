import { html } from "./base.js";

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

/**
 * Keys to press, as this machine names them: "Mod+k" is ⌘K or Ctrl+K.
 * @param {{keys: string}} props
 */
export function Kbd({ keys }) {
  const named = keys.split("+").map((each) => (each === "Mod" ? (APPLE ? "⌘" : "Ctrl") : each));
  return html`<span class="kbd">${named.map((each) => html`<kbd>${each}</kbd>`)}</span>`;
}
