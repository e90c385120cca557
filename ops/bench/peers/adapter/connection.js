// Owns what both programs share: a client of Valkey, and the options of a server that uses the adapter.
//
// Environment: REDIS_PORT, REDIS_PASSWORD; RECOVERY is set when clients may come back.

import { createAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";

const { REDIS_PORT, REDIS_PASSWORD, RECOVERY } = process.env;

const recovery = { maxDisconnectionDuration: 120_000 };

export async function connect() {
  const redis = createClient({
    RESP: 2, // what the adapter reads
    socket: { host: "127.0.0.1", port: Number(REDIS_PORT) },
    password: REDIS_PASSWORD || undefined,
  });
  redis.on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
  await redis.connect();
  return redis;
}

export function options(redis) {
  return {
    adapter: createAdapter(redis, { streamName: "bench-adapter:socket.io" }),
    ...(RECOVERY ? { connectionStateRecovery: recovery } : {}),
  };
}
