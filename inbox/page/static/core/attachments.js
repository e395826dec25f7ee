import { computed, signal } from "../vendor/signals-core.js";
import { Refused } from "./api.js";
import { newKey } from "./ids.js";
import { upload } from "./upload.js";

/**
 * Files on their way to the server, in pieces: one that broke off goes on where it was. They wait beside the field until
 * they are sent, and are gone with the page.
 * @typedef {object} Attached
 * @property {string} key of the upload
 * @property {string} messageKey of the message it will be
 * @property {string} conversationId
 * @property {string} accountId
 * @property {File} file
 * @property {number} sent bytes that the server has
 * @property {"loading"|"ready"|"failed"} state
 * @property {any} problem why it failed
 * @property {string} uploadId empty until the server knows it
 * @property {string} kind of the message it will be
 */

const TRIES = [1000, 2000, 4000, 8000, 15_000]; // ms before each next try
const OF_THE_FILE = [400, 413, 415, 422]; // refusals that the same file will have again
const CAPTIONED = new Set(["image", "video", "document"]);

/** Whether the same file may be taken another time. @param {unknown} problem */
export const mayPass = (problem) => !(problem instanceof Refused && OF_THE_FILE.includes(problem.status));

/**
 * @param {object} parts
 * @param {import("./api.js").Api} parts.api
 * @param {import("./store.js").Store} parts.store
 * @param {import("./types.js").Clock} parts.clock
 */
export function createAttachments({ api, store, clock }) {
  const rows = signal(/** @type {Attached[]} */ ([]));
  /** @type {Map<string, {value: Attached[]}>} */
  const views = new Map();
  /** @param {string} key */
  const find = (key) => rows.peek().find((row) => row.key === key);
  /** @param {string} key @param {Partial<Attached>} fields */
  const change = (key, fields) => {
    rows.value = rows.peek().map((row) => (row.key === key ? { ...row, ...fields } : row));
  };
  /** @param {string} key */
  const drop = (key) => {
    rows.value = rows.peek().filter((row) => row.key !== key);
  };

  /** Bring all of a file to the server, or say why not. @param {string} key */
  async function load(key) {
    for (let tries = 0; find(key); ) {
      try {
        if (await bring(key, () => (tries = 0))) return;
      } catch (error) {
        const refused = error instanceof Refused && !error.passing && error.code !== "upload_offset";
        if (refused || tries >= TRIES.length) return change(key, { state: "failed", problem: error });
        await new Promise((done) => clock.after(() => done(undefined), TRIES[tries]));
        tries += 1;
      }
    }
  }

  /** True when it is there, or nobody wants it any more. @param {string} key @param {() => void} onPiece */
  async function bring(key, onPiece) {
    const { file, accountId } = /** @type {Attached} */ (find(key));
    let before = Infinity;
    let known = false;
    const done = await upload(api, { file, accountId, key }, (body) => {
      if (body.received > before) onPiece();
      before = body.received;
      change(key, { uploadId: body.id, sent: body.received });
      const wanted = find(key) !== undefined;
      if (!wanted && !known) api.del(`/uploads/${body.id}`).catch(() => {}); // taken away before its id was known
      known = true;
      return wanted;
    });
    if (done) change(key, { state: "ready", kind: done.kind });
    return true;
  }

  return {
    /**
     * The files beside the field of a conversation.
     * @param {string} conversationId @returns {{value: Attached[]}}
     */
    of(conversationId) {
      const made = views.get(conversationId) ?? computed(() => rows.value.filter((row) => row.conversationId === conversationId));
      views.set(conversationId, made);
      return made;
    },
    /** Files wait somewhere: they are gone with the page. */
    get any() {
      return rows.peek().length > 0;
    },
    /** @param {{id: string, account_id: string}} conversation @param {Iterable<File>} files */
    add(conversation, files) {
      for (const file of files) {
        const key = newKey();
        const row = { key, messageKey: newKey(), conversationId: conversation.id, accountId: conversation.account_id, file };
        rows.value = [...rows.peek(), { ...row, sent: 0, state: "loading", problem: null, uploadId: "", kind: "" }];
        load(key);
      }
    },
    /** Take a file away, wherever it is. @param {string} key */
    remove(key) {
      const row = find(key);
      drop(key);
      if (row?.uploadId) api.del(`/uploads/${row.uploadId}`).catch(() => {}); // it is forgotten after a day anyway
    },
    /** Once more. @param {string} key */
    again(key) {
      change(key, { state: "loading", problem: null });
      load(key);
    },
    /**
     * Send the files of a conversation that are there. The words left over, where no file takes a caption.
     * @param {string} conversationId @param {string} caption @param {string|null} replyTo @returns {Promise<string>}
     */
    async send(conversationId, caption, replyTo) {
      let words = caption;
      for (const row of rows.peek().filter((each) => each.conversationId === conversationId && each.state === "ready")) {
        const said = words && CAPTIONED.has(row.kind) ? { caption: words } : {};
        const quoted = replyTo === null ? {} : { reply_to: replyTo };
        const given = { conversation_id: conversationId, upload_id: row.uploadId, client_key: row.messageKey };
        try {
          const { body } = await api.post("/messages/send-media", { ...given, ...said, ...quoted });
          store.applyPosted(body.message);
        } catch (error) {
          change(row.key, { problem: error });
          throw error;
        }
        drop(row.key);
        if ("caption" in said) words = "";
      }
      return words;
    },
  };
}

/** @typedef {ReturnType<typeof createAttachments>} Attachments */
