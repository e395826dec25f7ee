/** The file of a template's header: chosen or dropped, on its way to the server, and seen as the customer will see it. */

import { createAttachments } from "../core/attachments.js";
import { t } from "../core/words.js";
import { AttachedFile, dropping } from "../inbox/attach.js";
import { useApp } from "../inbox/context.js";
import { Plain } from "../inbox/text.js";
import { Button, Field, html, Icon, useEffect, useId, useMemo, useRef, useState } from "../ui/index.js";
import { Trouble } from "./form.js";

/** @typedef {import("../core/attachments.js").Attached} Attached */
/** @typedef {import("./templates.js").Parameter} Parameter */

/**
 * One file; what is not sent in the end is taken away from the server.
 * @param {import("../core/types.js").Conversation} conversation
 */
export function useFile(conversation) {
  const { api, clock, store } = useApp();
  const [attachments] = useState(() => createAttachments({ api, store, clock }));
  const sent = useRef(false);
  const rows = attachments.of(conversation.id);
  const clear = () => rows.value.forEach(({ key }) => attachments.remove(key));
  useEffect(() => () => (sent.current ? undefined : clear()), []);
  const row = /** @type {Attached | null} */ (rows.value[0] ?? null);
  return {
    attachments,
    row,
    uploadId: row?.state === "ready" ? row.uploadId : null,
    clear,
    /** @param {File[]} files */
    choose(files) {
      if (files.length === 0) return;
      clear();
      attachments.add(conversation, files.slice(0, 1));
    },
    /** It is a message's now. */
    keep() {
      sent.current = true;
    },
  };
}

/**
 * @param {{ parameter: Parameter, file: ReturnType<typeof useFile>, value: string | undefined, error: string | null,
 *   onChange: (address: string) => void, onFile: () => void }} props
 */
export function HeaderFile({ parameter, file, value, error, onChange, onFile }) {
  const id = useId();
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [byAddress, setByAddress] = useState(Boolean(value)); // one that was kept is shown
  const { kind, mime_types: types, max_length: most } = parameter;
  const swap = () => {
    file.clear();
    onChange("");
    setByAddress(!byAddress);
  };
  const choose = (/** @type {File[]} */ files) => {
    onFile();
    file.choose(files);
  };
  return html`<div class="writing-file" role="group" aria-labelledby=${id} ...${byAddress ? {} : dropping(choose)}>
    <p class="label" id=${id}>${t(`template.header.${kind}`)}</p>
    ${byAddress
      ? html`<${Field} label=${t(`template.file.${kind}`)} type="url" value=${value ?? ""} maxlength=${most} autocomplete="off" error=${error} onChange=${onChange} />`
      : html`
        ${file.row && html`<${AttachedFile} row=${file.row} attachments=${file.attachments} />`}
        <p class="buttons"><${Button} kind="tone" icon=${kind === "image" ? "image" : kind === "video" ? "video" : "file"} onClick=${() => input.current?.click()}>
          ${t(file.row ? "template.choose_other" : `template.choose.${kind}`)}<//><span class="small quiet writing-drop">${t("template.drop")}</span></p>
        <input type="file" hidden ref=${input} accept=${types.join(",")} onChange=${(/** @type {any} */ event) => {
          choose([...event.currentTarget.files]);
          event.currentTarget.value = ""; // the same file may be chosen again
        }} />
        ${error && html`<${Trouble} text=${error} />`}`}
    <${Button} little onClick=${swap}>${t(byAddress ? "template.by_file" : "template.by_address")}<//>
  </div>`;
}

/** The header as the customer will see it. @param {{ parameter: Parameter, row: Attached | null, address: string | undefined }} props */
export function HeaderPreview({ parameter, row, address }) {
  const file = row && row.state !== "failed" ? row.file : null;
  const seen = file !== null && parameter.kind !== "document" && parameter.mime_types.includes(file.type);
  const url = useMemo(() => (file && seen ? URL.createObjectURL(file) : null), [file, seen]);
  useEffect(() => () => (url ? URL.revokeObjectURL(url) : undefined), [url]);
  if (url && parameter.kind === "image") return html`<img class="writing-picture" src=${url} alt="" />`;
  if (url) return html`<video class="writing-picture" src=${url} muted controls aria-label=${t("kind.video")}></video>`;
  const icon = parameter.kind === "image" ? "image" : parameter.kind === "video" ? "video" : "file-text";
  return html`<div class="bubble-card"><${Icon} name=${icon} />
    <p class="bubble-card-title"><${Plain} text=${file?.name || address || t(`kind.${parameter.kind}`)} /></p></div>`;
}
