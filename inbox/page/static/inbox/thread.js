/** The open conversation: its head, what was said, and the place to answer. */

import { t } from "../core/words.js";
import { Empty, html } from "../ui/index.js";
import { othersIn } from "./beside.js";
import { Composer } from "./composer.js";
import { useApp } from "./context.js";
import { Head } from "./header.js";
import { Messages } from "./messages.js";
import { nameOf } from "./row.js";
import { Strips } from "./strips.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */
/** @typedef {import("../core/types.js").Message} Message */

/**
 * @param {{ conversation: Conversation, onBack: () => void, focus: boolean }} props
 */
export function Thread({ conversation, onBack, focus }) {
  const { composer, store } = useApp();
  const mayRead = store.may("messages.view", conversation.account_id);
  const reply = (/** @type {Message} */ message) => composer.current?.quote(message);
  return html`<section class="thread" aria-label=${t("thread.with", { name: nameOf(conversation) })}>
    <${Head} conversation=${conversation} onBack=${onBack} />
    <${Strips} />
    ${mayRead
      ? html`<${Messages} key=${conversation.id} conversation=${conversation} onReply=${reply} />`
      : html`<${Empty} icon="lock" title=${t("thread.no_right")} />`}
    <${Beside} conversation=${conversation} />
    <${Composer} key=${`composer ${conversation.id}`} conversation=${conversation} handle=${composer} focus=${focus} />
  </section>`;
}

/** Who else is here: looking, or writing. @param {{ conversation: Conversation }} props */
function Beside({ conversation }) {
  const others = othersIn(useApp().store.present.value, conversation.id);
  return html`<p class="thread-beside" aria-live="polite">${others}</p>`;
}
