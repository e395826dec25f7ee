/** Choosing a template, filling it in, and sending it: all that WhatsApp takes once the reply window is closed. */

import { newKey } from "../core/ids.js";
import { plain } from "../core/text.js";
import { has, t } from "../core/words.js";
import { Button, Chip, classes, Field, html, Icon, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "../ui/index.js";
import { whyNot } from "../inbox/actions.js";
import { useApp } from "../inbox/context.js";
import { Plain } from "../inbox/text.js";
import { HeaderFile, HeaderPreview, useFile } from "./file.js";
import { Trouble, useKept } from "./form.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */
/** @typedef {{ name: string, kind: string, slot: string, example: string | null, max_length: number, mime_types: string[] }} Parameter */
/**
 * As GET /accounts/…/templates tells it.
 * @typedef {{ id: string, name: string, language: string, category: string, status: string, refusal: string | null,
 *   reason: string | null, header: string, body: string, footer: string, buttons: string[], parameters: Parameter[] }} Template
 */
/** @typedef {{ templates: Template[], synced_at: string | null, error: string | null }} Listed */

const ASK_EVERY = 1500; // ms, while WhatsApp is being asked
const ASKED_LONG = 40; // times: then it will not come any more
const CONTROLS = "input:not([hidden]), textarea, button"; // the first of them is filled in first
const SLOT = /(\{\{\s*\w+\s*\}\})/;

/** @param {{ conversation: Conversation }} props */
export function Choosing({ conversation }) {
  const [chosen, setChosen] = useState(/** @type {Template | null} */ (null));
  const listed = useTemplates(conversation.account_id);
  return chosen
    ? html`<${FillIn} key=${chosen.id} template=${chosen} conversation=${conversation} onBack=${() => setChosen(null)} />`
    : html`<${Choices} listed=${listed} onChoose=${setChosen} />`;
}

/**
 * The templates of a number. One that WhatsApp was never asked about is asked at once.
 * @param {string} accountId
 */
function useTemplates(accountId) {
  const { api } = useApp();
  const [listed, setListed] = useState(/** @type {Listed | null} */ (null));
  const [trouble, setTrouble] = useState(/** @type {string | null} */ (null));
  const [asking, setAsking] = useState(false);
  const path = `/accounts/${accountId}/templates`;
  const read = async () => {
    const { body } = await api.get(path);
    setListed(body);
    return /** @type {Listed} */ (body);
  };
  const ask = async () => {
    setTrouble(null);
    setAsking(true);
    try {
      const before = (await read()).synced_at;
      await api.post(`${path}/sync`);
      for (let times = 0; times < ASKED_LONG; times += 1) {
        await new Promise((done) => setTimeout(done, ASK_EVERY));
        const now = await read();
        if (now.synced_at !== before || now.error) break;
      }
    } catch (error) {
      setTrouble(whyNot(error));
    } finally {
      setAsking(false);
    }
  };
  useEffect(() => {
    read().then(
      (found) => (found.synced_at === null ? ask() : undefined),
      (error) => setTrouble(whyNot(error)),
    );
  }, [accountId]);
  return { templates: listed?.templates ?? null, trouble: trouble ?? listed?.error ?? null, asking, ask };
}

/**
 * @param {object} props
 * @param {ReturnType<typeof useTemplates>} props.listed
 * @param {(template: Template) => void} props.onChoose
 */
function Choices({ listed, onChoose }) {
  const [q, setQ] = useState("");
  const { templates, trouble, asking, ask } = listed;
  const shown = useMemo(() => found(templates ?? [], q), [templates, q]);
  return html`
    <input class="input" type="search" value=${q} autofocus aria-label=${t("template.search")} dir="auto"
      placeholder=${t("template.search")} onInput=${(/** @type {any} */ event) => setQ(event.currentTarget.value)} />
    ${asking && html`<p class="small quiet" role="status">${t("template.asking")}</p>`}
    ${trouble && html`<p class="small danger" role="alert">${t("template.trouble", { reason: trouble })}</p>`}
    ${templates && !asking && shown.length === 0 &&
    html`<p class="small quiet">${templates.length ? t("template.nothing") : t("template.none")}</p>`}
    <ul class="templates-list">
      ${shown.map((each) => html`<li key=${each.id}><${Choice} template=${each} onChoose=${onChoose} /></li>`)}
    </ul>
    <p><${Button} little icon="refresh-cw" disabled=${asking || !templates} onClick=${ask}>${t("template.again")}<//></p>`;
}

/** @param {{ template: Template, onChoose: (template: Template) => void }} props */
function Choice({ template, onChoose }) {
  const refused = template.refusal !== null;
  return html`<button type="button" class=${classes("templates-choice", refused && "templates-refused")}
    aria-disabled=${refused} onClick=${() => !refused && onChoose(template)}>
    <span class="templates-name"><${Plain} text=${template.name} /></span>
    <${Chip}>${template.language}<//>
    <${Chip}>${categoryOf(template)}<//>
    <span class="templates-text clip"><${Plain} text=${template.body} /></span>
    ${refused && html`<span class="templates-why"><${Icon} name="circle-alert" size=${16} />
      ${t(`template.refusal.${template.refusal}`)}${template.reason && html` (<${Plain} text=${template.reason} />)`}</span>`}
  </button>`;
}

/** @param {{ template: Template, conversation: Conversation, onBack: () => void }} props */
function FillIn({ template, conversation, onBack }) {
  const { api, panels, store } = useApp();
  const [values, keep, forget] = useKept(conversation.id, `template ${template.id}`, {});
  const [wrong, setWrong] = useState(/** @type {Record<string, string>} */ ({}));
  const [trouble, setTrouble] = useState(/** @type {string | null} */ (null));
  const [busy, setBusy] = useState(false);
  const key = useRef(newKey()); // what is sent again after a broken connection is one message
  const header = template.parameters.find(({ mime_types }) => mime_types.length > 0);
  const file = useFile(conversation);
  const id = useId();
  const ready = values !== null;
  useLayoutEffect(() => {
    /** @type {HTMLElement | null | undefined} */ (document.getElementById(id)?.querySelector(`.writing-fields :is(${CONTROLS})`))?.focus();
  }, [ready]);
  if (!ready) return null;
  const missing = template.parameters.some((each) => !values[each.name]?.trim() && !(each === header && file.uploadId));
  const change = (/** @type {string} */ name) => (/** @type {string} */ value) => {
    key.current = newKey();
    keep({ ...values, [name]: value });
    setWrong((now) => ({ ...now, [name]: "", "/upload_id": "" }));
  };
  const anew = () => {
    keep({});
    forget();
  };
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (missing || busy) return;
    setBusy(true);
    setTrouble(null);
    const { uploadId } = file;
    try {
      const { body } = await api.post("/messages/send-template", {
        conversation_id: conversation.id,
        template_id: template.id,
        parameters: ofTemplate(template, values, uploadId && header ? header.name : ""),
        ...(uploadId ? { upload_id: uploadId } : {}),
        client_key: key.current,
      });
      file.keep();
      forget();
      store.applyPosted(body.message);
      panels.closeDialog();
    } catch (error) {
      const told = Object.fromEntries((/** @type {any} */ (error).errors ?? []).map(nameAndProblem));
      setWrong(told);
      if (!Object.keys(told).length) setTrouble(whyNot(error));
      setBusy(false);
    }
  };
  return html`<form class="writing-form" id=${id} onSubmit=${send}>
    <p class="templates-head"><${Button} little icon="arrow-left" onClick=${onBack}>${t("template.back")}<//>
      <span class="templates-name"><${Plain} text=${template.name} /></span>
      <${Chip}>${template.language}<//><${Chip}>${categoryOf(template)}<//></p>
    <div class="writing-fields">
    ${template.parameters.map((each) => each === header
      ? html`<${HeaderFile} key=${each.name} parameter=${each} file=${file} value=${values[each.name]} onChange=${change(each.name)}
          error=${wrong["/upload_id"] || wrong[each.name] || null} onFile=${() => change(each.name)("")} />`
      : html`<${Field} key=${each.name} label=${labelOf(template, each)}
          value=${values[each.name] ?? ""} maxlength=${each.max_length} autocomplete="off"
          hint=${each.example && t("template.example", { example: each.example })} error=${wrong[each.name] || null}
          onChange=${change(each.name)} />`)}
    ${trouble && html`<${Trouble} text=${trouble} />`}
    </div>
    <${Preview} template=${template} values=${values} header=${header && html`<${HeaderPreview} parameter=${header} row=${file.row} address=${values[header.name]} />`} />
    <p class="buttons end">
      ${Object.values(values).some(Boolean) && html`<${Button} icon="rotate-ccw" class="writing-anew" onClick=${anew}>${t("send.anew")}<//>`}
      <${Button} kind="filled" type="submit" icon="send-horizontal" aria-disabled=${missing || busy}>${t("template.send")}<//></p>
  </form>`;
}

/** The message as the customer will read it. @param {{ template: Template, values: Record<string, string>, header?: any }} props */
function Preview({ template, values, header }) {
  return html`<figure class="writing-preview">
    <figcaption class="label">${t("template.preview")}</figcaption>
    <div class="bubble">
      ${header}${template.header && html`<p class="bubble-title">${filled(template.header, "header", values)}</p>`}
      <p class="words">${filled(template.body, "body", values)}</p>
      ${template.footer && html`<p class="bubble-card-more"><${Plain} text=${template.footer} /></p>`}
      ${template.buttons.length > 0 && html`<ul class="bubble-options">${template.buttons.map(
        (each) => html`<li key=${each}><${Plain} text=${each} /></li>`)}</ul>`}
    </div>
  </figure>`;
}

/**
 * A text with its values in their places; what is still to be filled in stands out.
 * @param {string} text @param {string} part @param {Record<string, string>} values
 */
function filled(text, part, values) {
  return text.split(SLOT).map((piece, place) => {
    if (place % 2 === 0) return html`<${Plain} text=${piece} />`;
    const value = values[`${part}.${piece.replace(/[{}\s]/g, "")}`];
    return value ? html`<strong><${Plain} text=${value} /></strong>` : html`<mark>${piece}</mark>`;
  });
}

/** @param {{ pointer: string, problem: string }} error @returns {[string, string]} */
const nameAndProblem = ({ pointer, problem }) => [pointer.replace("/parameters/", ""), problem];

/**
 * Its values; what was kept of a parameter that it has no more is left out.
 * @param {Template} template @param {Record<string, string>} values @param {string} without
 */
const ofTemplate = ({ parameters }, values, without) =>
  Object.fromEntries(parameters.filter(({ name }) => name !== without).map(({ name }) => [name, values[name]]));

/** @param {Template} template @param {Parameter} parameter */
function labelOf(template, { name, kind, slot }) {
  const [part, place] = name.split(".");
  if (part === "button") return t(`template.button.${kind}`, { name: template.buttons[Number(place)] ?? "" });
  return t(`template.part.${part}`, { slot });
}

/** @param {Template} template */
function categoryOf({ category }) {
  return has(`kind.template.${category}`) ? t(`kind.template.${category}`) : category;
}

/** Those that have all the letters, what can be sent first. @param {Template[]} templates @param {string} q */
function found(templates, q) {
  const wanted = plain(q.trim());
  const all = templates.filter((each) => plain(`${each.name} ${each.language} ${each.header} ${each.body}`).includes(wanted));
  return [...all.filter((each) => each.refusal === null), ...all.filter((each) => each.refusal !== null)];
}
