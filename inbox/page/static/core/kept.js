/**
 * What this browser keeps: texts that have not reached the server. IndexedDB, so that several tabs and a reload see the
 * same; memory where it is full, forbidden or silent. Each row has an `id` and an `owner`: nobody sees another's texts.
 */

/** @typedef {{id: string, owner: string, [field: string]: any}} Row */
/** @typedef {"outgoing"|"drafts"} Shelf */
/** @typedef {{shelf: Shelf, put?: Row, remove?: string}} Write */

const SHELVES = /** @type {Shelf[]} */ (["outgoing", "drafts"]);
const PATIENCE = 2000;

/**
 * @param {string} owner whose texts
 * @param {object} [options]
 * @param {string} [options.name]
 * @param {IDBFactory|null} [options.factory]
 * @param {Storage|null} [options.storage]
 * @param {number} [options.patience] ms for the browser's database to open, to read or to write
 */
export function createKept(
  owner,
  { name = "inbox", factory = indexedDb(), storage = localStore(), patience = PATIENCE } = {},
) {
  /** @type {Record<Shelf, Map<string, Row>>} what the database could not take, and everything when there is none */
  const memory = { outgoing: new Map(), drafts: new Map() };
  /** @type {Record<Shelf, Map<string, Row>>} what it is known to hold: shown while it is silent */
  const known = { outgoing: new Map(), drafts: new Map() };
  /** @type {Record<Shelf, Set<string>>} ids: a read that began earlier must not bring them back */
  const removed = { outgoing: new Set(), drafts: new Set() };
  /** @type {Set<(shelf: Shelf) => void>} */
  const waiting = new Set();
  let lasts = factory !== null;
  /** @type {IDBDatabase|null} */
  let db = null;
  /** @template T @param {Promise<T>} work */
  const inTime = (work) => within(work, patience);
  const opening = factory === null ? null : open(factory, name).then((made) => (db = made));
  const opened = opening === null ? Promise.resolve() : inTime(opening).then(() => {}, lose);
  opening?.then(catchUp, () => {});

  function lose() {
    lasts = false;
  }

  /** The database is open. If that took longer than anybody waited, it takes what came meanwhile and tells what it has. */
  function catchUp() {
    if (lasts) return;
    const puts = SHELVES.flatMap((shelf) => [...memory[shelf].values()].map((put) => ({ shelf, put })));
    write([...puts, ...SHELVES.flatMap((shelf) => [...removed[shelf]].map((remove) => ({ shelf, remove })))]);
    for (const shelf of SHELVES) read(shelf).then((rows) => cameLate(shelf, rows), () => {});
  }

  /** @param {Shelf} shelf @param {Row[]} rows */
  function cameLate(shelf, rows) {
    const news = rows.filter((row) => row.owner === owner && !removed[shelf].has(row.id) && !known[shelf].has(row.id));
    for (const row of news) known[shelf].set(row.id, row);
    if (news.length > 0) for (const fn of waiting) fn(shelf);
  }

  /** @param {Write[]} writes */
  function remember(writes) {
    for (const { shelf, put, remove } of writes) {
      if (put) {
        memory[shelf].set(put.id, put);
        removed[shelf].delete(put.id);
      } else if (remove) {
        for (const rows of [memory[shelf], known[shelf]]) rows.delete(remove);
        removed[shelf].add(remove);
      }
    }
  }

  /** @param {Shelf} shelf @returns {Promise<Row[]>} */
  const read = (shelf) => (db === null ? Promise.resolve([]) : readAll(db, shelf));

  const place = `${name} ${owner}`;

  /** What an earlier page could only just put down. @param {Shelf} shelf */
  function pickUp(shelf) {
    try {
      const left = storage?.getItem(`${place} ${shelf}`);
      if (!left) return;
      storage?.removeItem(`${place} ${shelf}`);
      write(JSON.parse(left).map((/** @type {Row} */ put) => ({ shelf, put })));
    } catch {
      // Forbidden, or not written by us.
    }
  }

  /** Do all of the writes, or none in the database; memory has them either way. @param {Write[]} writes */
  async function write(writes) {
    remember(writes);
    await opened;
    if (db === null) return;
    try {
      await inTime(transact(db, "readwrite", (shelf) => writes.filter((each) => each.shelf === shelf)));
      lasts = true;
      for (const { shelf, put } of writes) {
        if (!put || memory[shelf].get(put.id) !== put) continue;
        memory[shelf].delete(put.id);
        known[shelf].set(put.id, put);
      }
    } catch {
      lose();
    }
  }

  return {
    write,
    /** The page is being left: what the database has not taken yet is put down at once. */
    leave() {
      for (const shelf of SHELVES) {
        if (memory[shelf].size === 0) continue;
        try {
          storage?.setItem(`${place} ${shelf}`, JSON.stringify([...memory[shelf].values()]));
        } catch {
          // Full or forbidden: the server may have the draft.
        }
      }
    },
    /** Whether texts outlive this tab. */
    get lasts() {
      return lasts;
    },
    /** My rows, in the order of their ids; what the database does not tell in time comes later (`onLate`).
     * @param {Shelf} shelf @returns {Promise<Row[]>} */
    async all(shelf) {
      pickUp(shelf);
      await opened;
      const reading = read(shelf);
      try {
        const rows = await inTime(reading);
        known[shelf] = new Map(rows.filter((row) => row.owner === owner).map((row) => [row.id, row]));
      } catch {
        reading.then((rows) => cameLate(shelf, rows), () => {});
      }
      const mine = new Map([...known[shelf], ...memory[shelf]]);
      return [...mine.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    /** Be told when rows come that `all` could not wait for: it has them now. @param {(shelf: Shelf) => void} fn */
    onLate(fn) {
      waiting.add(fn);
    },
    /** Forget everything of mine: I sign out. */
    async clear() {
      for (const shelf of SHELVES) {
        await this.write((await this.all(shelf)).map((row) => ({ shelf, remove: row.id })));
      }
    },
    async close() {
      await opened;
      db?.close();
    },
  };
}

/** @typedef {ReturnType<typeof createKept>} Kept */

/** @returns {IDBFactory|null} */
function indexedDb() {
  try {
    return globalThis.indexedDB ?? null;
  } catch {
    return null; // forbidden
  }
}

/** @returns {Storage|null} */
function localStore() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // forbidden
  }
}

/** @param {IDBFactory} factory @param {string} name @returns {Promise<IDBDatabase>} */
function open(factory, name) {
  return new Promise((done, fail) => {
    const request = factory.open(name, 1);
    request.onupgradeneeded = () => {
      for (const shelf of SHELVES) request.result.createObjectStore(shelf, { keyPath: "id" });
    };
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
    request.onblocked = () => fail(new Error("blocked"));
  });
}

/**
 * @param {IDBDatabase} db @param {IDBTransactionMode} mode @param {(shelf: Shelf) => Write[]} writesOf
 * @returns {Promise<void>}
 */
function transact(db, mode, writesOf) {
  return new Promise((done, fail) => {
    const transaction = db.transaction(SHELVES, mode);
    transaction.oncomplete = () => done();
    transaction.onerror = transaction.onabort = () => fail(transaction.error);
    for (const shelf of SHELVES) {
      const store = transaction.objectStore(shelf);
      for (const { put, remove } of writesOf(shelf)) {
        if (put) store.put(put);
        else if (remove) store.delete(remove);
      }
    }
  });
}

/** @param {IDBDatabase} db @param {Shelf} shelf @returns {Promise<Row[]>} */
function readAll(db, shelf) {
  return new Promise((done, fail) => {
    const request = db.transaction(shelf).objectStore(shelf).getAll();
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
}

/** @template T @param {Promise<T>} work @param {number} ms @returns {Promise<T>} */
function within(work, ms) {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error("the browser's database does not answer")), ms);
    work.then(done, fail).finally(() => clearTimeout(timer));
  });
}
