// Colyseus: node colyseus.js PORT. Rooms as messages (onMessage, broadcast), no synchronised state.
'use strict';

const { Server, Room } = require('@colyseus/core');
const { WebSocketTransport } = require('@colyseus/ws-transport');
const toy = require('./toy.js');

class Table extends Room {
  onCreate() {
    this.maxClients = 4;
    this.seatReservationTimeout = 600;
    this.maxMessagesPerSecond = Infinity;
    this.patchRate = null; // there is no state to send
    this.toy = new toy.Room();
    this.onMessage('play', (client, message) => {
      const told = this.toy.play(client.seat, message);
      if (told === null) {
        client.send('error', {});
        return;
      }
      const next = this.toy.players[told.turn];
      this.broadcast('card_played', told, { except: next });
      told.legal = this.toy.legal();
      next.send('card_played', told);
    });
  }

  onJoin(client) {
    client.seat = this.toy.players.length;
    this.toy.players.push(client);
    if (this.toy.players.length === 4) {
      this.toy.players.forEach((player, seat) => player.send('dealt', this.toy.dealt(seat)));
    }
  }
}

const server = new Server({
  transport: new WebSocketTransport({ pingInterval: 20000 }),
  greet: false,
});
server.define('table', Table).filterBy(['room_code']);
server.listen(Number(process.argv[2]), '127.0.0.1', 1024);
