/** `npm start`: prepares what is missing, then the offline demo; `npm start -- up ...` and the other words go to the command. */
import { prepare } from "./prepare.js";

const words = process.argv.slice(2);
if (!(await prepare())) process.exit(5);
const isDemo = words.length === 0 || words[0] === "--stay" || words[0] === "--json";
process.argv.splice(2, words.length, ...(isDemo ? ["demo", ...words] : words));
await import("../dist/hosts/node/cli/main.js");
