import { classes, html } from "./base.js";
import { Icon } from "./icon.js";

/**
 * A button, or a link that looks like one when it has an `href`. Without children it is an icon, and `label` its name.
 * A busy one keeps its focus and does nothing.
 * @param {{kind?: "text" | "tone" | "filled" | "plain", danger?: boolean, little?: boolean, icon?: string,
 *   label?: string, busy?: boolean, href?: string, onClick?: (event: MouseEvent) => void, class?: string,
 *   children?: any} & Record<string, any>} props
 */
export function Button({ kind = "text", danger, little, icon, label, busy, onClick, class: extra, children, ...rest }) {
  const only = Boolean(icon) && !hasChildren(children);
  const own = {
    class: classes("button", kind !== "text" && kind, danger && "danger", little && "little", only && "only", extra),
    "aria-label": label,
    title: only ? label : undefined,
    "aria-busy": busy ? "true" : undefined,
    onClick: busy ? undefined : onClick,
    ...rest,
  };
  const inside = html`${icon && html`<${Icon} name=${icon} size=${little ? 16 : 20} />`}${children}`;
  return rest.href ? html`<a ...${own}>${inside}</a>` : html`<button type="button" ...${own}>${inside}</button>`;
}

/** @param {any} children */
const hasChildren = (children) => (Array.isArray(children) ? children.some(Boolean) : Boolean(children));
