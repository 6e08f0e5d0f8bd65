/**
 * Runs an example in Node: the same main.ts, the SDK's own network classes, the built package.
 *
 *   npm run build
 *   node examples/node/run.js httpserver [key=value ...]
 *
 * The values are what mcconfig takes: they override the manifest's "config". The SDK is in $MODDABLE, or in ~/.local/share/moddable.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const [name, ...values] = process.argv.slice(2);
const examples = join(import.meta.dirname, "..");
const io = join(process.env.MODDABLE ?? join(homedir(), ".local/share/moddable"), "examples/io");

/** Modules by the names that the SDK gives them. */
const modules = {
	"embedded:network/http/client": join(io, "tcp/httpclient/httpclient.js"),
	"embedded:network/http/server": join(io, "listener/httpserver/httpserver.js"),
	"embedded:network/mqtt/client": join(io, "tcp/mqttclient/mqttclient.js"),
	"embedded:network/websocket/client": join(io, "tcp/websocketclient/websocketclient.js"),
	"text/decoder": join(import.meta.dirname, "text-decoder.js"),
	Resource: join(import.meta.dirname, "resource.js"),
	logical: join(import.meta.dirname, "logical.js"),
	time: join(import.meta.dirname, "time.js"),
	timer: join(import.meta.dirname, "timer.js"),
};

const { config } = JSON.parse(readFileSync(join(examples, name, "manifest.json"), "utf8"));
for (const value of values) {
	const at = value.indexOf("=");
	config[value.slice(0, at)] = value.slice(at + 1);
}

const outfile = join(examples, "../build/examples", `${name}.js`);
await build({
	entryPoints: [join(examples, name, "main.ts")],
	outfile,
	bundle: true,
	format: "esm",
	platform: "node",
	external: ["tailnet"],
	inject: [join(import.meta.dirname, "globals.js")],
	logLevel: "error",
	plugins: [
		{
			name: "sdk",
			setup({ onResolve, onLoad }) {
				onResolve({ filter: /^mc\/config$/ }, () => ({ path: "config", namespace: "config" }));
				onResolve({ filter: /^tailnet\/status\// }, ({ path }) => ({ path: join(examples, "..", `${path.slice("tailnet/".length)}.ts`) }));
				onLoad({ filter: /.*/, namespace: "config" }, () => ({ contents: "export default globalThis.exampleConfig;", loader: "js" }));
				onResolve({ filter: /.*/ }, ({ path }) => (Object.hasOwn(modules, path) ? { path: modules[path] } : undefined));
			},
		},
	],
});
// Not in the bundle, which is a file: there may be a key among them.
globalThis.exampleConfig = Object.freeze(config);
globalThis.exampleResources = join(examples, "../status/page");
await import(outfile);
