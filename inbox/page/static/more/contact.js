/** Of the contact beside the conversation: details that the number defines, who may be the same person, blocking. */

import { numberIn, writtenNumber } from "../core/numbers.js";
import { language, t } from "../core/words.js";
import { Button, Dialog, Field, html, toast, useEffect, useState } from "../ui/index.js";
import { reasonOf } from "../inbox/attach.js";
import { useApp } from "../inbox/context.js";
import { shownNumber } from "../inbox/phone.js";
import { nameOf, numberOf } from "../inbox/row.js";
import { Plain } from "../inbox/text.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */
/** @typedef {{ id: string, name: string, kind: "text" | "number" | "date" | "choice", choices: string[] }} Detail */

/** @param {() => Promise<any>} call */
async function attempt(call) {
  try {
    return (await call()).body;
  } catch (error) {
    toast(reasonOf(error));
  }
}

/**
 * What is answered at `path`, once it is. @template T
 * @param {import("../core/api.js").Api} api @param {string} path @param {(body: T) => void} onBody
 */
function useAnswer(api, path, onBody) {
  useEffect(() => {
    let current = true;
    api.get(path).then(({ body }) => current && onBody(body), () => {});
    return () => void (current = false);
  }, [path]);
}

/** @param {{ conversation: Conversation, may: boolean }} props */
export function ContactDetails({ conversation, may }) {
  const { api, team } = useApp();
  const details = team.details.of(conversation.account_id);
  const [values, setValues] = useState(/** @type {Record<string, any> | null} */ (null));
  const path = `/contacts/${conversation.contact_id}`;
  useAnswer(api, path, (/** @type {any} */ body) => setValues(body.fields));
  /** @param {Detail} detail @param {string | number | null} value */
  const write = async (detail, value) => {
    if (value === (values?.[detail.id] ?? null)) return;
    const body = await attempt(() => api.patch(path, { fields: { [detail.id]: value } }));
    if (body) setValues(body.fields);
  };
  return (
    details.length > 0 &&
    html`<section class="details-section"><h3>${t("details.more")}</h3>
      ${details.map((detail) => html`<${One} key=${detail.id} detail=${detail} value=${values?.[detail.id]} may=${may && values !== null} onWrite=${write} />`)}
    </section>`
  );
}

/** Who may be the same person. It comes late and seldom, so it stands last: it pushes nothing down. @param {{ conversation: Conversation }} props */
export function Alike({ conversation }) {
  const { api } = useApp();
  const [alike, setAlike] = useState(/** @type {any[]} */ ([]));
  const [asking, setAsking] = useState(/** @type {any} */ (null)); // about one of those
  const [busy, setBusy] = useState(false);
  const path = `/contacts/${conversation.contact_id}`;
  useAnswer(api, `${path}/duplicates`, setAlike);
  const leave = () => setAsking(null);
  const merge = async () => {
    setBusy(true);
    if (await attempt(() => api.post(`${path}/merge`, { other_id: asking.id }))) setAlike((had) => had.filter((each) => each !== asking));
    setBusy(false);
    leave();
  };
  return html`
    ${alike.length > 0 && html`<section class="details-section"><h3>${t("details.alike")}</h3>
      <ul>${alike.map((each) => html`<li key=${each.id} class="details-alike">
        <span class="clip"><${Plain} text=${each.display_name ?? ""} /> <bdi>${otherName(each)}</bdi></span>
        <${Button} little onClick=${() => setAsking(each)}>${t("details.merge")}<//></li>`)}</ul>
    </section>`}
    <${Dialog} open=${asking !== null} title=${t("details.merge.ask")} onClose=${leave} actions=${html`
      <${Button} onClick=${leave}>${t("ui.cancel")}<//>
      <${Button} kind="filled" busy=${busy} onClick=${merge}>${t("details.merge")}<//>`}>
      <p><strong><${Plain} text=${nameOf(conversation)} /></strong> <bdi>${numberOf(conversation)}</bdi><br />
        <strong><${Plain} text=${asking?.display_name ?? ""} /></strong> <bdi>${asking && otherName(asking)}</bdi></p>
      <p>${t("details.merge.detail")}</p>
    <//>`;
}

/** How a contact of the same name is told apart. @param {any} contact */
const otherName = ({ whatsapp_number: number, username }) => (number ? shownNumber(number) : username && `@${username}`);

/** @param {{ detail: Detail, value: any, may: boolean, onWrite: (detail: Detail, value: string | number | null) => void }} props */
function One({ detail, value, may, onWrite }) {
  const [text, setText] = useState("");
  useEffect(() => setText(typeof value === "number" ? writtenNumber(value, language()) : (value ?? "")), [value]);
  const common = { label: detail.name, value: text, disabled: !may };
  const leave = (/** @type {string} */ typed) => {
    const number = detail.kind === "number" ? numberIn(typed, language()) : null;
    onWrite(detail, typed.trim() === "" ? null : (number ?? typed)); // what is none is refused, and stays in the field
  };
  if (detail.kind === "choice") {
    const options = ["", ...new Set([...(value ? [value] : []), ...detail.choices])].map((each) => ({ value: each, label: each || "–" }));
    return html`<${Field} ...${common} options=${options} onChange=${leave} />`;
  }
  return html`<${Field} ...${common} type=${detail.kind === "date" ? "date" : "text"} maxlength="500" onChange=${setText}
    inputmode=${detail.kind === "number" ? "decimal" : undefined}
    onBlur=${(/** @type {any} */ event) => leave(event.currentTarget.value)}
    onKeyDown=${(/** @type {any} */ event) => event.key === "Enter" && event.currentTarget.blur()} />`;
}
