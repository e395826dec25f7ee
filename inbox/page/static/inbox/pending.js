/**
 * A text that has left the field and that our server has not taken yet. It stands after all others, whatever any clock
 * says (D5), and each of its states has a way on.
 */

import { problemText, t } from "../core/words.js";
import { Button, classes, html } from "../ui/index.js";
import { useApp } from "./context.js";
import { Content } from "./kinds.js";
import { Words } from "./text.js";
import { Ticks } from "./ticks.js";

/** @typedef {import("../core/outgoing.js").Outgoing} Outgoing */

/**
 * @param {{ entry: Outgoing, onSee: () => void }} props
 */
export function Pending({ entry, onSee }) {
  const stuck = entry.state !== "waiting" && entry.state !== "handing";
  const note = entry.mode === "note";
  const mark = entry.state === "overtaken" ? "overtaken" : stuck ? "failed" : "waiting";
  const meta = html`<span class="meta"><${Ticks} status=${mark} /></span>`;
  return html`<li class=${classes("entry entry-ours entry-last entry-pending", note ? "entry-note" : "entry-us")}
    data-key=${entry.key} tabindex="-1">
    <div class="entry-line"><div class="bubble">${entry.shown
      ? html`<${Content} message=${{ id: entry.key, ...entry.shown }} meta=${meta} />`
      : html`<${Words} id=${entry.key} text=${entry.text} meta=${meta} />`}</div></div>
    ${stuck && html`<${Stuck} entry=${entry} onSee=${onSee} />`}
  </li>`;
}

/** @param {{ entry: Outgoing, onSee: () => void }} props */
function Stuck({ entry, onSee }) {
  const { copy, drafts, outgoing, panels, times } = useApp();
  const { key, problem } = entry;
  const takeBack = () => {
    const had = outgoing.back(key);
    if (!had) return;
    if (had.content) return panels.write(had.content.type, had.content);
    const draft = drafts.open(entry.conversationId, had.mode);
    draft.set([draft.text.peek(), had.text].filter(Boolean).join("\n\n"));
    if (had.replyTo && !draft.replyTo.peek()) draft.setReplyTo(had.replyTo);
  };
  const back = html`<${Button} little onClick=${takeBack}>${t(entry.content ? "pending.change" : "pending.back")}<//>`;
  if (entry.state === "overtaken") {
    const who = problem?.author?.kind === "bot" ? t("voice.bot") : (problem?.author?.name ?? t("voice.us"));
    const ago = problem?.sent_at ? times.ago(problem.sent_at) ?? times.clock(problem.sent_at) : "";
    return html`<div class="entry-question" role="alert">
      <p>${t("pending.overtaken", { name: who, ago })}</p>
      <${Button} little kind="filled" onClick=${() => outgoing.confirm(key)}>${t("pending.overtaken.send")}<//>
      <${Button} little onClick=${onSee}>${t("pending.overtaken.see")}<//>
      ${back}
    </div>`;
  }
  const told =
    entry.state === "not_handed" || entry.state === "window_closed" ? t(`pending.${entry.state}`) : null;
  return html`<div class="entry-failure" role="alert">
    <p>${told ?? t("failure.not_sent", { reason: problemText(problem ?? {}) })}</p>
    ${entry.state === "not_handed" && html`<${Button} little
      onClick=${() => outgoing.sendNow(key)}>${t("pending.send_now")}<//>`}
    ${back}
    <${Button} little onClick=${() => copy(entry.text)}>${t("failure.copy")}<//>
    <${Button} little onClick=${() => outgoing.discard(key)}>${t("pending.discard")}<//>
  </div>`;
}
