/** When a number is open, what customers are told who write outside of that, and what the bot does then. */

import { t } from "../core/words.js";
import { Button, Empty, Field, html, Switch, useEffect, useState } from "../ui/index.js";
import { useCall, useDesk } from "./desk.js";
import { Form } from "./parts.js";

const DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const MOST_SPANS = 6; // of one day, as the API has it
const WEEKDAY = [{ opens: "09:00", closes: "18:00" }];
/** What a number without hours begins with. */
const first = () => ({
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  week: Object.fromEntries(DAYS.map((day, place) => [day, place < 5 ? WEEKDAY : []])),
  exceptions: [],
  away_text: "",
  bot: "answers",
});

/** Browsers have no 24:00: there midnight, as an end, is the end of the day. @param {any[]} spans */
const written = (spans) => spans.map(({ opens, closes }) => ({ opens, closes: closes === "00:00" ? "24:00" : closes }));
/** @param {string} clock */
const shown = (clock) => (clock === "24:00" ? "00:00" : clock);

/** @param {{ row: any, onClose: () => void }} props */
export function HoursForm({ row, onClose }) {
  const { api, times } = useDesk();
  const path = `/accounts/${row.id}/hours`;
  const [now, setNow] = useState(/** @type {any} */ (null));
  const [saved, setSaved] = useState(/** @type {any} */ (null));
  const [form, setForm] = useState(/** @type {any} */ (null));
  const call = useCall();
  const take = (/** @type {any} */ body) => {
    setNow(body);
    const found = body.hours ? { ...body.hours, away_text: body.hours.away_text ?? "" } : first();
    const shown = { ...found, always: body.hours === null };
    setSaved(shown);
    setForm(shown);
  };
  const load = () => call.run(() => api.get(path)).then((/** @type {any} */ answer) => answer && take(answer.body));
  useEffect(() => void load(), []);
  const set = (/** @type {string} */ name) => (/** @type {any} */ value) => setForm({ ...form, [name]: value });
  const save = async () => {
    const week = Object.fromEntries(DAYS.map((day) => [day, written(form.week[day])]));
    const exceptions = form.exceptions.map((/** @type {any} */ each) => ({ date: each.date, spans: written(each.spans) }));
    const { always, ...rest } = form;
    const body = { ...rest, week, exceptions, away_text: form.away_text.trim() ? form.away_text : null };
    const answer = await call.run(() => (always ? api.del(path) : api.put(path, body)), t("settings.saved"));
    if (answer) take(answer.body);
  };
  if (form === null && call.trouble) {
    return html`<${Form} open=${true} title=${t("set.hours")} save=${t("settings.again")} busy=${call.busy} onSave=${load} onClose=${onClose}>
      <${Empty} icon="circle-alert" title=${call.trouble} /><//>`;
  }
  return html`<${Form} open=${true} title=${t("set.hours.of", { name: row.name })} save=${t("settings.save")} busy=${call.busy} trouble=${troubleOf(call, form, times)}
    changed=${JSON.stringify(form) !== JSON.stringify(saved)} onSave=${save} onClose=${onClose}>
    ${form !== null && html`
    ${now.hours && html`<p class="settings-note"><${Now} now=${now} /></p>`}
    <${Switch} label=${t("set.hours.always")} hint=${t("set.hours.always.hint")} checked=${form.always} onChange=${set("always")} />
    ${!form.always && html`<${Field} label=${t("set.hours.zone")} value=${form.zone} options=${zones(form.zone)} error=${call.errors["/zone"]} onChange=${set("zone")} />
    ${DAYS.map((day) => html`<${Spans} key=${day} name=${t(`set.hours.day.${day}`)} spans=${form.week[day]}
      onChange=${(/** @type {any[]} */ spans) => set("week")({ ...form.week, [day]: spans })} />`)}
    <p class="small quiet">${t("set.hours.night")}</p>
    <${Exceptions} list=${form.exceptions} onChange=${set("exceptions")} />
    <${Field} label=${t("set.hours.away_text")} hint=${t("set.hours.away_text.hint")} multiline rows="3" value=${form.away_text}
      error=${call.errors["/away_text"]} onChange=${set("away_text")} />
    <${Field} label=${t("set.hours.bot")} hint=${t(`set.hours.bot.${form.bot}.hint`)} value=${form.bot} onChange=${set("bot")}
      options=${["answers", "silent"].map((value) => ({ value, label: t(`set.hours.bot.${value}`) }))} />`}`}
  <//>`;
}

/**
 * What is wrong with hours has no field of its own: it is said below, with its day.
 * @param {Pick<ReturnType<typeof useCall>, "trouble" | "errors">} call @param {any} form @param {{ date(day: string): string }} times
 * @returns {string | null}
 */
export function troubleOf({ trouble, errors }, form, times) {
  const [wrong] = Object.entries(errors).filter(([pointer]) => pointer !== "/zone" && pointer !== "/away_text");
  if (!wrong) return trouble;
  const [pointer, said] = wrong;
  const [, list, at] = pointer.split("/");
  const date = list === "exceptions" && form.exceptions[at]?.date;
  const place = date ? times.date(date) : list === "week" && at ? t(`set.hours.day.${at}`) : "";
  return place ? t("set.hours.wrong", { place, said }) : said;
}

/** Open or closed, and until when: as it is saved. @param {{ now: any }} props */
function Now({ now }) {
  const { times } = useDesk();
  if (now.changes_at === null) return html`${t(now.open ? "set.hours.open" : "set.hours.closed")}`;
  return html`${t(now.open ? "set.hours.open_until" : "set.hours.closed_until", { at: times.moment(now.changes_at) })}`;
}

/** The time zones that this browser knows, and the one that is set. @param {string} set */
function zones(set) {
  const known = Intl.supportedValuesOf("timeZone");
  return (known.includes(set) ? known : [set, ...known]).map((value) => ({ value, label: value.replaceAll("_", " ") }));
}

/** The hours of one day. @param {{ name: string, spans: any[], onChange: (spans: any[]) => void }} props */
function Spans({ name, spans, onChange }) {
  const change = (/** @type {number} */ place, /** @type {any} */ part) => onChange(spans.map((span, at) => (at === place ? { ...span, ...part } : span)));
  const field = (/** @type {"opens"|"closes"} */ which, /** @type {number} */ place) => html`<input type="time" required class="input settings-time"
    aria-label=${t(`set.hours.${which}`, { day: name })} value=${shown(spans[place][which])}
    onInput=${(/** @type {any} */ event) => change(place, { [which]: event.currentTarget.value })} />`;
  return html`<div class="settings-day" role="group" aria-label=${name}>
    <span class="label">${name}</span>
    <span class="settings-spans">
      ${spans.length === 0 && html`<span class="quiet">${t("set.hours.closed_all_day")}</span>`}
      ${spans.map((_, place) => html`<span class="settings-span">${field("opens", place)}<span aria-hidden="true">–</span>${field("closes", place)}
        <${Button} icon="x" little label=${t("set.hours.remove", { day: name })} onClick=${() => onChange(spans.filter((_span, at) => at !== place))} /></span>`)}
    </span>
    ${spans.length < MOST_SPANS && html`<${Button} icon="plus" little label=${t("set.hours.add", { day: name })}
      onClick=${() => onChange([...spans, spans.length ? { opens: "", closes: "" } : WEEKDAY[0]])} />`}
  </div>`;
}

/** Dates whose hours differ. @param {{ list: any[], onChange: (list: any[]) => void }} props */
function Exceptions({ list, onChange }) {
  const change = (/** @type {number} */ place, /** @type {any} */ part) => onChange(list.map((each, at) => (at === place ? { ...each, ...part } : each)));
  return html`<fieldset class="settings-exceptions"><legend class="label">${t("set.hours.exceptions")}</legend>
    ${list.map((each, place) => html`<div class="settings-exception">
      <input type="date" required class="input settings-time" aria-label=${t("set.hours.date")} value=${each.date} onInput=${(/** @type {any} */ event) => change(place, { date: event.currentTarget.value })} />
      <${Spans} name=${each.date || t("set.hours.date")} spans=${each.spans} onChange=${(/** @type {any[]} */ spans) => change(place, { spans })} />
      <${Button} icon="trash-2" little label=${t("settings.remove", { name: each.date })} onClick=${() => onChange(list.filter((_each, at) => at !== place))} />
    </div>`)}
    <${Button} kind="tone" icon="plus" onClick=${() => onChange([...list, { date: "", spans: [] }])}>${t("set.hours.exceptions.add")}<//>
  </fieldset>`;
}
