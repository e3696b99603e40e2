// What a person has set in this browser: name, language, sound, deck. Kept in localStorage;
// where that is refused (private windows), for the life of the page.

const KEY = "hokm.prefs";
const listeners = new Set();

function initial() {
  const persian = (navigator.language || "").toLowerCase().startsWith("fa");
  return { name: "", language: persian ? "fa" : "en", sound: true, fourColours: false };
}

function load() {
  try {
    return { ...initial(), ...JSON.parse(localStorage.getItem(KEY) || "{}") };
  } catch {
    return initial();
  }
}

export const prefs = load();

export function setPref(name, value) {
  prefs[name] = value;
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs));
  } catch {
    // It stays in `prefs`.
  }
  for (const listener of listeners) listener(name);
}

export function onPref(listener) {
  listeners.add(listener);
}
