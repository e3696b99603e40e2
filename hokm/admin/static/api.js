// Asking the server, with the operators' token where it wants one.

const LOOK_MS = 5_000; // a server that takes longer is as good as away
const VERB_MS = 15_000; // the longest answer is a move's: the server waits for it, 10 s at most
const KEY = "hokm.operator";

// The server says no; `code` is its word for it.
export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// It does not answer, or what answers is no hokm.
export class Away extends Error {}

let token = sessionStorage.getItem(KEY);

export const hasToken = () => token !== null;

// Use a token from now on; null forgets it. It stays in this tab and goes with it.
export function useToken(given) {
  token = given;
  if (given === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, given);
}

// Headers carry bytes: a token's characters go as UTF-8, as hokmctl sends them.
const bearer = () => `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}`;

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);

async function ask(method, path, body) {
  let answer;
  let value;
  try {
    answer = await fetch(path, {
      method,
      headers: {
        ...(token === null ? {} : { Authorization: bearer() }),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(method === "GET" ? LOOK_MS : VERB_MS),
    });
    value = await answer.json();
  } catch {
    throw new Away("The server does not answer.");
  }
  if (value.error) throw new Refused(value.error.code, value.error.message);
  return value;
}
