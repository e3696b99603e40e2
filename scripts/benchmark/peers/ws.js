// ws: node ws.js PORT [SOCKET OF A STORE]. With a store each play is appended there before it is told.
'use strict';

const { WebSocketServer } = require('ws');
const { roomOf } = require('./toy.js');
const { Store } = require('./store.js');

const store = process.argv[3] === undefined ? null : new Store(process.argv[3]);
const server = new WebSocketServer({
  port: Number(process.argv[2]),
  host: '127.0.0.1',
  backlog: 1024,
  perMessageDeflate: false,
  maxPayload: 4096,
});

const TEXT = { binary: false };

function broadcast(room, shared, next, turn) {
  const players = room.players;
  const bytes = Buffer.from(shared); // once for the three
  for (let seat = 0; seat < 4; seat++) {
    players[seat].send(seat === turn ? next : bytes, TEXT);
  }
}

server.on('connection', (socket, request) => {
  const code = request.url.slice(request.url.indexOf('=') + 1);
  const room = roomOf(code);
  const seat = room.players.length;
  room.players.push(socket);
  socket.on('message', (data) => {
    const told = room.play(seat, JSON.parse(data.toString()));
    if (told === null) {
      socket.send('{"type":"error"}');
      return;
    }
    const shared = JSON.stringify(told);
    told.legal = room.legal();
    const next = JSON.stringify(told);
    if (store === null) {
      broadcast(room, shared, next, told.turn);
    } else {
      store.append(`log:${code}`, shared, () => broadcast(room, shared, next, told.turn));
    }
  });
  if (room.players.length === 4) {
    room.players.forEach((player, of) => player.send(JSON.stringify(room.dealt(of))));
  }
});
