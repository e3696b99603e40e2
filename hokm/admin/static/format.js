// Numbers and times as people read them; "–" is what is not known.

const UNKNOWN = "–";

export const known = (value, write) => (value === null || value === undefined ? UNKNOWN : write(value));
export const count = (number) => known(number, (n) => n.toLocaleString("en"));
export const percent = (part) => `${Math.round(part * 100)} %`;
export const mebibytes = (bytes) => `${Math.round(bytes / 2 ** 20).toLocaleString("en")} MiB`;
export const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString("en")} ms`;
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

// A figure: one place behind the point where it is small.
export const figure = (value) => known(value, (n) => Number(n.toFixed(Math.abs(n) < 10 ? 1 : 0)).toLocaleString("en"));

export function duration(seconds) {
  const whole = Math.round(seconds);
  const [minutes, hours] = [Math.floor(whole / 60), Math.floor(whole / 3600)];
  if (minutes === 0) return `${whole} s`;
  if (hours === 0) return `${minutes} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

// A time of the server, at the reader's clock; with the day where it is not today.
export function moment(iso, now = new Date()) {
  const at = new Date(iso);
  const clock = at.toLocaleTimeString("en-GB");
  return at.toDateString() === now.toDateString() ? clock : `${at.toLocaleDateString("en-CA")} ${clock}`;
}

export const unit = (metric) => {
  if (metric.endsWith("_ms")) return " ms";
  if (/cpu|memory/.test(metric)) return " %";
  return metric === "game_creation_rate" ? "/min" : "";
};
