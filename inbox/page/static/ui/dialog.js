import { t } from "../core/words.js";
import { classes, html, useId, useLayoutEffect, useRef } from "./base.js";
import { Button } from "./button.js";
import { Toasts } from "./toast.js";

/** Where one begins to write, unless the form says `data-first`: who types on at once fills it in, and does not close it. */
const FIRST = ".middle :is(input, select, textarea):not([type=checkbox], [type=radio], [type=file], :disabled)";

/**
 * A question or a form that waits for an answer. The browser keeps the focus inside and gives it back afterwards.
 * @param {{open: boolean, title: any, onClose?: () => void, actions?: any, wide?: boolean, class?: string,
 *   children?: any}} props
 */
export function Dialog({ open, title, onClose, actions, wide, class: extra, children }) {
  const name = classes("dialog", wide && "wide", extra);
  return html`<${Modal} open=${open} title=${title} onClose=${onClose} class=${name}>
    <div class="middle">${children}</div>
    ${actions && html`<footer class="buttons end">${actions}</footer>`}
  <//>`;
}

/**
 * A pane that slides over the page from its end.
 * @param {{open: boolean, title: any, onClose: () => void, class?: string, children?: any}} props
 */
export function Drawer({ open, title, onClose, class: extra, children }) {
  return html`<${Modal} open=${open} title=${title} onClose=${onClose} class=${classes("drawer", extra)}>
    <div class="middle">${children}</div>
  <//>`;
}

/**
 * What is told while it is open stands in it: nothing below it can be seen, nor taken back.
 * @param {{open: boolean, title: any, onClose?: () => void, class?: string, children?: any}} props
 */
function Modal({ open, title, onClose, class: name, children }) {
  const id = useId();
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  // Before the next key: who types on at once writes into it.
  useLayoutEffect(() => {
    if (open && !dialog.current?.open) {
      dialog.current?.showModal();
      const find = (/** @type {string} */ which) => /** @type {HTMLElement | null | undefined} */ (dialog.current?.querySelector(which));
      (find("[data-first=true]") ?? find(FIRST))?.focus();
    }
    if (!open && dialog.current?.open) dialog.current.close();
  }, [open]);
  const cancelled = (/** @type {Event} */ event) => {
    event.preventDefault(); // who drew it decides whether it is open
    onClose?.();
  };
  const pressed = (/** @type {MouseEvent} */ event) => event.target === dialog.current && onClose?.();
  return html`<dialog class=${name} ref=${dialog} aria-labelledby=${id} onCancel=${cancelled} onMouseDown=${pressed}>
    ${open && html`<div class="inside">
      <header>
        <h2 id=${id}>${title}</h2>
        ${onClose && html`<${Button} icon="x" label=${t("ui.close")} onClick=${onClose} />`}
      </header>
      ${children}
      <${Toasts} undoKey=${null} />
    </div>`}
  </dialog>`;
}
