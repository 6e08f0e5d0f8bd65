/**
 * A new app, the one of documentation/getting-started.md, in a folder of its own: it includes the package as npm installs it, by git (what is committed), and as a folder beside it, and is built for the
 * simulator; the first of them joins a tailnet.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../../../scripts/prepare.js";
import { blocksOf } from "../../documentation/documents.js";
import { authKey } from "../../interop/harness/world.js";
import { build, library } from "../harness/sdk.js";

const heading = "An app of your own";
const hostname = "greenhouse-1";
const domain = "interop.test";
const [manifest, program] = ["json", "ts"].map((language) =>
	blocksOf("documentation/getting-started.md")
		.find((block) => block.heading === heading && block.language === language)
		.lines.join("\n"),
);
/** Known before the world is there: the app has it from its source. */
const controlPort = 8181;

/** The place of the package in the page's manifest. */
const place = "../tailnet/";

/** Each way, with what it makes in the new folder. @returns what stands in the manifest instead */
const ways = {
	package(folder) {
		const modules = join(folder, "app/node_modules");
		mkdirSync(modules, { recursive: true });
		const [{ filename }] = JSON.parse(
			execFileSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], { cwd: root, encoding: "utf8" }),
		);
		execFileSync("tar", ["xzf", join(folder, filename), "-C", modules]);
		execFileSync("mv", [join(modules, "package"), join(modules, "tailnet")]);
		return (path) => path.replace(place, "./node_modules/tailnet/");
	},
	git(folder) {
		const repository = join(folder, "tailnet.git");
		execFileSync("git", ["clone", "--quiet", "--bare", root, repository]);
		const git = pathToFileURL(repository).href;
		return (path) => (path.startsWith(place) ? { git, manifest: path.slice(place.length) } : path);
	},
	folder(folder) {
		symlinkSync(root, join(folder, "tailnet"));
		return (path) => path;
	},
};

let folder;
const builds = new Map();

/** Writes the app of a way. @returns its folder */
function writeApp(way) {
	const below = join(folder, way);
	mkdirSync(join(below, "app"), { recursive: true });
	const written = JSON.parse(manifest);
	written.include = written.include.map(ways[way](below));
	written.build.NAME = `tailnet-by-${way}`;
	writeFileSync(join(below, "app/manifest.json"), JSON.stringify(written));
	const told = `\tcontrolURL: "http://10.71.0.1:${controlPort}",\n\tauthKey: "${authKey}",`;
	writeFileSync(join(below, "app/main.ts"), program.replace(/\tauthKey: .*/, told));
	return join(below, "app");
}

/** One after the other. */
function buildAll() {
	folder = mkdtempSync(join(tmpdir(), "tailnet-included-"));
	let before = Promise.resolve();
	for (const way of Object.keys(ways)) {
		before = before.catch(() => {}).then(() => build(writeApp(way)));
		before.catch(() => {});
		builds.set(way, before);
	}
	before.catch(() => {}).then(() => rmSync(folder, { recursive: true, force: true }));
}

export default {
	title: "A new app",
	world: { control: { port: controlPort, magicDNSDomain: domain } },
	prepare: buildAll,
	before: (t) => t.world.stock("t1"),
	cases: [
		...Object.keys(ways).map((way) => [
			`it includes the ${way}, and is built for the simulator`,
			async () => void (await builds.get(way)),
			{ timeoutMS: 600_000 },
		]),
		[
			"that of the package joins the tailnet, and a peer gets its page",
			async (t) => {
				const node = await t.world.launch(hostname, { library: library("tailnet-by-package"), env: { SSL_CERT_FILE: t.world.peers.ca } });
				const { Addresses } = await t.world.eventually(() => t.world.known(hostname), 30_000);
				const [address] = Addresses[0].split("/");
				await t.world.eventually(() => t.world.ping("t1", address, "TSMP", 1000), 20_000);
				const { status, body } = await t.world.peers.do("node.http", { node: "t1", url: `http://${address}/` }, 15_000);
				t.assert.deepEqual([status, body], [200, "21.4\n"]);
				await node.close();
			},
			{ timeoutMS: 90_000 },
		],
	],
};
