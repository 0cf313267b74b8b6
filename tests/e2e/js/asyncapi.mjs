// Reads an AsyncAPI document from stdin and prints what the official parser has against it, as JSON lines.
import { Parser } from "@asyncapi/parser";
import { text } from "node:stream/consumers";

const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
for (const { severity, code, message, path } of diagnostics) {
  console.log(JSON.stringify({ severity: ["error", "warning", "info", "hint"][severity], code, message, path: path.join(".") }));
}
process.exit(document ? 0 : 1);
