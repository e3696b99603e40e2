// Every sentence of the page in English and Persian, and how numbers and cards are written in each.

import { prefs } from "./prefs.js";

const EN = {
  title: "Hokm", tagline: "The Persian game of trumps, for four", yourName: "Your name", guest: "Guest",
  createTable: "Create a table", playBots: "Play with three bots", joinTable: "Join a table",
  quickMatch: "Quick match", quickHint: "With others who look for a table", searching: "Looking for players…", cancel: "Cancel",
  onlyYou: "So far only you", playersWait: "{n} players are here", botsIn: "With bots in {n} seconds",
  publicTables: "Open tables", freeSeats: "{n} free", inPlay: "playing", full: "full", toPoints: "to {n}", publicOption: "Show the table to everybody",
  joinCode: "Table code", join: "Join", watch: "Watch", options: "Table options",
  invited: "You are invited to table {code}", joinAs: "Take a seat", continueAs: "Go on as {name}",
  continueHint: "This seat is open in another tab; going on here moves it to this one.",
  otherPlayer: "Join as another player", home: "Home",
  target: "Points to win", turnSeconds: "Seconds for a turn", redealOption: "Hakem may refuse five low cards",
  allFive: "Everybody sees five cards before the call", yes: "yes", no: "no",
  firstHakem: "First hakem", byAce: "first ace", byLot: "by lot",
  table: "Table {code}", invite: "Invite friends", copyLink: "Copy link", copied: "Copied", share: "Share…",
  emptySeat: "Empty seat", sitHere: "Sit here", addBot: "Add bot", easy: "Easy bot", normal: "Bot",
  kick: "Remove {name}", ready: "I am ready", notReady: "Not ready yet", isReady: "Ready", waiting: "Waiting",
  start: "Start", startFill: "Start, bots fill the rest", waitHost: "{name} starts the match",
  waitPlayers: "Waiting for players…", partners: "You and the player opposite are partners.",
  host: "host", bot: "bot", you: "you", away: "away", standIn: "A bot plays for {name}", hakem: "Hakem", dealer: "Dealer",
  us: "Us", them: "Them", teamA: "Team 1", teamB: "Team 2", tricks: "Tricks", score: "Score", scoreOf: "{team}: {score} of {target} points, {tricks} tricks",
  trump: "Trump", noTrump: "not named yet", lastTrick: "Last trick", handNo: "Hand {n}",
  yourTurn: "Your turn", turnOf: "{name}’s turn", chooseTrump: "Choose the trump", chooseHint: "You are hakem. These are your first five cards.",
  choosing: "{name} is choosing the trump", redeal: "Refuse these cards", auto: "played automatically",
  firstAce: "{name} got the first ace and is hakem", byDraw: "{name} was drawn as hakem",
  trumpIs: "Trump is {suit}", plays: "{name}: {card}", winsTrick: "{name} wins the trick",
  yourHand: "Your cards", seconds: "{n} seconds left", cardsLeft: "{name}: {n} cards",
  youWonHand: "You win the hand", youLostHand: "The others win the hand", teamWonHand: "{team} wins the hand",
  youWonMatch: "You win the match!", youLostMatch: "The others win the match", teamWonMatch: "{team} wins the match",
  kot: "Kot!", hakem_kot: "Hakem-kot!", kotWhy: "Seven tricks to none: {n} points.",
  hakem_kotWhy: "Seven tricks to none against the hakem’s side: {n} points.", points: "{n} points", onePoint: "1 point",
  nextHakem: "Next hakem: {name}", continue: "Continue", continued: "Waiting for the others…", rematch: "Rematch", leave: "Leave", close: "Close",
  leaveAsk: "Leave the table for good? A bot takes your place.", stay: "Stay",
  fairTitle: "Was the deal fair?", fairCheck: "Checking…", fairPromise: "The server’s secret is the one it was bound to before the deal",
  fairDeal: "The cards follow from that secret and all players’ seeds", fairSeed: "Your own seed was part of it",
  fairCannot: "Only a page opened over https can check this.", commitment: "Bound to", secret: "Secret",
  chat: "Chat", message: "Message", send: "Send", noChat: "Say hello.", tooFast: "That was quick. Wait a moment.", canned: ["Well played!", "Thank you", "One moment", "Good game"],
  connecting: "Connecting…", reconnecting: "Reconnecting…", online: "Connected", paused: "The table is paused; the clocks stand still.",
  taken: "This seat is open in another window.", takeBack: "Play here", watching: "You are watching", kicked: "The host has emptied your seat.", closed: "The connection was closed: {reason}",
  refused_no_such_room: "There is no table with this code.", refused_room_full: "All seats are taken.", refused_bad_token: "This seat is no longer yours.",
  refused_seat_taken: "That seat has just been taken.", refused_rate_limited: "Too many tries. Wait a minute.", refused_try_later: "The server is full at the moment. Try again soon.", refused_other: "The table did not let you in.",
  createFailed: "No table could be opened. Try again in a moment.", badCode: "A code has eight letters and digits.",
  error_not_your_turn: "It is not your turn", error_must_follow: "Follow suit", error_seats_empty: "Four players are needed", error_not_host: "Only the host may do that", error_seat_taken: "That seat is taken", error_room_full: "All seats are taken", error_rate_limited: "That was quick. Wait a moment.", error_other: "That is not possible now",
  rules: "Rules", sound: "Sound", language: "فارسی", fourColours: "Four colours", menu: "More", rulesTitle: "How Hokm is played",
  joined: "{name} sat down", leftTable: "{name} left", backAgain: "{name} is back", isAway: "{name} is away", becameHost: "{name} is the host now",
  rulesText: [
    "Four players, two teams: you and the player opposite. Each hand has thirteen cards, and the play goes to the right.",
    "Whoever is dealt the first ace is the hakem. He looks at his first five cards and names the trump suit; then the rest is dealt and he leads.",
    "Follow the suit that was led if you can. If you cannot, play what you like: a trump, or any other card.",
    "The highest trump takes the trick; without a trump, the highest card of the led suit. Aces are high. The winner leads next.",
    "Seven tricks win the hand: one point. Seven to none is kot: two points; three if it happens to the hakem’s side.",
    "A hakem whose side wins stays hakem. Otherwise the player on his right follows. Seven points win the match, if the table has not agreed on another number.",
  ],
  suits: { S: "spades", H: "hearts", D: "diamonds", C: "clubs" },
  ranks: { A: "ace", K: "king", Q: "queen", J: "jack", T: "ten", 9: "nine", 8: "eight", 7: "seven", 6: "six", 5: "five", 4: "four", 3: "three", 2: "two" },
  cardOf: "{rank} of {suit}",
};

const FA = {
  title: "حکم", tagline: "بازی ایرانی حکم، برای چهار نفر", yourName: "نام شما", guest: "مهمان",
  createTable: "ساختن میز", playBots: "بازی با سه ربات", joinTable: "پیوستن به میز",
  quickMatch: "بازی سریع", quickHint: "سر یک میز با هر که دنبال بازی است", searching: "در جست‌وجوی بازیکن…", cancel: "انصراف",
  onlyYou: "فعلاً تنها شما", playersWait: "{n} بازیکن اینجا هستند", botsIn: "{n} ثانیه دیگر با ربات‌ها",
  publicTables: "میزهای باز", freeSeats: "{n} جای خالی", inPlay: "در حال بازی", full: "پر", toPoints: "تا {n}", publicOption: "میز را همه ببینند",
  joinCode: "کد میز", join: "پیوستن", watch: "تماشا", options: "تنظیم‌های میز",
  invited: "به میز {code} دعوت شده‌اید", joinAs: "نشستن سر میز", continueAs: "ادامه با نام {name}",
  continueHint: "این صندلی در برگهٔ دیگری باز است؛ با ادامه، به این برگه می‌آید.",
  otherPlayer: "پیوستن با نامی دیگر", home: "خانه",
  target: "امتیاز برد", turnSeconds: "ثانیه برای هر نوبت", redealOption: "حاکم بتواند پنج برگِ پایین را پس بدهد",
  allFive: "همه پیش از حکم پنج برگ ببینند", yes: "بله", no: "نه",
  firstHakem: "حاکم نخست", byAce: "نخستین آس", byLot: "قرعه",
  table: "میز {code}", invite: "دعوت دوستان", copyLink: "رونوشت پیوند", copied: "رونوشت شد", share: "فرستادن…",
  emptySeat: "صندلی خالی", sitHere: "اینجا می‌نشینم", addBot: "افزودن ربات", easy: "ربات آسان", normal: "ربات",
  kick: "بیرون‌کردن {name}", ready: "آماده‌ام", notReady: "هنوز نه", isReady: "آماده", waiting: "در انتظار",
  start: "شروع", startFill: "شروع با ربات‌ها", waitHost: "{name} بازی را شروع می‌کند",
  waitPlayers: "در انتظار بازیکنان…", partners: "شما و بازیکن روبه‌رو یار هستید.",
  host: "میزبان", bot: "ربات", you: "شما", away: "غایب", standIn: "ربات به‌جای {name} بازی می‌کند", hakem: "حاکم", dealer: "دهنده",
  us: "ما", them: "آن‌ها", teamA: "گروه ۱", teamB: "گروه ۲", tricks: "دست", score: "امتیاز", scoreOf: "{team}: {score} از {target} امتیاز، {tricks} دست",
  trump: "حکم", noTrump: "هنوز نگفته", lastTrick: "دست پیش", handNo: "دور {n}",
  yourTurn: "نوبت شماست", turnOf: "نوبت {name}", chooseTrump: "حکم را بگویید", chooseHint: "شما حاکم هستید. این پنج برگ نخست شماست.",
  choosing: "{name} دارد حکم می‌کند", redeal: "پس‌دادن این برگ‌ها", auto: "خودکار بازی شد",
  firstAce: "نخستین آس به {name} رسید؛ حاکم اوست", byDraw: "قرعهٔ حاکم به نام {name} افتاد",
  trumpIs: "حکم: {suit}", plays: "{name}: {card}", winsTrick: "{name} دست را برد",
  yourHand: "برگ‌های شما", seconds: "{n} ثانیه مانده", cardsLeft: "{name}: {n} برگ",
  youWonHand: "این دور را بردید", youLostHand: "این دور را باختید", teamWonHand: "{team} این دور را برد",
  youWonMatch: "بازی را بردید!", youLostMatch: "بازی را باختید", teamWonMatch: "{team} بازی را برد",
  kot: "کُت!", hakem_kot: "حاکم‌کُت!", kotWhy: "هفت بر هیچ: {n} امتیاز.",
  hakem_kotWhy: "هفت بر هیچ در برابر گروه حاکم: {n} امتیاز.", points: "{n} امتیاز", onePoint: "۱ امتیاز",
  nextHakem: "حاکم بعدی: {name}", continue: "ادامه", continued: "در انتظار دیگران…", rematch: "بازی دوباره", leave: "ترک میز", close: "بستن",
  leaveAsk: "میز را برای همیشه ترک می‌کنید؟ ربات جای شما را می‌گیرد.", stay: "می‌مانم",
  fairTitle: "پخش برگ‌ها منصفانه بود؟", fairCheck: "در حال بررسی…", fairPromise: "رازِ کارساز همان است که پیش از پخش به آن متعهد شده بود",
  fairDeal: "چینش برگ‌ها از همان راز و دانه‌های همهٔ بازیکنان به دست می‌آید", fairSeed: "دانهٔ شما هم در آن بود",
  fairCannot: "این بررسی تنها با اتصال https شدنی است.", commitment: "تعهد", secret: "راز",
  chat: "گفتگو", message: "پیام", send: "بفرست", noChat: "سلامی بکنید.", tooFast: "کمی آهسته‌تر؛ لحظه‌ای صبر کنید.", canned: ["آفرین!", "دستت درد نکنه", "یک لحظه", "بازی خوبی بود"],
  connecting: "در حال اتصال…", reconnecting: "اتصال دوباره…", online: "وصل", paused: "میز ایستاده است؛ ساعت‌ها هم.",
  taken: "این صندلی در پنجرهٔ دیگری باز است.", takeBack: "بازی در همین‌جا", watching: "تماشاگر هستید", kicked: "میزبان صندلی شما را خالی کرد.", closed: "اتصال بسته شد: {reason}",
  refused_no_such_room: "میزی با این کد نیست.", refused_room_full: "همهٔ صندلی‌ها پر است.", refused_bad_token: "این صندلی دیگر از آن شما نیست.",
  refused_seat_taken: "این صندلی همین حالا پر شد.", refused_rate_limited: "بیش از اندازه تلاش کردید. یک دقیقه صبر کنید.", refused_try_later: "کارساز اکنون پر است. کمی بعد دوباره امتحان کنید.", refused_other: "ورود به میز ممکن نشد.",
  createFailed: "میز ساخته نشد. کمی بعد دوباره امتحان کنید.", badCode: "کد میز هشت حرف و رقم است.",
  error_not_your_turn: "نوبت شما نیست", error_must_follow: "باید خال زمین را بازی کنید", error_seats_empty: "چهار بازیکن لازم است", error_not_host: "تنها میزبان می‌تواند", error_seat_taken: "این صندلی پر است", error_room_full: "همهٔ صندلی‌ها پر است", error_rate_limited: "کمی آهسته‌تر؛ لحظه‌ای صبر کنید.", error_other: "اکنون ممکن نیست",
  rules: "قواعد", sound: "صدا", language: "English", fourColours: "چهار رنگ", menu: "بیشتر", rulesTitle: "حکم چگونه بازی می‌شود",
  joined: "{name} نشست", leftTable: "{name} رفت", backAgain: "{name} برگشت", isAway: "{name} غایب است", becameHost: "{name} میزبان شد",
  rulesText: [
    "چهار بازیکن، دو گروه: شما و بازیکن روبه‌رو یار هستید. هر کس سیزده برگ دارد و نوبت به سمت راست می‌چرخد.",
    "نخستین آس به هر که برسد، او حاکم است. پنج برگ نخستش را می‌بیند و خالِ حکم را می‌گوید؛ سپس باقی برگ‌ها پخش می‌شود و او شروع می‌کند.",
    "اگر از خالِ زمین دارید باید همان را بازی کنید. اگر ندارید، هر برگی آزاد است: حکم یا خالی دیگر.",
    "بالاترین حکم دست را می‌برد؛ اگر حکمی نباشد، بالاترین برگِ خالِ زمین. آس از همه بالاتر است. برنده دست بعد را شروع می‌کند.",
    "هفت دست یعنی بردِ دور: یک امتیاز. هفت بر هیچ کُت است: دو امتیاز؛ و اگر گروه حاکم کُت شود، سه امتیاز.",
    "اگر گروه حاکم ببرد، حاکم می‌ماند. وگرنه بازیکنِ سمت راستش حاکم می‌شود. برندهٔ بازی کسی است که به هفت امتیاز برسد، مگر میز عدد دیگری گذاشته باشد.",
  ],
  suits: { S: "پیک", H: "دل", D: "خشت", C: "گشنیز" },
  ranks: { A: "آس", K: "شاه", Q: "بی‌بی", J: "سرباز", T: "ده", 9: "نُه", 8: "هشت", 7: "هفت", 6: "شش", 5: "پنج", 4: "چهار", 3: "سه", 2: "دو" },
  cardOf: "{rank} {suit}",
};

const LANGUAGES = { en: EN, fa: FA };
const formats = { en: new Intl.NumberFormat("en"), fa: new Intl.NumberFormat("fa-IR") };

// The text of a key, with {places} filled in. Numbers are written in the language's digits.
export function t(key, values = {}) {
  const text = LANGUAGES[prefs.language][key];
  if (typeof text !== "string") return text;
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? num(values[name]) : values[name]));
}

// The text of an `error` or refusal code: its own sentence, or the general one.
export function tCode(kind, code) {
  return t(`${kind}_${code}` in LANGUAGES.en ? `${kind}_${code}` : `${kind}_other`);
}

export const num = (value) => formats[prefs.language].format(value);
export const direction = () => (prefs.language === "fa" ? "rtl" : "ltr");
export const suitName = (suit) => t("suits")[suit];
export const rankLabel = (rank) => (rank === "T" ? "10" : rank);
export const cardName = (card) => t("cardOf", { rank: t("ranks")[card[0]], suit: suitName(card[1]) });

// Say the texts of the page that never change: elements with data-text, data-label, data-hint.
export function translate(root = document) {
  document.documentElement.lang = prefs.language;
  document.documentElement.dir = direction();
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  for (const node of root.querySelectorAll("[data-hint]")) node.setAttribute("placeholder", t(node.dataset.hint));
}
