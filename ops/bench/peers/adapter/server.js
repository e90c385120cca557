// The peer that is measured: a Socket.IO server that gets its events from other servers through the adapter.
//
// Environment: PORT, NAMESPACE, ROOM, and what connection.js reads.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { connect, options } from "./connection.js";

const { PORT, NAMESPACE, ROOM } = process.env;

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  serveClient: false,
  ...options(await connect()),
});
io.of(NAMESPACE).on("connection", (socket) => {
  if (!socket.recovered) socket.join(ROOM || `user:${socket.handshake.auth.user}`);
});

http.listen(Number(PORT), "127.0.0.1", 4096);
