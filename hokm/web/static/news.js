// What is said beside the table: to screen readers, as short notes, and as sounds.

import { el, find } from "./dom.js";
import { teamOf } from "./model.js";
import { play } from "./sound.js";
import { nameOf } from "./table.js";
import { cardName, suitName, t } from "./texts.js";

const TOAST_MS = 3500;
const MOST_TOASTS = 3;

export function toast(text) {
  const node = el("p", { class: "toast", dir: "auto" }, text);
  find("toasts").append(node);
  while (find("toasts").children.length > MOST_TOASTS) find("toasts").firstChild.remove();
  setTimeout(() => node.remove(), TOAST_MS);
}

// Each announcement is a node of its own, so that none overwrites another before it is read.
function announce(text) {
  const root = find("announcer");
  root.append(el("p", {}, text));
  while (root.children.length > 6) root.firstChild.remove();
}

// Tell of an event; `before` and `model` are the table before and after it.
export function tell(event, before, model) {
  NEWS[event.type]?.(event, model, before);
}

const named = (key) => ({ seat, name }, model) => seat !== model.seat && toast(t(key, { name }));

const LEFT = { away: "isAway", left: "leftTable", kicked: "leftTable" };

const NEWS = {
  player_joined: (event, model) => named(event.back ? "backAgain" : "joined")(event, model),
  player_left: (event, model) => named(LEFT[event.reason])(event, model),
  bot_joined: ({ name, stand_in }) => stand_in && toast(t("standIn", { name })),
  host_changed: ({ seat }, model) => toast(t("becameHost", { name: nameOf(model, seat) })),
  hakem_drawn: ({ hakem, cards }, model) =>
    announce(t(cards.length ? "firstAce" : "byDraw", { name: nameOf(model, hakem) })),
  turn: ({ seat, action }, model) => {
    if (seat !== model.seat) return;
    play("turn");
    announce(t(action === "play" ? "yourTurn" : "chooseTrump"));
  },
  trump_chosen: ({ suit }) => {
    play("trump");
    announce(t("trumpIs", { suit: suitName(suit) }));
  },
  card_played: ({ seat, card }, model) => {
    play("card");
    announce(t("plays", { name: nameOf(model, seat), card: cardName(card) }));
  },
  trick_won: ({ seat }, model) => {
    play("trick");
    announce(t("winsTrick", { name: nameOf(model, seat) }));
  },
  hand_over: ({ winner }, model) => play(model.seat === null || teamOf(model.seat) === winner ? "won" : "lost"),
  said: ({ seat }, model) => seat !== model.seat && play("said"),
};
