import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";

/** A server that is listening, and its end, which ends its connections too. */
export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * @param port 0 for one of the system's choice
 * @throws when the port is taken
 */
export async function listening(server: Server, host = "127.0.0.1", port = 0): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket.once("close", () => sockets.delete(socket)).on("error", () => {}));
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}
