/** What administrators can do. Each says what it will do, and does it when that is wanted. */

import { problemText, plural, t } from "../core/words.js";
import { Button, Dialog, html, toast, useState } from "../ui/index.js";

/** @param {import("./types.js").Parts & {api: any, onDone: () => void}} props */
export function Actions({ status, api, onDone }) {
  const letters = status.road?.dead_letters ?? 0;
  return html`<section aria-labelledby="actions-title">
    <h2 id="actions-title">${t("status.actions")}</h2>
    <div class="buttons">
      <${Act} name="cache" title=${t("status.cache.clear")} means=${t("status.cache.means")} act=${() => api.post("/admin/cache/clear")} onDone=${onDone} />
      ${letters > 0 && html`<${Act} name="replay" title=${plural("status.letters", letters)} means=${t("status.letters.means")} act=${() => replayAll(api)} onDone=${onDone} />`}
    </div>
  </section>`;
}

/**
 * Replay what could not be read, one after the other: each alone may fail again.
 * @param {any} api
 */
async function replayAll(api) {
  const { body } = await api.get("/admin/dead-letters", { limit: 100 });
  for (const { id } of body) await api.post(`/admin/dead-letters/${id}/replay`);
}

/**
 * A button that asks first.
 * @param {{name: string, title: string, means: string, act: () => Promise<any>, onDone: () => void}} props
 */
export function Act({ name, title, means, act, onDone }) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const go = async () => {
    setBusy(true);
    try {
      await act();
      toast(t("status.did"));
    } catch (refused) {
      toast(problemText(/** @type {any} */ (refused)));
    }
    setBusy(false);
    setAsking(false);
    onDone();
  };
  return html`<${Button} kind="tone" little onClick=${() => setAsking(true)} data-act=${name}>${title}<//>
    <${Dialog} open=${asking} title=${title} onClose=${() => setAsking(false)}
      actions=${html`<${Button} onClick=${() => setAsking(false)}>${t("ui.cancel")}<//>
        <${Button} kind="filled" busy=${busy} onClick=${go}>${t("status.do")}<//>`}>
      <p>${means}</p>
    <//>`;
}
