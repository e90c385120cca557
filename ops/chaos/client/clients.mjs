// Many stock clients that come and go, subscribe and unsubscribe at random, and tell what they see.
//
// The first line of stdin says who they are, and in which file they report, in order, one line for each moment.
// Then each line is a word: "rest" (change nothing any more), "word 3" (each socket reports how many lines it has
// reported before this one, and whether it is at rest), "end".
// Each line of stdout says how many lines are in the file, and how many sockets are not at rest.
import { appendFileSync, openSync } from "node:fs";
import { createInterface } from "node:readline";
import { Manager } from "socket.io-client";

const FLUSH_MS = 50;
const AGAIN_MS = 200;
const NAMESPACES = ["/feed", "/notifications", "/live"];

const told = [];
let written = 0;
const places = [];
let resting = false;

const tell = (...moment) => told.push(moment);

// A generator of random numbers that can be seeded (mulberry32).
function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

class Person {
  constructor({ name, token, url, transports, seed }, rooms) {
    this.random = randomOf(seed);
    this.away = false;
    const options = { transports, autoConnect: false, timeout: 5000, reconnectionDelay: 50, reconnectionDelayMax: 500 };
    const manager = new Manager(url, options);
    this.places = NAMESPACES.map((namespace) => new Place(this, name, token, manager, namespace, rooms[namespace] ?? {}));
  }

  start() {
    for (const place of this.places) {
      place.socket.connect();
      place.live();
    }
    this.later(20000, 60000, () => this.leave());
  }

  later(least, most, act) {
    setTimeout(act, least + this.random() * (most - least));
  }

  // For good, as the server sees it: whoever comes back then begins afresh.
  leave() {
    if (resting) return;
    this.away = true;
    for (const { socket } of this.places) socket.disconnect();
    this.later(500, 3000, () => {
      this.away = false;
      for (const { socket } of this.places) socket.connect();
      this.later(20000, 60000, () => this.leave());
    });
  }
}

class Place {
  constructor(person, client, token, manager, namespace, rooms) {
    this.person = person;
    this.client = client;
    this.namespace = namespace;
    this.kinds = Object.entries(rooms);
    this.wanted = new Set();
    this.changes = [];
    this.number = 0;
    this.lines = 0;
    this.waiting = false;
    this.socket = manager.socket(namespace, { auth: { token, recovery: true } });
    this.watch();
    places.push(this);
  }

  get atRest() {
    return this.socket.connected && this.changes.length === 0;
  }

  tell(kind, ...more) {
    this.lines += 1;
    tell(this.client, this.namespace, kind, Date.now(), ...more);
  }

  say(word) {
    tell(this.client, this.namespace, "word", Date.now(), word, this.lines, this.atRest);
  }

  watch() {
    this.socket.on("connect", () => this.connected());
    this.socket.on("disconnect", (reason) => this.tell("disconnect", reason));
    this.socket.on("connect_error", (error) => {
      if (this.socket.active) return; // the manager goes on by itself
      this.tell("refused", error.data?.code ?? error.message);
      setTimeout(() => this.person.away || this.socket.connect(), AGAIN_MS * (1 + this.person.random()));
    });
    this.socket.onAny((name, event, offset) => {
      if (name.startsWith("notification")) return; // of the inbox: no publisher knows what these should be
      if (event?.id !== undefined) this.tell("event", offset ?? null, event.id); // signals have no id
    });
  }

  connected() {
    const { recovered, id } = this.socket;
    this.tell("connect", recovered ?? null, id);
    this.waiting = false;
    if (!recovered) this.changes = this.joins([...this.wanted]);
    this.next();
  }

  // The rooms as commands: those of /feed in one, streams one by one.
  joins(rooms, join = true) {
    if (rooms.length === 0) return [];
    return this.namespace === "/live" ? rooms.map((room) => ({ join, rooms: [room] })) : [{ join, rooms }];
  }

  // One command at a time; one whose answer was lost is sent again when the client is back.
  next() {
    if (this.waiting || !this.socket.connected || this.changes.length === 0) return;
    const [{ join, rooms }] = this.changes;
    const number = (this.number += 1);
    this.waiting = true;
    this.tell("asked", number, join, rooms);
    this.socket.emit(...this.command(join, rooms), (answer) => {
      this.tell("answered", number, answer.ok === true, answer.error?.code ?? null);
      if (answer.ok === true) this.changes.shift();
      setTimeout(() => {
        if (number !== this.number) return; // it was sent again meanwhile
        this.waiting = false;
        this.next();
      }, answer.ok === true ? 0 : AGAIN_MS);
    });
  }

  command(join, rooms) {
    if (this.namespace === "/live") return [join ? "join" : "leave", { stream_id: idOf(rooms[0]) }];
    const payload = {};
    for (const [member, { prefix }] of this.kinds) {
      const ids = rooms.filter((room) => room.startsWith(prefix)).map(idOf);
      if (ids.length > 0) payload[member] = ids;
    }
    return [join ? "subscribe" : "unsubscribe", payload];
  }

  live() {
    if (this.kinds.length === 0) return;
    this.person.later(200, 2500, () => {
      if (!resting) this.change();
      this.live();
    });
  }

  change() {
    if (!this.atRest) return;
    const { random } = this.person;
    const [, { prefix, ids }] = this.kinds[Math.floor(random() * this.kinds.length)];
    const join = this.wanted.size < 3 || (this.wanted.size < 12 && random() < 0.5);
    const among = ids.map((id) => prefix + id).filter((room) => this.wanted.has(room) !== join);
    const rooms = among.filter(() => random() < 2 / among.length);
    for (const room of rooms) join ? this.wanted.add(room) : this.wanted.delete(room);
    this.changes = this.joins(rooms, join);
    this.next();
  }
}

const idOf = (room) => room.slice(room.indexOf(":") + 1);

function flush(file) {
  if (told.length === 0 && !resting) return;
  appendFileSync(file, told.map((moment) => `${JSON.stringify(moment)}\n`).join(""));
  written += told.splice(0).length;
  const busy = places.filter((place) => !place.atRest).length;
  process.stdout.write(`${JSON.stringify({ told: written, busy })}\n`);
}

function rest() {
  resting = true;
  for (const place of places) place.tell("wants", [...place.wanted]);
}

let begun = false;
for await (const line of createInterface({ input: process.stdin })) {
  if (!begun) {
    const { people, rooms, reports } = JSON.parse(line);
    const file = openSync(reports, "a");
    people.map((one) => new Person(one, rooms)).forEach((person) => person.start());
    setInterval(() => flush(file), FLUSH_MS);
    begun = true;
  } else if (line === "rest") rest();
  else if (line.startsWith("word ")) for (const place of places) place.say(Number(line.slice(5)));
  else break;
}
process.exit(0);
