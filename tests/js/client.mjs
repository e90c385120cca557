// Drives the stock socket.io-client for tests: commands come in, and what happens goes out, as lines of JSON.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [library] = process.argv.slice(2);
const { Manager } = createRequire(`${library}/`)("socket.io-client");

const managers = new Map();
const sockets = new Map();

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function watch(id, socket) {
  socket.on("connect", () => {
    const { id: sid, recovered = false, _pid: pid = null, _lastOffset: offset = null } = socket;
    tell({ id, on: "connect", sid, recovered, pid, offset, transport: socket.io.engine.transport.name });
  });
  socket.on("disconnect", (reason) => tell({ id, on: "disconnect", reason, active: socket.active }));
  socket.on("connect_error", ({ message, data }) => tell({ id, on: "connect_error", message, data }));
  socket.onAny((name, ...args) => tell({ id, on: "event", name, args }));
}

function manager({ manager: name, url, options }) {
  if (!managers.has(name)) {
    const made = new Manager(url, { autoConnect: false, reconnectionDelay: 20, reconnectionDelayMax: 50, ...options });
    made.on("open", () => {
      made.engine.on("upgrade", (transport) => tell({ id: name, on: "upgrade", transport: transport.name }));
    });
    managers.set(name, made);
  }
  return managers.get(name);
}

const commands = {
  connect(command) {
    // A function, so that a reconnect sends what was set last.
    const socket = manager(command).socket(command.namespace, { auth: (answer) => answer(socket.credentials) });
    socket.credentials = command.auth;
    sockets.set(command.id, socket);
    watch(command.id, socket);
    socket.connect();
  },
  auth({ id, auth }) {
    sockets.get(id).credentials = auth;
  },
  // What another client, or this one in another life, would show when it comes back.
  claim({ id, pid, offset }) {
    sockets.get(id)._pid = pid;
    sockets.get(id)._lastOffset = offset;
  },
  cut({ id }) {
    sockets.get(id).io.engine.close();
  },
  again({ id }) {
    sockets.get(id).connect();
  },
  emit({ id, name, args, ack }) {
    const answered = (...answer) => tell({ id, on: "ack", ack, args: answer });
    sockets.get(id).emit(name, ...args, ...(ack === null ? [] : [answered]));
  },
  binary({ id, name, ack }) {
    sockets.get(id).emit(name, Buffer.from("binary"), (...answer) => tell({ id, on: "ack", ack, args: answer }));
  },
  disconnect({ id }) {
    sockets.get(id).disconnect();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
process.exit(0);
