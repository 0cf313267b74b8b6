import { defineConfig } from "vite";

// The edge serves dist at /demo/, a proxy may serve it elsewhere: every address in the page is relative.
// `npm run dev` shows the sources and talks to a running edge.
export default defineConfig({
  base: "./",
  build: { target: "es2022", rolldownOptions: { input: ["index.html", "board/index.html"] } },
  server: { proxy: { "/socket.io": { target: "http://127.0.0.1:9014", ws: true } } },
});
