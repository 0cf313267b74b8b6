// Stock Socket.IO clients for the tests: commands as JSON lines on stdin, what happens as JSON lines on stdout.
//
// A command names a client and its steps, which run in one tick, as a page's code would:
//   ["open", version, url | null, options]   ["emit", event, ...args]   ["call", number, event, ...args]
//   ["connect"]   ["close"]   ["cut"] (the transport breaks; the client comes back by itself)
//   ["move", url] (it connects there the next time)   ["call within", milliseconds, number, event, ...args]
// A line out is [client, what, ...values]: connect, connect_error, disconnect, event, ack, late, upgrade, failed.
import { createInterface } from "node:readline";
import io47 from "sio47";
import io48 from "sio48";

const clients = new Map();
const tell = (...line) => process.stdout.write(JSON.stringify(line) + "\n");

function open(name, version, url, options) {
  const socket = (version === "4.7" ? io47 : io48)(url, { forceNew: true, ...options });
  clients.set(name, socket);
  socket.on("connect", () => tell(name, "connect", socket.id, socket.io.engine.transport.name, socket.recovered));
  socket.on("connect_error", (error) => 
    tell(name, "connect_error", error.message, error.data ?? null, error.context?.responseText ?? null));
  socket.on("disconnect", (reason, details) =>
    tell(name, "disconnect", reason, details?.context?.code ?? details?.description ?? null, details?.context?.reason ?? null));
  socket.onAny((event, ...args) => tell(name, "event", event, ...args));
  socket.io.on("open", () => socket.io.engine.on("upgrade", (to) => tell(name, "upgrade", to.name)));
}

function run(name, [what, ...rest]) {
  const socket = clients.get(name);
  if (what === "open") open(name, ...rest);
  else if (what === "emit") socket.emit(...rest);
  else if (what === "call") socket.emit(...rest.slice(1), (...answer) => tell(name, "ack", rest[0], ...answer));
  else if (what === "call within")
    socket.timeout(rest[0]).emitWithAck(...rest.slice(2)).then(
      (answer) => tell(name, "ack", rest[1], answer),
      (error) => tell(name, "late", rest[1], error.message));
  else if (what === "move") socket.io.uri = rest[0];
  else if (what === "connect") socket.connect();
  else if (what === "close") socket.close();
  else if (what === "cut") socket.io.engine.close();
  else throw new Error(`no such step: ${what}`);
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, ...steps] = JSON.parse(line);
    try {
      for (const step of steps) run(name, step);
    } catch (error) {
      tell(name, "failed", String(error));
    }
  })
  .on("close", () => process.exit(0));
