// A line before a server: so many bits in a second each way, shared by all connections, so many milliseconds there and back,
// and a count of what went over it. A process of its own, so that nothing else delays it.
//
// Told by its parent: { port, megabits, roundTrip }; 0 megabits is no limit. Asked 'count' it tells the bytes since the last.
import { connect, createServer } from 'node:net';

const PIECE = 16 << 10;
const MOST_WAITING = 512 << 10;
const counted = { down: 0, up: 0 };

/** One direction: pieces leave one after the other, and arrive half a round trip later. */
class Direction {
  constructor(name, megabits, delay) {
    Object.assign(this, { name, perByte: megabits ? 0.008 / megabits : 0, delay, free: 0, waiting: 0 });
  }

  send(bytes, arrive) {
    counted[this.name] += bytes.length;
    if (this.perByte === 0 && this.delay === 0) return arrive(bytes);
    for (let at = 0; at < bytes.length; at += PIECE) {
      const piece = bytes.subarray(at, at + PIECE);
      const now = performance.now();
      this.free = Math.max(now, this.free) + piece.length * this.perByte;
      this.waiting += piece.length;
      setTimeout(() => {
        this.waiting -= piece.length;
        arrive(piece);
      }, this.free + this.delay - now);
    }
  }
}

process.once('message', ({ port, megabits, roundTrip }) => {
  const down = new Direction('down', megabits, roundTrip / 2);
  const up = new Direction('up', megabits, roundTrip / 2);
  const server = createServer({ noDelay: true }, (client) => {
    const target = connect({ port, host: '127.0.0.1', noDelay: true });
    const end = () => {
      client.destroy();
      target.destroy();
    };
    /** What is said last arrives before the end is heard. */
    const pump = (from, to, direction, latency) => {
      let opened = latency ? performance.now() + latency : 0;
      from.on('data', (bytes) => {
        const arrive = (piece) => {
          if (to.writable) to.write(piece);
          if (from.isPaused() && direction.waiting < MOST_WAITING) from.resume();
        };
        // A connection is made before anything goes over it.
        const wait = opened - performance.now();
        opened = 0;
        if (wait > 0) setTimeout(() => direction.send(bytes, arrive), wait);
        else direction.send(bytes, arrive);
        if (direction.waiting > MOST_WAITING) from.pause();
      });
      from.on('end', () => setTimeout(() => to.end(), Math.max(0, direction.free - performance.now()) + direction.delay + 5));
      from.on('error', end);
    };
    pump(client, target, up, roundTrip);
    pump(target, client, down, 0);
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
  process.on('message', (asked) => {
    if (asked !== 'count') return;
    process.send({ ...counted });
    Object.assign(counted, { down: 0, up: 0 });
  });
});
process.on('disconnect', () => process.exit());
