/* Network classes of the SDK in Node, by the names that apps import them by. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const io = join(process.env.MODDABLE ?? join(homedir(), ".local/share/moddable"), "examples/io");
const own = join(import.meta.dirname, "../../examples/node");

export const sdkModules = {
	"embedded:network/http/client": join(io, "tcp/httpclient/httpclient.js"),
	timer: join(own, "timer.js"),
	logical: join(own, "logical.js"),
	"text/decoder": join(own, "text-decoder.js"),
};

export const existingSDK = () => existsSync(sdkModules["embedded:network/http/client"]);
