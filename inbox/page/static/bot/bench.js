/** The bot is asked all saved questions: as it answers now, and from the form as it stands. Nothing is sent. */

import { t } from "../core/words.js";
import { Button, Field, html, Icon, useRef, useState } from "../ui/index.js";
import { useCall, useDesk, useRows, whyNot } from "../settings/desk.js";
import { Trouble } from "../settings/parts.js";
import { difference } from "./difference.js";
import { bodyOf } from "./profile.js";

const LIMIT = 25_000; // ms: a model may think
const MOST = 10;

/** @typedef {{ text?: string, trouble?: string }} Answer */

/** @param {{ profile: any, unsaved: boolean }} props */
export function Bench({ profile, unsaved }) {
  const { api, boot } = useDesk();
  const path = `/bot/profile/${boot.account_id}/questions`;
  const list = useRows(path);
  const changing = useCall();
  const [text, setText] = useState("");
  const [answers, setAnswers] = useState(/** @type {Record<string, Record<string, Answer>>} */ ({}));
  const [done, setDone] = useState(/** @type {number | null} */ (null));
  const stopped = useRef(false);
  const rows = list.rows ?? [];
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!text.trim() || !(await changing.run(() => api.post(path, { text: text.trim() })))) return;
    setText("");
    list.reload();
  };
  const remove = async (/** @type {string} */ id) => {
    if (await changing.run(() => api.del(`/bot/questions/${id}`))) list.reload();
  };
  const ask = async (/** @type {string} */ message, /** @type {any} */ more) => {
    try {
      return { text: (await api.post(`/bot/preview/${boot.account_id}`, { message, ...more }, { limit: LIMIT })).body.answer };
    } catch (error) {
      return { trouble: whyNot(error) };
    }
  };
  /** One after the other: the model has others to answer. */
  const run = async () => {
    const asked = unsaved ? { now: {}, form: { profile: bodyOf(profile) } } : { now: {} };
    stopped.current = false;
    setAnswers({});
    for (const [place, row] of rows.entries()) {
      for (const [which, more] of Object.entries(asked)) {
        if (stopped.current) break;
        setDone(place);
        const answer = await ask(row.text, more);
        setAnswers((all) => ({ ...all, [row.id]: { ...all[row.id], [which]: answer } }));
      }
    }
    setDone(null);
  };
  const busy = done !== null;
  return html`<div class="bot-bench">
    ${list.trouble && html`<${Trouble} text=${list.trouble} />`}
    ${list.rows?.length === 0 && html`<p class="quiet">${t("bot.bench.none")}</p>`}
    <ol class="bot-questions">${rows.map((row) => html`<li key=${row.id}>
      <p class="bot-question"><strong dir="auto">${row.text}</strong>
        <${Button} little icon="trash-2" label=${t("bot.bench.remove", { text: row.text })} disabled=${busy} onClick=${() => remove(row.id)} /></p>
      <${Pair} answers=${answers[row.id]} />
    </li>`)}</ol>
    ${rows.length < MOST && html`<form class="settings-line" onSubmit=${add}>
      <${Field} label=${t("bot.bench.ask")} value=${text} error=${changing.errors["/text"]} onChange=${setText} />
      <${Button} kind="tone" icon="plus" type="submit" busy=${changing.busy}>${t("bot.bench.add")}<//></form>`}
    <${Trouble} text=${changing.trouble} />
    ${rows.length > 0 && html`<p class="buttons">
      <${Button} kind="filled" busy=${busy} onClick=${run}>${t(unsaved ? "bot.bench.compare" : "bot.bench.run")}<//>
      ${busy && html`<span role="status">${t("bot.bench.progress", { n: done + 1, all: rows.length })}</span>
        <${Button} onClick=${() => (stopped.current = true)}>${t("bot.bench.stop")}<//>`}</p>`}
  </div>`;
}

/** Two answers side by side; the words that only one has are marked. @param {{ answers?: Record<string, Answer> }} props */
function Pair({ answers }) {
  if (!answers) return null;
  const { now, form } = answers;
  const parts = now?.text !== undefined && form?.text !== undefined ? difference(now.text, form.text) : null;
  const side = (/** @type {Answer} */ answer, /** @type {"before" | "after"} */ which) => {
    if (answer.trouble) return html`<p class="bot-said trouble"><${Icon} name="circle-alert" size=${16} /><span>${answer.trouble}</span></p>`;
    const shown = parts?.filter((part) => part.in === "both" || part.in === which) ?? [{ text: answer.text, in: "both" }];
    return html`<p class="bot-said" dir="auto">${shown.map((part) => (part.in === "both" ? part.text : html`<mark>${part.text}</mark>`))}</p>`;
  };
  return html`<div class="bot-pair">
    <div><p class="label">${t("bot.bench.now")}</p>${side(now, "before")}</div>
    ${form && html`<div><p class="label">${t("bot.bench.form")}</p>${side(form, "after")}</div>`}
    ${parts?.every((part) => part.in === "both") && html`<p class="small quiet">${t("bot.bench.same")}</p>`}
  </div>`;
}
