import { classes, html } from "./base.js";

const SPRITE = new URL("../vendor/icons.svg", import.meta.url).pathname;

/**
 * A sign of the sprite. Its name is said by what it stands in, unless it stands alone and has a `label`.
 * @param {{name: string, size?: number, label?: string, class?: string}} props
 */
export function Icon({ name, size = 20, label, class: extra }) {
  const said = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return html`<svg class=${classes("icon", extra)} width=${size} height=${size} viewBox="0 0 24 24" ...${said}>
    <use href=${`${SPRITE}#${name}`} />
  </svg>`;
}
