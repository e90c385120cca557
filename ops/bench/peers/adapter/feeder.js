// The publisher: a Socket.IO server without clients that emits what it reads from a stream, through the adapter.
//
// Environment: STREAM, NAMESPACE, and what connection.js reads.

import { Server } from "socket.io";
import { connect, options } from "./connection.js";

const { STREAM } = process.env;

const io = new Server(options(await connect()));
const source = await connect();

// A field is named "namespace\0room[\0room…]" and holds the packet as a JSON array: [event type, event].
function emit(fields) {
  for (let i = 0; i < fields.length; i += 2) {
    const [namespace, ...rooms] = fields[i].split("\0");
    if (rooms.length === 0) continue; // "prev" and "at", which are the hub's
    const [type, event] = JSON.parse(fields[i + 1]);
    io.of(namespace).to(rooms).emit(type, event);
  }
}

for (let last = "0-0"; ; ) {
  const answer = await source.sendCommand(
    ["XREAD", "COUNT", "500", "BLOCK", "5000", "STREAMS", STREAM, last],
  );
  for (const [id, fields] of answer?.[0][1] ?? []) {
    emit(fields);
    last = id;
  }
}
