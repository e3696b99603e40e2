// A store's client that does one thing: RPUSH. The commands of one turn of the event loop are one write.
'use strict';

const net = require('net');

class Store {
  constructor(path) {
    this.waiting = [];
    this.commands = '';
    this.rest = '';
    this.socket = net.connect(path);
    this.socket.setEncoding('latin1');
    this.socket.on('data', (data) => this.hear(data));
    this.flush = () => {
      const commands = this.commands;
      this.commands = '';
      this.socket.write(commands);
    };
  }

  // Append a text of ASCII to a list, then call back.
  append(key, text, done) {
    if (this.commands === '') setImmediate(this.flush);
    this.commands +=
      `*3\r\n$5\r\nRPUSH\r\n$${key.length}\r\n${key}\r\n$${text.length}\r\n${text}\r\n`;
    this.waiting.push(done);
  }

  hear(data) {
    const lines = (this.rest + data).split('\r\n');
    this.rest = lines.pop();
    const done = this.waiting.splice(0, lines.length);
    lines.forEach((line, at) => {
      if (line[0] !== ':') throw new Error(`the store says ${line}`);
      done[at]();
    });
  }
}

module.exports = { Store };
