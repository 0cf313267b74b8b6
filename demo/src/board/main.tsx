// The public board of a queue: /demo/board/?queue=screening#token=<the installation's board token>. The token is in the
// fragment, which no server and no log gets to see.

import "@preact/signals";
import { render } from "preact";
import { createBoard } from "./board";
import { BoardPage } from "./page";
import "./style.css";

const queue = new URLSearchParams(location.search).get("queue")?.trim() || "screening";
const token = new URLSearchParams(location.hash.slice(1)).get("token");
document.title = `${queue} · Confer`;
render(<BoardPage board={createBoard(queue, token)} />, document.getElementById("board")!);
