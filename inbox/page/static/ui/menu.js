import { createTypeahead } from "../core/typeahead.js";
import { classes, html, useId, useMemo, useRef } from "./base.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";
import { Kbd } from "./kbd.js";

/**
 * @typedef {{label: any, icon?: string, hint?: string, keys?: string, danger?: boolean, disabled?: boolean,
 *   checked?: boolean, several?: boolean, href?: string, onSelect?: () => void}} Item
 */

const GAP = 4; // pixels between a menu and its button, and to the edge of the window

/**
 * A button that opens a list of actions. Items are made when it opens; `null` among them is a rule, a string a heading.
 * Arrows, Home, End and the letters of a name move; Escape closes and gives the focus back.
 * @param {{items: (Item | string | null | false)[] | (() => (Item | string | null | false)[]), label: string,
 *   icon?: string, children?: any, role?: string} & Record<string, any>} props
 */
export function Menu({ items, label, icon, children, role = "menu", ...rest }) {
  const id = useId();
  const button = useRef(/** @type {HTMLElement | null} */ (null));
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const typeahead = useMemo(createTypeahead, []);
  const made = typeof items === "function" ? items() : items;
  const close = () => list.current?.hidePopover();
  const toggled = (/** @type {any} */ event) => {
    const open = event.newState === "open";
    anchor(list)?.setAttribute("aria-expanded", String(open));
    if (!open) return;
    place(list.current, anchor(list));
    focusables(list.current)[0]?.focus();
  };
  /** @param {{current: HTMLElement | null}} of */
  const anchor = (of) => of.current?.previousElementSibling ?? button.current;
  return html`<span class="menu-of">
    <${Button} label=${label} icon=${icon} aria-haspopup=${role} aria-expanded="false" popovertarget=${id} ...${rest}>
      ${children}
    <//>
    <div class="menu" id=${id} ref=${list} popover="auto" role=${role} aria-label=${label} onToggle=${toggled}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => moved(event, list.current, typeahead)}>
      ${made.filter((each) => each !== false).map((each) => drawn(each, close))}
    </div>
  </span>`;
}

/**
 * @param {Item | string | null | false} item
 * @param {() => void} close
 */
function drawn(item, close) {
  if (!item) return html`<div class="rule" role="separator" />`;
  if (typeof item === "string") return html`<p class="heading" role="presentation">${item}</p>`;
  const chosen = () => {
    if (item.disabled) return;
    if (!item.several) close(); // of those that can be checked together, more may follow
    item.onSelect?.();
  };
  const own = {
    class: classes("item", item.danger && "danger"),
    role: item.checked === undefined ? "menuitem" : item.several ? "menuitemcheckbox" : "menuitemradio",
    "aria-checked": item.checked === undefined ? undefined : String(item.checked),
    "aria-disabled": item.disabled ? "true" : undefined,
    tabIndex: -1,
    onClick: chosen,
  };
  const inside = html`
    ${item.icon && html`<${Icon} name=${item.icon} />`}
    <span class="text">${item.label}${item.hint && html`<span class="hint">${item.hint}</span>`}</span>
    ${item.checked && html`<${Icon} name="check" size=${16} />`}
    ${item.keys && html`<${Kbd} keys=${item.keys} />`}`;
  return item.href
    ? html`<a href=${item.href} ...${own}>${inside}</a>`
    : html`<button type="button" ...${own}>${inside}</button>`;
}

/** @param {HTMLElement | null} list */
const focusables = (list) => /** @type {HTMLElement[]} */ ([...(list?.querySelectorAll(".item") ?? [])]);

/**
 * @param {KeyboardEvent} event
 * @param {HTMLElement | null} list
 * @param {ReturnType<typeof createTypeahead>} typeahead
 */
function moved(event, list, typeahead) {
  const items = focusables(list);
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const written = event.key.length === 1 && !event.ctrlKey && !event.metaKey;
  const letter = written && (event.key !== " " || typeahead.isTyping); // else it takes the item
  const moves = /** @type {Record<string, HTMLElement | undefined>} */ ({
    ArrowDown: items[(at + 1) % items.length],
    ArrowUp: items[(at - 1 + items.length) % items.length],
    Home: items[0],
    End: items.at(-1),
  });
  if (!letter && !(event.key in moves)) return;
  event.preventDefault();
  event.stopPropagation();
  const names = () => items.map((each) => each.querySelector(".text")?.textContent?.trim() ?? "");
  (letter ? items[typeahead.to(event.key, names(), at)] : moves[event.key])?.focus();
}

/**
 * Puts a floating list below what it belongs to, or above where there is more room, within the window.
 * @param {HTMLElement | null} list
 * @param {Element | null | undefined} anchor
 */
export function place(list, anchor) {
  if (!list || !anchor) return;
  const at = anchor.getBoundingClientRect();
  const { width, height } = list.getBoundingClientRect();
  const rtl = getComputedStyle(list).direction === "rtl";
  const toEnd = rtl ? at.right - width : at.left;
  const toStart = rtl ? at.left : at.right - width;
  const fits = toEnd >= GAP && toEnd + width <= innerWidth - GAP;
  const x = Math.min(Math.max(GAP, fits ? toEnd : toStart), Math.max(GAP, innerWidth - width - GAP));
  const below = innerHeight - at.bottom >= height + 2 * GAP || innerHeight - at.bottom > at.top;
  const y = below ? at.bottom + GAP : Math.max(GAP, at.top - height - GAP);
  list.style.left = `${x}px`;
  list.style.top = `${Math.min(y, Math.max(GAP, innerHeight - height - GAP))}px`;
}
