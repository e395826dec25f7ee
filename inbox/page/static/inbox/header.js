/** Above the thread: who it is, and whether the bot answers. */

import { t } from "../core/words.js";
import { Avatar, Button, html } from "../ui/index.js";
import { useApp } from "./context.js";
import { HeadActions } from "./headactions.js";
import { nameOf, numberOf, whyPerson } from "./row.js";
import { Plain } from "./text.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */

/**
 * @param {{ conversation: Conversation, onBack: () => void }} props
 */
export function Head({ conversation, onBack }) {
  const name = nameOf(conversation);
  const number = numberOf(conversation);
  return html`<header class="head">
    <${Button} class="head-back" icon="chevron-left" label=${t("thread.back")} onClick=${onBack} />
    <${Avatar} name=${name} id=${conversation.contact_id} />
    <div class="head-who">
      <h2><${Plain}
        text=${name} /> ${number && number !== name && html`<span class="head-number" dir="ltr">${number}</span>`}</h2>
      <${BotState} conversation=${conversation} />
    </div>
    <${HeadActions} conversation=${conversation} />
  </header>`;
}

/** Whether the bot answers, and why it does not. @param {{ conversation: Conversation }} props */
function BotState({ conversation }) {
  const { times } = useApp();
  const reason = conversation.bot_silent_reason;
  if (reason === "needs_human") {
    return html`<p class="head-state warn">${t("head.person", { why: whyPerson(conversation) })}</p>`;
  }
  if (reason === "paused") {
    return html`<p
      class="head-state">${t("head.paused", { at: times.clock(/** @type {string} */ (conversation.bot_paused_until)) })}</p>`;
  }
  return html`<p class="head-state">${t(reason === null ? "head.bot" : `head.${reason}`)}</p>`;
}
