import { classes, html } from "./base.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";

const HUES = 8;
const MOST = 99;

/**
 * A few words in a rounded field: a label, a filter that can be on (`pressed`), something that can be taken away.
 * @param {{tone?: "warn" | "danger" | "bot", hue?: number, icon?: string, count?: number | string, pressed?: boolean,
 *   onClick?: (event: MouseEvent) => void, onRemove?: () => void, removeLabel?: string, class?: string, children?: any}
 *   & Record<string, any>} props
 */
export function Chip(props) {
  const { tone, hue, icon, count, pressed, onClick, onRemove, removeLabel, class: extra, children, ...rest } = props;
  const own = {
    class: classes("chip", tone, hue !== undefined && `hue hue-${hue % HUES}`, extra),
    "aria-pressed": pressed === undefined ? undefined : String(pressed),
    ...rest,
  };
  const inside = html`
    ${icon && html`<${Icon} name=${icon} size=${16} />`}
    <span class="words">${children}</span>
    ${count !== undefined && html`<span class="number">${count}</span>`}
    ${onRemove && html`<button type="button" class="remove" aria-label=${removeLabel} title=${removeLabel}
      onClick=${onRemove}><${Icon} name="x" size=${14} /></button>`}`;
  return onClick
    ? html`<button type="button" onClick=${onClick} ...${own}>${inside}</button>`
    : html`<span ...${own}>${inside}</span>`;
}

/**
 * How many. Nothing is drawn for none; `label` says what is counted.
 * @param {{count: number, label?: string, tone?: "quiet" | "warn" | "danger"}} props
 */
export function Badge({ count, label, tone }) {
  if (!count) return null;
  const shown = count > MOST ? `${MOST}+` : String(count);
  return html`<span class=${classes("badge", tone)}>
    ${label ? html`<span aria-hidden="true">${shown}</span><span class="unseen">${label}</span>` : shown}
  </span>`;
}

/**
 * Somebody's initials on a colour of their own. The name stands beside it, so it is not said again.
 * @param {{name: string, id?: string, size?: "little" | "large", bot?: boolean}} props
 */
export function Avatar({ name, id, size, bot }) {
  return html`<span class=${classes("avatar", size, bot ? "bot" : `hue-${hueOf(id ?? name)}`)} aria-hidden="true">
    ${bot ? html`<${Icon} name="bot" size=${size === "little" ? 16 : 20} />` : initials(name)}
  </span>`;
}

/**
 * Two letters at most; of a phone number its last two digits, of a mail address the person's part.
 * @param {string} name
 */
export function initials(name) {
  const words = name.replace(/(.)@\S+$/u, "$1").normalize("NFC").match(/[\p{L}\p{N}]+/gu) ?? [];
  const letters = words.filter((word) => /\p{L}/u.test(word));
  if (!letters.length) return words.join("").slice(-2) || "?";
  const ends = letters.length > 1 ? [letters[0], letters[letters.length - 1]] : [letters[0]];
  return ends.map((word) => [...word][0].toLocaleUpperCase()).join("");
}

/** @param {string} text */
export function hueOf(text) {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return sum % HUES;
}

/**
 * One line above everything, about everything: offline, a number paused, a new release.
 * @param {{tone?: "info" | "warn" | "danger" | "ok", icon?: string, action?: {label: string, onClick?: () => void,
 *   href?: string}, children?: any}} props
 */
export function Strip({ tone = "info", icon, action, children }) {
  return html`<div class=${classes("strip", tone)} role="status">
    ${icon && html`<${Icon} name=${icon} size=${16} />`}
    <span class="words">${children}</span>
    ${action && html`<${Button} little onClick=${action.onClick} href=${action.href}>${action.label}<//>`}
  </div>`;
}

/**
 * A floating button that brings what is new into sight.
 * @param {{icon?: string, onClick: () => void, children?: any} & Record<string, any>} props
 */
export function Pill({ icon, onClick, children, ...rest }) {
  return html`<button type="button" class="pill" onClick=${onClick} ...${rest}>
    ${icon && html`<${Icon} name=${icon} size=${16} />`}${children}
  </button>`;
}

/**
 * What stands where nothing is: why, and what to do.
 * @param {{icon?: string, title: any, action?: any, children?: any}} props
 */
export function Empty({ icon, title, action, children }) {
  return html`<div class="empty">
    ${icon && html`<${Icon} name=${icon} size=${32} />`}
    <h2>${title}</h2>
    ${children && html`<p>${children}</p>`}
    ${action}
  </div>`;
}
