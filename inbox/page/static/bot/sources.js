/** What the bot has read: files, texts and web pages. They are no part of the form: what is added is read at once. */

import { newKey } from "../core/ids.js";
import { upload } from "../core/upload.js";
import { has, plural, t } from "../core/words.js";
import { Button, Field, html, Icon, Menu, useEffect, useRef, useState } from "../ui/index.js";
import { useCall, useDesk, useRows } from "../settings/desk.js";
import { Ask, Form, Rows, Trouble } from "../settings/parts.js";

const LOOK = 2000; // ms between two looks at what is read
const LOOKS = 60; // then the reader may look again themselves
const ICONS = { page: "link", file: "file-text", text: "sticky-note" };

export function Sources() {
  const { api, boot } = useDesk();
  const path = `/accounts/${boot.account_id}/knowledge`;
  const list = useRows(path);
  const [adding, setAdding] = useState(/** @type {any} */ (null));
  const [removed, setRemoved] = useState(/** @type {any} */ (null));
  const [loaded, setLoaded] = useState(/** @type {number | null} */ (null));
  const looks = useRef(0);
  const picker = useRef(/** @type {HTMLInputElement | null} */ (null));
  const saving = useCall();
  const doing = useCall();
  const isReading = list.rows?.some((row) => row.state === "reading");
  useEffect(() => {
    if (!isReading || looks.current >= LOOKS) return;
    const timer = setTimeout(() => {
      looks.current += 1;
      list.reload();
    }, LOOK);
    return () => clearTimeout(timer);
  }, [list.rows]);
  const changed = () => {
    looks.current = 0;
    return list.reload();
  };
  const edit = (/** @type {any} */ source) => {
    saving.clear();
    setAdding(source);
  };
  const add = async () => {
    const source = adding.type === "page" ? { type: "page", url: addressOf(adding.url) } : adding;
    if (!(await saving.run(() => api.post(path, { source }), t("bot.know.added")))) return;
    setAdding(null);
    changed();
  };
  const take = async (/** @type {File | undefined} */ file) => {
    if (!file) return;
    const done = await doing.run(async () => {
      const given = isText(file) ? new File([file], file.name, { type: "text/plain" }) : file;
      const what = { file: given, accountId: boot.account_id, key: newKey() };
      const body = await upload(api, what, ({ received, size }) => (setLoaded(Math.round((100 * received) / size)), true));
      return api.post(path, { source: { type: "file", upload_id: body.id } });
    }, t("bot.know.added"));
    setLoaded(null);
    if (done) changed();
  };
  const refresh = async (/** @type {any} */ row) => {
    if (await doing.run(() => api.post(`/knowledge/${row.id}/refresh`))) changed();
  };
  const remove = async () => {
    if (!(await doing.run(() => api.del(`/knowledge/${removed.id}`), t("settings.removed")))) return;
    setRemoved(null);
    changed();
  };
  const actions = (/** @type {any} */ row) => [
    ...(row.kind === "page" ? [{ label: t("bot.know.refresh"), icon: "refresh-cw", onSelect: () => refresh(row) }] : []),
    { label: t("bot.know.remove"), icon: "trash-2", danger: true, onSelect: () => (doing.clear(), setRemoved(row)) },
  ];
  return html`<div class="bot-sources">
    <h3>${t("bot.know.sources")}</h3>
    <p class="quiet">${t("bot.know.what")}</p>
    <p class="buttons">
      <${Button} kind="tone" icon="link" onClick=${() => edit({ type: "page", url: "" })}>${t("bot.know.add.page")}<//>
      <${Button} kind="tone" icon="file-text" busy=${loaded !== null} onClick=${() => picker.current?.click()}>${t("bot.know.add.file")}<//>
      <${Button} kind="tone" icon="sticky-note" onClick=${() => edit({ type: "text", name: "", text: "" })}>${t("bot.know.add.text")}<//>
      ${loaded !== null && html`<span class="small quiet" role="status">${t("bot.know.loading", { percent: loaded })}</span>`}
    </p>
    <input ref=${picker} type="file" hidden accept=".pdf,.txt,.md,application/pdf,text/plain,text/markdown" aria-label=${t("bot.know.add.file")}
      onChange=${(/** @type {any} */ event) => (take(event.currentTarget.files[0]), (event.currentTarget.value = ""))} />
    <${Trouble} text=${removed ? null : (doing.trouble ?? Object.values(doing.errors)[0] ?? null)} />
    <${Rows} list=${list} icon="book-open" empty=${t("bot.know.none")} label=${t("bot.know.sources")}>${(/** @type {any} */ row) => html`
      <div class="settings-row">
        <${Icon} name=${ICONS[/** @type {"page"} */ (row.kind)]} />
        <span class="settings-what"><strong class="clip"><bdi>${row.name}</bdi></strong>
          ${row.url && html`<span class="small quiet clip" dir="ltr">${row.url}</span>`}
          <${Standing} row=${row} /></span>
        <${Menu} icon="ellipsis-vertical" label=${t("bot.know.more", { name: row.name })} items=${actions(row)} />
      </div>`}<//>
    <${Form} open=${adding !== null} title=${t(`bot.know.add.${adding?.type ?? "page"}`)} save=${t("bot.know.add")} busy=${saving.busy} trouble=${saving.trouble}
      onSave=${add} onClose=${() => setAdding(null)}>${adding && fieldsOf(adding, setAdding, saving.errors)}<//>
    <${Ask} open=${removed !== null} title=${t("bot.know.remove.ask", { name: removed?.name ?? "" })} action=${t("settings.remove.yes")} busy=${doing.busy}
      trouble=${doing.trouble} onYes=${remove} onClose=${() => setRemoved(null)}>${t("bot.know.remove.detail")}<//>
  </div>`;
}

/** @param {any} adding @param {(next: any) => void} set @param {Record<string, string>} errors */
function fieldsOf(adding, set, errors) {
  const error = (/** @type {string} */ name) => errors[`/source/${adding.type}/${name}`] ?? errors[`/source/${name}`];
  const field = (/** @type {string} */ name, more = {}) => html`<${Field} label=${t(`bot.know.${name}`)} value=${adding[name]} required
    error=${error(name)} onChange=${(/** @type {string} */ value) => set({ ...adding, [name]: value })} ...${more} />`;
  if (adding.type === "page") return field("url", { hint: t("bot.know.url.hint"), inputmode: "url" });
  return html`${field("name")}${field("text", { multiline: true, rows: 10, hint: t("bot.know.text.hint") })}`;
}

/** How far the reading of a source is, in a line. @param {{ row: any }} props */
function Standing({ row }) {
  const { times } = useDesk();
  const read = row.read_at && `${plural("bot.know.passages", row.passages)} · ${t("bot.know.read", { at: times.stamp(row.read_at) })}`;
  if (row.state === "reading") return html`<span class="meta" role="status">${t("bot.know.reading")}</span>`;
  if (row.state === "ready") return html`<span class="meta">${read}</span>`;
  const why = `bot.know.problem.${row.problem}`;
  return html`<span class="meta bot-wrong"><${Icon} name="circle-alert" size=${14} /> ${t(has(why) ? why : "bot.know.problem.broken")}</span>
    ${read && html`<span class="meta">${t("bot.know.still", { read })}</span>`}`;
}

/** What somebody types as an address, as all read it. @param {string} typed */
function addressOf(typed) {
  const text = typed.trim();
  try {
    const url = new URL(/^[a-z]+:/i.test(text) ? text : `https://${text}`);
    url.hash = "";
    return url.href;
  } catch {
    return text;
  }
}

/** @param {File} file */
const isText = (file) => file.type.startsWith("text/") || /\.(md|markdown|txt)$/i.test(file.name);
