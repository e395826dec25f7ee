/** Files to be sent: chosen, dropped or pasted, with their progress, until they leave with the next message. */

import { mayPass } from "../core/attachments.js";
import { t } from "../core/words.js";
import { Button, html, Icon, useRef } from "../ui/index.js";
import { whyNot } from "./actions.js";
import { useApp } from "./context.js";
import { bytes } from "./figures.js";
import { Plain } from "./text.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */

/** @param {{ conversation: Conversation }} props */
export function AttachButton({ conversation }) {
  const { attachments } = useApp();
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const chosen = (/** @type {any} */ event) => {
    attachments.add(conversation, [...event.currentTarget.files]);
    event.currentTarget.value = ""; // the same file may be chosen again
  };
  return html`<${Button} class="composer-attach" icon="paperclip" label=${t("attach.open")} onClick=${() => input.current?.click()} />
    <input type="file" multiple hidden ref=${input} onChange=${chosen} />`;
}

/** The files that wait beside the field. @param {{ conversation: Conversation }} props */
export function Attached({ conversation }) {
  const { attachments } = useApp();
  const rows = attachments.of(conversation.id).value;
  if (rows.length === 0) return null;
  return html`<ul class="attached" aria-label=${t("attach.files")}>
    ${rows.map((row) => html`<li key=${row.key}><${AttachedFile} row=${row} attachments=${attachments} /></li>`)}
  </ul>`;
}

/**
 * A file on its way, with what can be done about it.
 * @param {{ row: import("../core/attachments.js").Attached, attachments: import("../core/attachments.js").Attachments }} props
 */
export function AttachedFile({ row, attachments }) {
  return html`<div class="attached-file">
      <${Icon} name=${row.state === "failed" ? "circle-alert" : "file"} size=${16} />
      <span class="attached-name"><${Plain} text=${row.file.name || t("attach.pasted")} /></span>
      ${row.problem
        ? html`<span class="attached-why danger" role="alert">${reasonOf(row.problem)}</span>`
        : row.state === "loading"
          ? html`<progress max=${row.file.size} value=${row.sent} aria-label=${t("attach.progress", { name: row.file.name })}></progress>`
          : html`<span class="quiet small">${bytes(row.file.size)}</span>`}
      ${row.state === "failed" && mayPass(row.problem) && html`<${Button} little icon="rotate-ccw" label=${t("attach.again")} onClick=${() => attachments.again(row.key)} />`}
      <${Button} little icon="x" label=${t(row.state === "loading" ? "attach.cancel" : "attach.remove")} onClick=${() => attachments.remove(row.key)} />
    </div>`;
}

/** What is wrong with a file or a field, else why the server refused. @param {any} problem */
export function reasonOf(problem) {
  return problem.errors?.[0]?.problem ?? whyNot(problem);
}

/** What a part of the page does with files that are dropped on it. @param {(files: File[]) => void} take */
export const dropping = (take) => ({
  onDragOver: (/** @type {DragEvent} */ event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  },
  onDrop: (/** @type {DragEvent} */ event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    take(files);
  },
});
