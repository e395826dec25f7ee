/**
 * What GET /status and GET /status/history answer, and what the parts of the page share.
 * @typedef {{name: string, configured: boolean, state: "well"|"struggling"|"trying"|"away", since: string|null,
 *   retry_in_seconds: number|null, waiting: number, answers: number, errors: number, p95_s: number|null}} Service
 * @typedef {{received: number, stored: number, twice: number, unreadable: number, pending: number, replies: number,
 *   accepted: number, refused: number, unconfirmed: number, waiting: number, missing: number, queue: number,
 *   oldest_s: number, answers: number, answers_oldest_s: number, sends: number,
 *   sends_oldest_s: number, dead_letters: number}} Figures
 * @typedef {{now: string, code: string, since: string|null, upstreams: Service[], database_ok: boolean,
 *   dispatchers: number, processes: number, cache_hit_ratio: number|null, road: Figures|null,
 *   paused: {account_id: string, name: string, reason: string, code: string, since: string|null}[],
 *   undecided: {conversation_id: string, message_id: string}[], may_act: boolean}} Status
 * @typedef {{minute: string, upstream: string, answers: number, errors: number, p95_s: number|null}} Minute
 * @typedef {{upstream: string, started_at: string, ended_at: string|null, conversations: number}} Incident
 * @typedef {{now: string, minutes: Minute[], incidents: Incident[]}} History
 * @typedef {{status: Status, history: History|null, times: ReturnType<typeof import("../core/time.js").createTimes>,
 *   now: number}} Parts
 */

export {};
