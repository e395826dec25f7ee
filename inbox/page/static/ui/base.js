// What every component draws with: markup by htm, Preact's hooks, signals.

import htm from "../vendor/htm.js";
import { h, render } from "../vendor/preact.js";

export { Component, Fragment, createContext, h, render } from "../vendor/preact.js";
export {
  useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useRef, useState,
} from "../vendor/hooks.js";
export { batch, computed, effect, signal, useComputed, useSignal, useSignalEffect } from "../vendor/signals.js";

/**
 * Markup as a tree that Preact draws: html`<${Button} kind="filled">Send<//>`.
 * @type {(strings: TemplateStringsArray, ...values: any[]) => any}
 */
export const html = htm.bind(/** @type {any} */ (h));

/**
 * The names that apply, for a `class` attribute.
 * @param {...(string | false | null | undefined)} names
 */
export const classes = (...names) => names.filter(Boolean).join(" ") || undefined;

/** Draw a page in the place of what its shell said meanwhile: Preact leaves that standing. @param {any} tree */
export function draw(tree) {
  const place = /** @type {HTMLElement} */ (document.getElementById("app"));
  place.replaceChildren();
  render(tree, place);
}
