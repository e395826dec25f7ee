/** A telephone on which one is the customer: the bot answers from the form, saved or not. Nothing is sent. */

import { t } from "../core/words.js";
import { Button, html, Icon, useEffect, useRef, useState } from "../ui/index.js";
import { useDesk, whyNot } from "../settings/desk.js";
import { bodyOf } from "./profile.js";

const LIMIT = 25_000; // ms: a model may think
const MOST = 4096; // characters of a message

/** @typedef {{ id: number, asked: string, answer: string | null, trouble: string | null }} Turn */

/** @param {{ profile: any, unsaved: boolean, onError: (error: any) => void, onClose: () => void }} props */
export function Preview({ profile, unsaved, onError, onClose }) {
  const { api, boot } = useDesk();
  const [text, setText] = useState("");
  const [turns, setTurns] = useState(/** @type {Turn[]} */ ([]));
  const end = useRef(/** @type {HTMLElement | null} */ (null));
  const busy = turns.some((turn) => turn.answer === null && turn.trouble === null);
  useEffect(() => {
    if (end.current) end.current.scrollTop = end.current.scrollHeight;
  }, [turns]);
  const ask = async (/** @type {string} */ asked) => {
    const id = turns.length;
    const settle = (/** @type {Partial<Turn>} */ told) => setTurns((all) => all.map((turn) => (turn.id === id ? { ...turn, ...told } : turn)));
    setTurns([...turns, { id, asked, answer: null, trouble: null }]);
    setText("");
    try {
      const { body } = await api.post(`/bot/preview/${boot.account_id}`, { message: asked, profile: bodyOf(profile) }, { limit: LIMIT });
      settle({ answer: body.answer });
    } catch (/** @type {any} */ error) {
      settle({ trouble: error.errors?.length ? t("bot.preview.wrong") : whyNot(error) });
      if (error.errors?.length) onError(error);
    }
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (text.trim() && !busy) ask(text.trim());
  };
  const ideas = ["hours", "order", "person"].map((each) => t(`bot.idea.${each}`));
  return html`<div class="bot-phone">
    <header><${Icon} name="bot" /><span class="settings-what"><strong><bdi>${profile.business_name || t("bot.preview.nameless")}</bdi></strong>
      <span class="small">${t(unsaved ? "bot.preview.unsaved" : "bot.preview.saved")}</span></span>
      <${Button} class="bot-close" icon="x" label=${t("ui.close")} onClick=${onClose} /></header>
    <div class="bot-talk" ref=${end} aria-live="polite" tabindex="0" role="log" aria-label=${t("bot.preview")}>
      ${turns.length === 0 && html`<div class="bot-ideas"><p class="quiet">${t("bot.preview.begin")}</p>
        ${ideas.map((idea) => html`<${Button} key=${idea} kind="tone" little onClick=${() => ask(idea)}>${idea}<//>`)}</div>`}
      ${turns.map((turn) => html`<p class="bot-said mine" dir="auto" key=${`${turn.id}q`}>${turn.asked}</p>
        ${turn.trouble ? html`<p class="bot-said trouble" key=${`${turn.id}t`}><${Icon} name="circle-alert" size=${16} /><span>${turn.trouble}</span></p>`
          : turn.answer === null ? html`<p class="bot-said" key=${`${turn.id}w`}><span class="quiet">${t("bot.preview.thinking")}</span></p>`
          : html`<p class="bot-said" dir="auto" key=${`${turn.id}a`}>${turn.answer}</p>`}`)}
    </div>
    <form onSubmit=${submit}><input class="input" aria-label=${t("bot.ask")} placeholder=${t("bot.ask")} value=${text} maxlength=${MOST} dir="auto"
        onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} />
      <${Button} kind="filled" icon="send-horizontal" type="submit" label=${t("bot.ask.send")} busy=${busy} /></form>
  </div>`;
}
