/** What can be done about a message that was not sent, or of which nobody knows. Each failure has a way out (E2). */

import { metaText, problemText, t } from "../core/words.js";
import { Button, Dialog, html, useState } from "../ui/index.js";
import { useApp } from "./context.js";
import { replyWindow } from "./window.js";

/** @typedef {import("../core/types.js").Message} Message */

/**
 * "Not sent: …", in the reader's language.
 * @param {Message} message
 */
export function failureOf(message) {
  const { error } = message;
  return t("failure.not_sent", { reason: error ? metaText(error) : t("failure.unknown") });
}

/**
 * The line below a message that failed.
 * @param {{ message: Message, mayWrite: boolean }} props
 */
export function Failure({ message, mayWrite }) {
  const { copy, panels, store, times } = useApp();
  const { refused, busy, again } = useResend(message);
  const conversation = store.conversations.value.get(message.conversation_id);
  const closed = conversation !== undefined && !replyWindow(conversation, times.now()).open;
  return html`<div class="entry-failure">
    <p>${refused ?? failureOf(message)}</p>
    ${mayWrite &&
    message.error?.can_retry &&
    (!closed || message.message_type === "template") &&
    html`<${Button} little disabled=${busy} onClick=${again}>${t("failure.again")}<//>`}
    ${mayWrite &&
    closed &&
    html`<${Button} little onClick=${() => panels.write("templates")}>${t("composer.template")}<//>`}
    <${Button} little onClick=${() => copy(message.content_text)}>${t("failure.copy")}<//>
  </div>`;
}

/**
 * Below a reply that still waits an hour before WhatsApp will not take it any more.
 * @param {{ message: Message }} props
 */
export function Closing({ message }) {
  const { times } = useApp();
  return html`<div class="entry-failure entry-doubt">
    <p>${t("failure.closing", { at: times.clock(message.window_closes_at ?? "") })}</p>
  </div>`;
}

/**
 * Whether a person may decide about a message that WhatsApp may or may not have: they are asked, or the time in which
 * proof comes is over. A reply of theirs ends the question, not the doubt.
 * @param {Message} message
 * @param {string | null | undefined} asked why the conversation needs a person
 * @param {{ now: number, window: number }} time ms, and seconds
 */
export function isToDecide(message, asked, { now, window }) {
  return asked === "unconfirmed" || now - Date.parse(message.changed_at) > window * 1000;
}

/**
 * Below a message that WhatsApp may or may not have: a person may decide.
 * @param {{ message: Message }} props
 */
export function SendAgain({ message }) {
  const { beat, settings, store, times } = useApp();
  void beat.value;
  const [asking, setAsking] = useState(false);
  const { refused, busy, again } = useResend(message);
  const conversation = store.conversations.value.get(message.conversation_id);
  const time = { now: times.now(), window: settings.confirm_window_seconds };
  if (!isToDecide(message, conversation?.needs_human_reason, time)) return null;
  return html`<div class="entry-failure entry-doubt">
    <p>${refused ?? t("tick.unconfirmed")}</p>
    <${Button} little disabled=${busy} onClick=${() => setAsking(true)}>${t("failure.again")}<//>
    <${Dialog} open=${asking} title=${t("failure.twice.title")} onClose=${() => setAsking(false)}
      actions=${html`<${Button} onClick=${() => setAsking(false)}>${t("failure.twice.no")}<//>
        <${Button} kind="filled" onClick=${() => (setAsking(false), again())}>${t("failure.again")}<//>`}>
      <p>${t("failure.twice.question")}</p>
    <//>
  </div>`;
}

/**
 * Sends a message again. What the bubble shows next comes from the server's row, never from the click (E1).
 * @param {Message} message
 */
function useResend(message) {
  const { api, store } = useApp();
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState(/** @type {string | null} */ (null));
  const again = async () => {
    setBusy(true);
    setRefused(null);
    try {
      const { body } = await api.post(`/messages/${message.id}/resend`, {});
      store.applySent(body.message);
    } catch (error) {
      setRefused(t("failure.not_sent", { reason: problemText(/** @type {any} */ (error)) }));
    } finally {
      setBusy(false);
    }
  };
  return { refused, busy, again };
}
