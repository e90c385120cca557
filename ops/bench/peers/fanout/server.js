// The plain peer of `hub bench`: a Socket.IO server as one would write it in Node.js. It reads the same stream
// entries as the hub and emits each event to its room. Nothing here is durable, limited or authenticated.
//
// Environment: PORT, NAMESPACE, ROOM (of all clients; without it each is in one of its own), STREAM, REDIS_PORT,
// REDIS_PASSWORD. It listens once it knows where to read on.

import { createServer } from "node:http";
import { createClient } from "redis";
import { Server } from "socket.io";

const { PORT, NAMESPACE, ROOM, STREAM, REDIS_PORT, REDIS_PASSWORD } = process.env;

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });
io.of(NAMESPACE).on("connection", (socket) => socket.join(ROOM || `user:${socket.handshake.auth.user}`));

const redis = createClient({
  RESP: 2, // lists of names and values, as everywhere
  socket: { host: "127.0.0.1", port: Number(REDIS_PORT) },
  password: REDIS_PASSWORD || undefined,
});
redis.on("error", (error) => {
  console.error(error);
  process.exit(1);
});

// A field is named "namespace\0room[\0room…]" and holds the packet as a JSON array: [event type, event].
function deliver(fields) {
  for (let i = 0; i < fields.length; i += 2) {
    const [namespace, ...rooms] = fields[i].split("\0");
    if (rooms.length === 0) continue; // "prev" and "at", which the hub watches gaps and lag by
    const [type, event] = JSON.parse(fields[i + 1]);
    io.of(namespace).to(rooms).emit(type, event);
  }
}

async function follow(last) {
  for (;;) {
    const answer = await redis.sendCommand(
      ["XREAD", "COUNT", "500", "BLOCK", "5000", "STREAMS", STREAM, last],
    );
    for (const [id, fields] of answer?.[0][1] ?? []) {
      deliver(fields);
      last = id;
    }
  }
}

await redis.connect();
const newest = await redis.sendCommand(["XREVRANGE", STREAM, "+", "-", "COUNT", "1"]);
await new Promise((resolve) => http.listen(Number(PORT), "127.0.0.1", 4096, resolve));
await follow(newest.length ? newest[0][0] : "0-0");
