// The JavaScript Socket.IO server (with ws). PORT; NATS_PORT: updates come from NATS instead of from members.
import { createServer } from "node:http";
import { connect } from "nats";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { cors: { origin: "*" }, perMessageDeflate: false });

io.on("connection", (socket) => {
  socket.on("join_patient_room", ({ patient_id }, ack) => {
    socket.join(patient_id);
    ack?.();
  });
  socket.on("field_update", (update, ack) => {
    io.to(update.patient_id).emit("field_updated", update);
    ack?.();
  });
});

async function follow(port) {
  const nats = await connect({ servers: `127.0.0.1:${port}` });
  const text = new TextDecoder();
  for await (const message of nats.subscribe("log.sync.room.*.record")) {
    const room = message.subject.split(".")[3];
    io.to(room).emit("field_updated", JSON.parse(text.decode(message.data)));
  }
}

if (process.env.NATS_PORT) follow(process.env.NATS_PORT);
http.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 4096 });
