/** What stands over or beside the thread: the details, the palette, the help. */

import { signal } from "../ui/index.js";

export const WIDE = "(min-width: 75rem)"; // where the details stand beside the thread, as in style/inbox-details.css

/** @typedef {"templates" | "buttons" | "list" | "location" | "contacts"} Writes */

/**
 * @param {{ value: Record<string, any> }} preferences
 * @param {(change: Record<string, any>) => void} prefer
 */
export function createPanels(preferences, prefer) {
  /** The details lie over the thread, where there is no room beside it. */
  const over = signal(false);
  /** The dialog that is open. */
  const dialog = signal(/** @type {"palette" | "help" | Writes | null} */ (null));
  return {
    over,
    dialog,
    /** What the dialog goes on from, as the API takes it. @type {Record<string, any> | null} */
    given: null,
    /** Write more than a text. @param {Writes} kind @param {Record<string, any> | null} [given] what to go on from */
    write(kind, given = null) {
      this.given = given;
      dialog.value = kind;
    },
    toggleDetails() {
      if (matchMedia(WIDE).matches) prefer({ details: preferences.value.details === false });
      else over.value = !over.value;
    },
    closeDialog() {
      dialog.value = null;
    },
    /** Another conversation is open, or none: what was over the one before is not about it. */
    leave() {
      over.value = false;
      dialog.value = null;
    },
  };
}

/** @typedef {ReturnType<typeof createPanels>} Panels */
