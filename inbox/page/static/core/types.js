/**
 * What several modules speak of. Rows are as the API sends them; only what the page reads is named here.
 * @template T
 * @typedef {{value: T, peek(): T, subscribe(fn: (value: T) => void): () => void}} Signal
 */

/** @typedef {{kind: string, id: string|null, name: string|null}} Author */
/** @typedef {{code: string|null, title: string|null, detail: string|null, can_retry: boolean}} MessageError */
/** @typedef {{emoji: string, actor: string, timestamp: string}} Reaction */
/** @typedef {{id: string, content_text: string, author_kind: string, author_name: string|null}} Quoted */

/**
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} account_id
 * @property {string} contact_id
 * @property {string} status
 * @property {string} updated_at WhatsApp's time of the newest message
 * @property {string} changed_at our time of the newest change
 * @property {number} unread_count
 * @property {number} my_unread
 * @property {boolean} needs_human
 * @property {string|null} needs_human_reason
 * @property {string|null} assigned_to
 * @property {string|null} waiting_since
 * @property {string[]} label_ids
 * @property {boolean} is_favorite
 * @property {string|null} last_message
 * @property {string|null} last_message_at
 * @property {string|null} last_message_status
 * @property {Author|null} last_message_author
 * @property {boolean} is_group
 * @property {string|null} client_number digits; null when WhatsApp hides it
 * @property {string|null} last_inbound_at
 * @property {string|null} reply_window_expires_at
 * @property {string|null} blocked_at
 * @property {string|null} bot_silent_reason
 * @property {string|null} bot_paused_until
 * @property {string|null} sends_paused_reason
 * @property {{display_name: string|null, whatsapp_number: string|null}} contacts
 */

/**
 * @typedef {object} Message
 * @property {string} id
 * @property {string} conversation_id
 * @property {string} direction
 * @property {string} content_text
 * @property {string} timestamp WhatsApp's time
 * @property {string} changed_at our time of the newest change
 * @property {string} message_type
 * @property {string} status
 * @property {string} stored_at when we heard of it
 * @property {Author} author
 * @property {MessageError|null} error
 * @property {string|null} client_key
 * @property {string|null} reply_to
 * @property {Reaction[]} reactions
 * @property {Quoted|null} quoted
 * @property {string|null} wa_message_id
 * @property {string|null} media_id
 * @property {string|null} media_mime_type
 * @property {string|null} media_filename
 * @property {string} stored_at our times, of when we heard of each step
 * @property {string|null} sent_at
 * @property {string|null} delivered_at
 * @property {string|null} read_at
 * @property {string|null} failed_at
 * @property {string|null} edited_at
 * @property {string|null} [window_closes_at] it waits, and WhatsApp takes it until then
 * @property {Record<string, any>} payload what WhatsApp sent beside the text
 */

/**
 * @typedef {object} Note
 * @property {string} id
 * @property {string} conversation_id
 * @property {Author} author
 * @property {string} text
 * @property {string} created_at
 * @property {string} changed_at
 * @property {string|null} edited_at
 * @property {boolean} deleted
 * @property {string|null} [client_key]
 */

/**
 * A thread as far as it is loaded: a stretch without gaps. `older` and `newer` are the addresses of the pages beyond,
 * null where there is nothing; `atEnd` is true when the newest message of the conversation is in it.
 * @typedef {object} Thread
 * @property {Message[]} messages oldest first
 * @property {Message[]} early that came before the page they belong to
 * @property {Note[]} notes oldest first
 * @property {string|null} older
 * @property {string|null} newer
 * @property {boolean} atEnd
 * @property {boolean} loaded
 * @property {string|null} trouble the page that could not be read (`older`, `newer`, `first`), or `gone`: no thread for me
 */

/**
 * What the list shows: the query of GET /conversations without account, limit and cursor.
 * @typedef {object} Filter
 * @property {"newest"|"waiting"} [order]
 * @property {string} [status]
 * @property {boolean} [waiting]
 * @property {boolean} [my_unread]
 * @property {boolean} [needs_human]
 * @property {boolean} [favorite]
 * @property {string} [assigned_to]
 * @property {string} [label_id]
 */

/**
 * "trying": one answer failed, nothing to say yet. "offline": the server cannot be reached. "busy": it answers that it
 * cannot (503, 429). "stale": neither for more than 30 s while somebody looks.
 * @typedef {"live"|"trying"|"offline"|"busy"|"stale"} ConnectionState
 */

/**
 * @typedef {object} Connection
 * @property {ConnectionState} state
 * @property {number} since server's time in ms of the last good answer
 * @property {number|null} retryAt server's time in ms of the next try
 */

/**
 * How the tabs of a person tell each other things; `leads`: this one acts for all.
 * @typedef {object} Bus
 * @property {boolean} leads
 * @property {(kind: string, data: any) => void} post
 * @property {(kind: string, fn: (data: any) => void) => () => void} on
 */

/** @typedef {{conversation_id: string, user: {id: string, name: string}, doing: "viewing"|"writing"}} Present */
/**
 * @typedef {{code: string, since: string|null, reason: string|null, conversation_id?: string|null,
 *   until?: string|null}} Notice
 */

/**
 * What time is made of. Tests and the worker of hidden tabs put others in its place.
 * @typedef {object} Clock
 * @property {() => number} now milliseconds that only grow
 * @property {(fn: () => void, ms: number) => number} after
 * @property {(id: number) => void} cancel
 */

export {};
