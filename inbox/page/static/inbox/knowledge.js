/** From what the bot has answered: each passage by the name of its source, opened to be read. */

import { t } from "../core/words.js";
import { html, Icon, useState } from "../ui/index.js";
import { whyNot } from "./actions.js";
import { useApp } from "./context.js";

/** @param {{ refs: { passage_id: string, name: string, page: number | null }[] }} props */
export function From({ refs }) {
  const { api } = useApp();
  const [open, setOpen] = useState({ id: "", text: "" });
  const show = async (/** @type {string} */ id) => {
    if (open.id === id) return setOpen({ id: "", text: "" });
    const text = await api.get(`/knowledge/passages/${id}`).then(({ body }) => body.text, whyNot);
    setOpen({ id, text });
  };
  return html`<p class="entry-from"><${Icon} name="book-open" size=${14} /> ${t("from")}
      ${refs.map(({ passage_id: id, name, page }) => html`<button type="button" class="link" key=${id} aria-expanded=${open.id === id}
        onClick=${() => show(id)}>${page === null ? name : t("from.page", { name, page })}</button>`)}
    </p>
    ${open.id && html`<p class="entry-passage" dir="auto" role="status">${open.text}</p>`}`;
}
