/** Where the details of the open conversation stand: beside the thread, or over it where there is no room. */

import { t } from "../core/words.js";
import { Button, Drawer, html, useEffect, useState } from "../ui/index.js";
import { useApp } from "./context.js";
import { More } from "./later.js";
import { WIDE } from "./panels.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */

/** Whether there is room for the details beside the thread. */
function useWide() {
  const [wide, setWide] = useState(() => matchMedia(WIDE).matches);
  useEffect(() => {
    const query = matchMedia(WIDE);
    const changed = () => setWide(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return wide;
}

/**
 * @param {{ conversation: Conversation }} props
 */
export function Details({ conversation }) {
  const { panels, preferences } = useApp();
  const wide = useWide();
  const inside = html`<${More} is="Details" key=${conversation.id} conversation=${conversation} />`;
  if (!wide) {
    const close = () => (panels.over.value = false);
    return html`<${Drawer} open=${panels.over.value} title=${t("panel.details")} onClose=${close}>${inside}<//>`;
  }
  if (preferences.value.details === false) return null;
  return html`<aside class="details" aria-label=${t("panel.details")}>
    <${Button} class="details-close" icon="x" label=${t("panel.close")} onClick=${panels.toggleDetails} />
    ${inside}
  </aside>`;
}
