/** What can be done with the open conversation, in its head: who looks after it, the bot, labels, done. */

import { t } from "../core/words.js";
import { Button, html, Menu } from "../ui/index.js";
import { AssignMenu } from "./assign.js";
import { useApp } from "./context.js";
import { LabelMenu } from "./labels.js";
import { botIsOn } from "./row.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */

/**
 * @param {{ conversation: Conversation }} props
 */
export function HeadActions({ conversation }) {
  const { actions, panels, places, store } = useApp();
  const may = store.may("messages.send", conversation.account_id);
  const done = conversation.status === "done";
  return html`<div class="head-actions">
    ${may &&
    html`<${BotButton} conversation=${conversation} />
      <span class="head-wide"><${AssignMenu} conversation=${conversation} data-action="assign" /></span>
      <span class="head-wide"><${LabelMenu} conversation=${conversation} icon="tag" data-action="label" /></span>
      <${Button}
        kind="tone"
        icon=${done ? "rotate-ccw" : "check"}
        class="head-done"
        label=${done ? t("action.reopen") : t("action.finish")}
        data-action="done"
        onClick=${() => actions.setStatus(conversation, done ? "open" : "done")}
      ><span class="words">${done ? t("action.reopen") : t("action.finish")}</span><//>`}
    <${Menu} label=${t("bubble.more")} icon="ellipsis" items=${() => moreItems()} />
  </div>`;

  function moreItems() {
    const pending = conversation.status === "pending";
    const status = (/** @type {"open" | "pending"} */ to) => () => actions.setStatus(conversation, to);
    return [
      { label: t("action.details"), icon: "panel-right", keys: "]", onSelect: panels.toggleDetails },
      may && conversation.assigned_to !== store.me.value.id &&
        { label: t("action.take"), icon: "user-check", keys: "i", onSelect: () => actions.assign(conversation, store.me.value.id) },
      may && (pending
        ? { label: t("action.reopen"), icon: "rotate-ccw", onSelect: status("open") }
        : { label: t("action.wait"), icon: "hourglass", onSelect: status("pending") }),
      { label: t("action.mark_unread"), icon: "mail", keys: "Shift+U", onSelect: () => leaveUnread() },
      { label: t(conversation.is_favorite ? "action.unstar" : "action.star"), icon: "star", onSelect: () => actions.favorite(conversation) },
    ];
  }

  function leaveUnread() {
    actions.unread(conversation);
    places.open(null); // an open conversation would be read again at once
  }
}

/** Takes over from the bot, or gives back to it. @param {{ conversation: Conversation }} props */
function BotButton({ conversation }) {
  const { actions } = useApp();
  if (conversation.is_group || conversation.blocked_at) return null;
  const answers = botIsOn(conversation);
  return html`<${Button}
    icon=${answers ? "hand" : "bot"}
    class="head-bot"
    label=${t(answers ? "action.take_over" : "action.give_back")}
    data-action="bot"
    title=${t(answers ? "action.take_over.hint" : "action.give_back.hint")}
    onClick=${() => actions.setBot(conversation, !answers)}
  ><span class="words">${t(answers ? "action.take_over" : "action.give_back")}</span><//>`;
}

/** @param {{ conversation: Conversation }} props */
export function BlockButton({ conversation }) {
  const { actions } = useApp();
  const blocked = conversation.blocked_at !== null;
  return html`<${Button} icon="lock" onClick=${() => actions.setBlocked(conversation, !blocked)}>${t(blocked ? "action.unblock" : "action.block")}<//>`;
}
