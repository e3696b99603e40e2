// Socket.IO: node socketio.js PORT. WebSocket only, as a tuned server is; a room is a Socket.IO room.
'use strict';

const { Server } = require('socket.io');
const { roomOf } = require('./toy.js');

const server = new Server({
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
});

server.on('connection', (socket) => {
  const code = socket.handshake.query.room_code;
  const room = roomOf(code);
  const seat = room.players.length;
  room.players.push(socket);
  socket.join(code);
  socket.on('play', (message) => {
    const told = room.play(seat, message);
    if (told === null) {
      socket.emit('error', {});
      return;
    }
    const next = room.players[told.turn];
    server.to(code).except(next.id).emit('card_played', told);
    next.emit('card_played', { ...told, legal: room.legal() });
  });
  if (room.players.length === 4) {
    room.players.forEach((player, of) => player.emit('dealt', room.dealt(of)));
  }
});

server.listen(Number(process.argv[2]));
