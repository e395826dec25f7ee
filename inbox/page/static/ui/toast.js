import { t } from "../core/words.js";
import { html, signal } from "./base.js";
import { Button } from "./button.js";
import { Kbd } from "./kbd.js";

/** @typedef {{id: number, text: string, undo?: () => void}} Toast */

const SHOWN = 8000; // milliseconds: long enough to read it and to change one's mind
const toasts = signal(/** @type {Toast[]} */ ([]));
let last = 0;

/**
 * Tells what has just been done. `undo` takes it back, by its button or by `undoLast`.
 * @param {string} text
 * @param {{undo?: () => void}} [options]
 */
export function toast(text, { undo } = {}) {
  const made = { id: ++last, text, undo };
  toasts.value = [...toasts.value.slice(-1), made];
  setTimeout(() => drop(made.id), SHOWN);
}

/** Takes the newest thing back that can be. True when there was one. */
export function undoLast() {
  const found = toasts.value.findLast((each) => each.undo);
  if (!found) return false;
  drop(found.id);
  found.undo?.();
  return true;
}

/** @param {number} id */
const drop = (id) => {
  toasts.value = toasts.value.filter((each) => each.id !== id);
};

/** Where they are shown, once in a page. @param {{ undoKey?: string | null }} props the key that takes back, where one does */
export function Toasts({ undoKey = "z" }) {
  return html`<div class="toasts" role="status">
    ${toasts.value.map((each) => html`<div class="toast" key=${each.id}>
      <span>${each.text}</span>
      ${each.undo && html`<${Button} little class="undo" onClick=${() => takeBack(each)}>
        ${t("ui.undo")} ${undoKey && html`<${Kbd} keys=${undoKey} />`}
      <//>`}
      <${Button} little icon="x" label=${t("ui.close")} onClick=${() => drop(each.id)} />
    </div>`)}
  </div>`;
}

/** @param {Toast} each */
function takeBack(each) {
  drop(each.id);
  each.undo?.();
}
