/** Buttons under a text, and a list behind one: what the customer chooses comes back as their message. */

import { t } from "../core/words.js";
import { html } from "../ui/index.js";
import { ContentForm, Line, Several } from "./form.js";

/** @typedef {import("./form.js").Form} Form */
/** @typedef {import("./form.js").KindProps} KindProps */

const NO_ROW = { title: "", description: "" };
const NO_SECTION = { title: "", rows: [NO_ROW] };

/** Each with an id, by which a program knows the answer. @param {any[]} rows @param {number} [first] */
const numbered = (rows, first = 1) => rows.map((row, place) => ({ ...row, id: String(first + place) }));

/** @param {KindProps} props */
export function Buttons({ conversation, limits }) {
  const { ButtonsContent: own, ReplyButton: button } = limits;
  const empty = { type: "buttons", text: "", header: "", footer: "", buttons: [{ title: "" }] };
  const finish = (/** @type {any} */ content) => ({ ...content, buttons: numbered(content.buttons) });
  return html`<${ContentForm} conversation=${conversation} empty=${empty} finish=${finish}>
    ${(/** @type {Form} */ form) => html`
      <${Around} form=${form} own=${own}>
        <fieldset><legend class="label">${t("send.buttons.all")}</legend>
          <${Several} rows=${form.content.buttons} full=${form.content.buttons.length >= (own.buttons.maxItems ?? 0)} empty=${{ title: "" }}
            add=${t("send.buttons.add")} remove=${(/** @type {number} */ place) => t("send.buttons.remove", { n: place + 1 })}
            onChange=${(/** @type {any[]} */ buttons) => form.set({ buttons })}>
            ${(/** @type {any} */ row, /** @type {number} */ place, /** @type {any} */ set) => html`<${Line} form=${form} at=${`/buttons/${place}/title`}
              bound=${button.title} label=${t("send.buttons.n", { n: place + 1 })} hiddenLabel placeholder=${t("send.buttons.n", { n: place + 1 })} value=${row.title}
              onChange=${(/** @type {string} */ title) => set({ ...row, title })} />`}
          <//>
        </fieldset>
      <//>`}
  <//>`;
}

/** @param {KindProps} props */
export function List({ conversation, limits }) {
  const { ListContent: own, ListSection: section, ListRow: row } = limits;
  const empty = { type: "list", text: "", header: "", footer: "", button: t("send.list.choose"), sections: [NO_SECTION] };
  const finish = (/** @type {any} */ content) => {
    let first = 1;
    const sections = content.sections.map((/** @type {any} */ each) => {
      const rows = numbered(each.rows, first);
      first += rows.length;
      return { ...each, rows };
    });
    return { ...content, sections };
  };
  return html`<${ContentForm} conversation=${conversation} empty=${empty} finish=${finish}>
    ${(/** @type {Form} */ form) => {
      const { sections, button } = form.content;
      const count = sections.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.rows.length, 0);
      const full = count >= (own.rows.maxItems ?? 0);
      return html`<${Around} form=${form} own=${own}>
        <${Line} form=${form} at="/button" bound=${own.button} label=${t("send.list.button")} value=${button}
          onChange=${(/** @type {string} */ value) => form.set({ button: value })} />
        <${Several} class="writing-sections" rows=${sections} full=${full || sections.length >= (own.sections.maxItems ?? 0)} empty=${NO_SECTION}
          add=${t("send.list.section.add")} remove=${(/** @type {number} */ place) => t("send.list.section.remove", { n: place + 1 })}
          onChange=${(/** @type {any[]} */ changed) => form.set({ sections: changed })}>
          ${(/** @type {any} */ each, /** @type {number} */ at, /** @type {any} */ set) => html`<fieldset>
            <legend class="label">${sections.length > 1 ? t("send.list.section.n", { n: at + 1 }) : t("send.list.rows")}</legend>
            ${sections.length > 1 && html`<${Line} form=${form} at=${`/sections/${at}/title`} bound=${section.title} required label=${t("send.list.section.title")}
              value=${each.title} onChange=${(/** @type {string} */ title) => set({ ...each, title })} />`}
            <${Several} rows=${each.rows} full=${full} empty=${NO_ROW} add=${t("send.list.add")}
              remove=${(/** @type {number} */ place) => t("send.list.remove", { n: place + 1 })} onChange=${(/** @type {any[]} */ rows) => set({ ...each, rows })}>
              ${(/** @type {any} */ one, /** @type {number} */ place, /** @type {any} */ put) => html`<${Row} form=${form} bounds=${row} row=${one}
                at=${`/sections/${at}/rows/${place}`} n=${place + 1} set=${put} />`}
            <//>
          </fieldset>`}
        <//>
      <//>`;
    }}
  <//>`;
}

/** @param {{ form: Form, bounds: Record<string, import("./form.js").Bound>, row: any, at: string, n: number, set: (row: any) => void }} props */
function Row({ form, bounds, row, at, n, set }) {
  return html`<span class="writing-pair">
    <${Line} form=${form} at=${`${at}/title`} bound=${bounds.title} label=${t("send.list.row", { n })} hiddenLabel placeholder=${t("send.list.row", { n })}
      value=${row.title} onChange=${(/** @type {string} */ title) => set({ ...row, title })} />
    <${Line} form=${form} at=${`${at}/description`} bound=${bounds.description} label=${t("send.list.more", { n })} hiddenLabel placeholder=${t("send.list.more.hint")}
      value=${row.description} onChange=${(/** @type {string} */ description) => set({ ...row, description })} />
  </span>`;
}

/** What both have: a text, with a title above it and a small line below. @param {{ form: Form, own: any, children?: any }} props */
function Around({ form, own, children }) {
  const line = (/** @type {string} */ name, /** @type {any} */ more = {}) => html`<${Line} form=${form} at=${`/${name}`} bound=${own[name]}
    label=${t(`send.part.${name}`)} value=${form.content[name]} onChange=${(/** @type {string} */ value) => form.set({ [name]: value })} ...${more} />`;
  return html`${line("text", { multiline: true, rows: 3 })}${children}
    <div class="writing-edges">${line("header")}${line("footer")}</div>`;
}
