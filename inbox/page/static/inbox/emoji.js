/** The way to all emoji, which come when the page stands. */

import { t } from "../core/words.js";
import { Button, html, place, useId, useRef, useState } from "../ui/index.js";
import { More } from "./later.js";

/**
 * A button with all emoji behind it.
 * @param {{ onPick: (sign: string) => void, label?: string, little?: boolean }} props
 */
export function EmojiButton({ onPick, label = t("composer.emoji"), little = false }) {
  const id = useId();
  const panel = useRef(/** @type {HTMLElement | null} */ (null));
  const anchor = useRef(/** @type {HTMLElement | null} */ (null));
  const [open, setOpen] = useState(false);
  const toggled = (/** @type {any} */ event) => {
    const now = event.newState === "open";
    setOpen(now);
    if (now) place(panel.current, anchor.current);
  };
  return html`<span class="emoji" ref=${anchor}>
    <${Button} little=${little} icon="smile" label=${label} popovertarget=${id} />
    <div class="menu emoji-panel" id=${id} ref=${panel} popover="auto" onToggle=${toggled}>
      ${open &&
      html`<${More} is="Picker" onPick=${(/** @type {string} */ sign) => {
        panel.current?.hidePopover();
        onPick(sign);
      }} />`}
    </div>
  </span>`;
}
