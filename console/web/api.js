/** The client of the REST API: the only module that talks to the server. */

const TOKEN = "platelane.token";
const INVALID_TOKEN = "Invalid token.";

/** What went wrong with a request. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 where the server was not reached
   * @param {string} detail
   * @param {number} [retryAfter] seconds
   */
  constructor(status, detail, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  /** Whether there is no such thing. */
  get missing() {
    return this.status === 404;
  }

  /** Whether the same request may succeed a little later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

/**
 * @typedef {object} Watcher
 * @property {(data: any, id: string) => void} onEvent
 * @property {(open: boolean) => void} onState
 */

export class Api {
  /**
   * @param {Storage} session where the token is kept: it goes with the tab
   * @param {() => Promise<string | null>} askForToken
   */
  constructor(session, askForToken) {
    this.session = session;
    this.askForToken = askForToken;
    /** @type {Promise<string | null> | null} */
    this.asking = null;
    /** Told whether the server answered. @type {(reached: boolean) => void} */
    this.onReached = () => {};
  }

  get token() {
    return this.session.getItem(TOKEN) ?? "";
  }

  forgetToken() {
    this.session.removeItem(TOKEN);
  }

  /**
   * @param {string} path
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async get(path, signal) {
    return (await this.fetch(path, { signal })).json();
  }

  /**
   * All of a list that comes in pages.
   *
   * @param {string} path
   * @param {AbortSignal} [signal]
   * @returns {Promise<any[]>}
   */
  async list(path, signal) {
    const found = [];
    for (let next = path; next; ) {
      const page = await this.get(next, signal);
      found.push(...page.results);
      next = page.next;
    }
    return found;
  }

  /**
   * @param {"POST" | "PUT" | "PATCH" | "DELETE"} method
   * @param {string} path
   * @param {unknown} [body] JSON
   * @returns {Promise<any>} null where there is no answer
   */
  async send(method, path, body) {
    const headers = body === undefined ? undefined : { "Content-Type": "application/json" };
    const response = await this.fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    });
    return response.status === 204 ? null : response.json();
  }

  /**
   * @param {string} path
   * @param {FormData} form
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async upload(path, form, signal) {
    return (await this.fetch(path, { method: "POST", body: form, signal })).json();
  }

  /**
   * An address for <img> or a download, for what only an Authorization header opens. Revoke it after use.
   *
   * @param {string} path
   * @param {AbortSignal} [signal]
   */
  async objectUrl(path, signal) {
    return URL.createObjectURL(await (await this.fetch(path, { signal, cache: "default" })).blob());
  }

  /**
   * Follows server-sent events until the signal says stop, coming again where the connection breaks.
   *
   * @param {string} path
   * @param {Watcher} watcher
   * @param {AbortSignal} signal
   */
  async follow(path, watcher, signal) {
    let seen = "";
    for (let pause = 500; !signal.aborted; pause = Math.min(pause * 2, 10_000)) {
      try {
        const response = await this.fetch(path, { signal, headers: seen ? { "Last-Event-ID": seen } : {} });
        watcher.onState(true);
        for await (const event of serverSentEvents(/** @type {ReadableStream} */ (response.body))) {
          pause = 500;
          seen = event.id || seen;
          if (event.data) watcher.onEvent(JSON.parse(event.data), event.id);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && !error.passing) throw error;
      }
      watcher.onState(false);
      await new Promise((done) => setTimeout(done, pause));
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit} options
   * @returns {Promise<Response>}
   */
  async fetch(path, options) {
    for (;;) {
      const sent = this.token;
      const headers = new Headers(options.headers);
      if (sent) headers.set("Authorization", `Token ${sent}`);
      /** @type {Response} */
      let response;
      try {
        response = await fetch(path, { ...options, headers, credentials: "omit", cache: options.cache ?? "no-store" });
      } catch (error) {
        if (options.signal?.aborted) throw error;
        this.onReached(false);
        throw new ApiError(0, "");
      }
      this.onReached(true);
      if (response.ok) return response;
      const error = await errorOf(response);
      if (response.status !== 403 || error.message !== INVALID_TOKEN) throw error;
      if (this.token === sent && !(await this.newToken())) throw error;
    }
  }

  /** Asks once, however many requests were refused. */
  async newToken() {
    this.asking ??= this.askForToken().finally(() => {
      this.asking = null;
    });
    const token = await this.asking;
    if (token) this.session.setItem(TOKEN, token);
    return token;
  }
}

/** @param {Response} response */
async function errorOf(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  try {
    const { detail } = await response.json();
    return new ApiError(response.status, String(detail ?? ""), retryAfter);
  } catch {
    return new ApiError(response.status, response.statusText, retryAfter);
  }
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{id: string, data: string}>}
 */
async function* serverSentEvents(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (waiting + decoder.decode(value, { stream: true })).split("\n\n");
    waiting = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = { id: "", data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("id: ")) event.id = line.slice(4);
        if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      yield event;
    }
  }
}

/**
 * A path with the parameters that are given.
 *
 * @param {string} path
 * @param {Record<string, string | number | boolean | null | undefined>} parameters
 */
export function withQuery(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return given.length ? `${path}?${query}` : path;
}
