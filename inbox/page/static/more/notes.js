/** The notes of a conversation in its details: what colleagues should know, apart from what was said. */

import { t } from "../core/words.js";
import { Button, Field, html, Menu, toast, useState } from "../ui/index.js";
import { whyNot } from "../inbox/actions.js";
import { useApp } from "../inbox/context.js";
import { Words } from "../inbox/text.js";

/** @typedef {import("../core/types.js").Note} NoteRow */

/**
 * @param {{ notes: readonly NoteRow[], mayWrite: boolean, manages: boolean }} props
 */
export function NoteList({ notes, mayWrite, manages }) {
  return html`<ul class="notes">
    ${notes.map((note) => html`<${NoteItem} key=${note.id} note=${note} mayWrite=${mayWrite} manages=${manages} />`)}
  </ul>`;
}

/** @param {{ note: NoteRow, mayWrite: boolean, manages: boolean }} props */
function NoteItem({ note, mayWrite, manages }) {
  const { store, times } = useApp();
  const [editing, setEditing] = useState(false);
  const mine = note.author.id === store.me.value.id;
  const remove = useRemoval(note);
  const items = [
    mine && { label: t("notes.edit"), icon: "pencil", onSelect: () => setEditing(true) },
    { label: t("notes.remove"), icon: "trash-2", danger: true, onSelect: remove },
  ];
  if (editing) return html`<li class="note"><${NoteForm} note=${note} onEnd=${() => setEditing(false)} /></li>`;
  return html`<li class="note">
    <p class="note-head">
      <span class="clip">${mine ? t("voice.you") : (note.author.name ?? t("voice.us"))}</span>
      <time datetime=${note.created_at} title=${times.full(note.created_at)}>${times.short(note.created_at)}</time>
      ${mayWrite && (mine || manages) && html`<${Menu} label=${t("bubble.more")} icon="ellipsis" little items=${items} />`}
    </p>
    <${Words} id=${`note ${note.id}`} text=${note.text} />
  </li>`;
}

/** @param {{ note: NoteRow, onEnd: () => void }} props */
function NoteForm({ note, onEnd }) {
  const { api, store } = useApp();
  const [text, setText] = useState(note.text);
  const [busy, setBusy] = useState(false);
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const { body } = await api.patch(`/notes/${note.id}`, { text });
      store.applyNotes([body]);
      onEnd();
    } catch (error) {
      setBusy(false); // what was written stays in the field
      toast(whyNot(error));
    }
  };
  const left = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    onEnd();
  };
  return html`<form onSubmit=${save} onKeyDown=${left}>
    <${Field} label=${t("notes.text")} hiddenLabel multiline value=${text} onChange=${setText} autofocus />
    <div class="buttons end">
      <${Button} little onClick=${onEnd}>${t("ui.cancel")}<//>
      <${Button} little kind="filled" type="submit" busy=${busy} disabled=${!text.trim()}>${t("ui.save")}<//>
    </div>
  </form>`;
}

/** Our server forgets the text of a note that is taken back; undoing writes it once more. @param {NoteRow} note */
function useRemoval(note) {
  const { api, store } = useApp();
  return async () => {
    try {
      const { body } = await api.del(`/notes/${note.id}`);
      store.applyNotes([body]);
      toast(t("notes.removed"), { undo: () => addAgain(api, store, note) });
    } catch (error) {
      toast(whyNot(error));
    }
  };
}

/**
 * @param {import("../core/api.js").Api} api
 * @param {import("../core/store.js").Store} store
 * @param {NoteRow} note
 */
async function addAgain(api, store, note) {
  try {
    const { body } = await api.post(`/conversations/${note.conversation_id}/notes`, { text: note.text });
    store.applyNotes([body]);
  } catch (error) {
    toast(whyNot(error));
  }
}
