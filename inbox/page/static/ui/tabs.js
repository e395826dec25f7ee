import { html, useRef } from "./base.js";
import { Badge } from "./small.js";

/**
 * Choices of which one is shown. Arrows move between them; the panel is the caller's, with id `panel`.
 * @param {{tabs: {id: string, label: any, count?: number}[], value: string, onChange: (id: string, clicked?: boolean) => void,
 *   label: string, panel?: string}} props
 */
export function Tabs({ tabs, value, onChange, label, panel }) {
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const moved = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex((each) => each.id === value);
    const next = (at + step + tabs.length) % tabs.length;
    onChange(tabs[next].id);
    /** @type {HTMLElement | undefined} */ (list.current?.children[next])?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} ref=${list} onKeyDown=${moved}>
    ${tabs.map((each) => html`<button type="button" class="tab" role="tab" key=${each.id} aria-controls=${panel}
      aria-selected=${String(each.id === value)} tabIndex=${each.id === value ? 0 : -1}
      onClick=${() => onChange(each.id, true)}>
      ${each.label} <${Badge} count=${each.count ?? 0} tone="quiet" />
    </button>`)}
  </div>`;
}
