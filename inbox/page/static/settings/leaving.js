/** What has been typed and not saved: whoever leaves it is asked. */

import { useEffect } from "../ui/index.js";

/** Forms that hold such texts. @type {Set<object>} */
const unsaved = new Set();

/** Whether something would be lost if another part took the place of this one. */
export const wouldLose = () => unsaved.size > 0;

/** Whoever leaves the page with changes is asked, by the browser's own question. @param {boolean} changed */
export function useLeaving(changed) {
  useEffect(() => {
    if (!changed) return;
    const ask = (/** @type {BeforeUnloadEvent} */ event) => event.preventDefault();
    unsaved.add(ask);
    addEventListener("beforeunload", ask);
    return () => {
      unsaved.delete(ask);
      removeEventListener("beforeunload", ask);
    };
  }, [changed]);
}
