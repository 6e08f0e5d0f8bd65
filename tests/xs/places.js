/** Where bundles of tests find what they import: a host of their choice as "tailnet/host", tests/xs/harness.ts as harness, TypeScript by its .js name. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** @param host what "tailnet/host" is, from the project's folder */
export const places = (host) => ({
	name: "places",
	setup(builder) {
		builder.onResolve({ filter: /^tailnet\/host$/ }, () => ({ path: join(root, host) }));
		builder.onResolve({ filter: /^tailnet\/status\// }, ({ path }) => ({ path: join(root, `${path.slice("tailnet/".length)}.ts`) }));
		builder.onResolve({ filter: /\/harness\.js$/ }, ({ path, resolveDir }) =>
			resolve(resolveDir, path) === join(root, "tests/harness.js") ? { path: join(root, "tests/xs/harness.ts") } : undefined,
		);
		builder.onResolve({ filter: /^\.{1,2}\/.*\.js$/ }, ({ path, resolveDir }) => {
			const source = resolve(resolveDir, path).replace(/\.js$/, ".ts");
			return existsSync(source) ? { path: source } : undefined;
		});
	},
});
