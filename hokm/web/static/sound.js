// Short sounds, made on the spot: no files. Browsers let them be heard after the first touch or key.

import { prefs } from "./prefs.js";

let context = null;

function wake() {
  context ??= new (window.AudioContext ?? window.webkitAudioContext)();
  if (context.state === "suspended") context.resume();
}

for (const event of ["pointerdown", "keydown"]) addEventListener(event, wake, { once: true });

function ready() {
  return prefs.sound && context?.state === "running" && document.visibilityState === "visible";
}

function tone(frequency, { at = 0, seconds = 0.18, volume = 0.08, shape = "sine" } = {}) {
  const start = context.currentTime + at;
  const oscillator = new OscillatorNode(context, { frequency, type: shape });
  const gain = new GainNode(context, { gain: volume });
  gain.gain.setValueAtTime(volume, start);
  gain.gain.exponentialRampToValueAtTime(0.0005, start + seconds);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + seconds);
}

// A card on felt: a short burst of dull noise.
function tap() {
  const length = Math.round(context.sampleRate * 0.06);
  const buffer = new AudioBuffer({ length, sampleRate: context.sampleRate });
  const samples = buffer.getChannelData(0);
  for (let i = 0; i < length; i += 1) samples[i] = (Math.random() * 2 - 1) * (1 - i / length) ** 3;
  const source = new AudioBufferSourceNode(context, { buffer });
  const filter = new BiquadFilterNode(context, { type: "lowpass", frequency: 1600 });
  source.connect(filter).connect(new GainNode(context, { gain: 0.35 })).connect(context.destination);
  source.start();
}

const SOUNDS = {
  card: tap,
  turn: () => [660, 880].forEach((frequency, index) => tone(frequency, { at: index * 0.09 })),
  trick: () => tone(330, { shape: "triangle" }),
  trump: () => [392, 494, 587].forEach((frequency, index) => tone(frequency, { at: index * 0.08, shape: "triangle" })),
  won: () => [523, 659, 784, 1047].forEach((frequency, index) => tone(frequency, { at: index * 0.11, seconds: 0.3 })),
  lost: () => [392, 330, 262].forEach((frequency, index) => tone(frequency, { at: index * 0.14, seconds: 0.3 })),
  said: () => tone(990, { seconds: 0.09, volume: 0.04 }),
};

export function play(name) {
  if (ready()) SOUNDS[name]();
}
