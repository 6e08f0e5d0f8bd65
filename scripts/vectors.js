/**
 * `npm run vectors -- FILE...`: checks files of the form of tests/vectors/*.json, byte for byte, as the tests check the committed ones; without
 * arguments, the committed ones. Ends with `N passed, N failed`.
 *
 * What a file is about is taken from its members, not from its name. Each kind is checked by tests/checks (TypeScript; on the host that ships and on
 * the one of the tests, whose cryptography is of another make), by what tests/checks/lab.ts says of servers, and by the tests of tests/native that
 * stand on its vectors, compiled with this file in place of the committed one. Filter rules are compiled by TypeScript and judge packets in C.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { corePackages, ensureAddon, ensureDebian, ensurePackages, root } from "./prepare.js";

/** By kind: a member that no other kind has, one of which must be there; the lists of checks in TypeScript; those of servers. */
const kinds = {
	stun: {
		members: ["parseResponse", "parseBindingRequest", "requests", "responses"],
		checks: ["stunChecks"],
		lab: ["stunServerRequests", "stunServerResponses"],
	},
	disco: { members: ["cases", "packets", "tsmpDiscoKeyAdvertisement", "boxSteps"], checks: ["discoChecks"], lab: ["discoAtServer"] },
	derp: {
		members: ["connections", "greetings", "clientReceives", "serverReceives"],
		checks: ["derpChecks"],
		lab: ["derpServerReceives", "derpMetaCertificate"],
	},
	classify: { members: ["datagrams"], checks: ["classifyChecks"], lab: [] },
	"control-noise": { members: ["handshake_steps", "key_client_to_server", "prologue_hex"], checks: ["noiseChecks"], lab: ["noiseResponder"] },
	wireguard: { members: ["handshakes", "initiation_cases", "kdf", "replay", "allowedips", "keypair_rotation", "tai64n"], checks: [], lab: [] },
	tsmp: { members: ["messages", "icmp", "ping_data"], checks: ["tsmpChecks"], lab: [] },
	filter: { members: ["sets", "compile", "grants", "chunks"], checks: ["filterChecks"], lab: [] },
};

/** @returns the kind whose members the file has most of, undefined for a form that is none */
function kindOf(json) {
	if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
	let best;
	for (const [kind, { members }] of Object.entries(kinds)) {
		const count = members.filter((name) => json[name] !== undefined).length;
		if (count > (best?.count ?? 0)) best = { kind, count };
	}
	return best?.kind;
}

/** The checks in TypeScript, bundled with a host. */
async function loadChecks(host, withLab) {
	const { build } = await import("esbuild");
	const { places } = await import("../tests/xs/places.js");
	const files = ["stun", "disco", "derp", "classify", "noise", "tsmp", "filter", ...(withLab ? ["lab"] : [])];
	const result = await build({
		stdin: { contents: files.map((name) => `export * from "./tests/checks/${name}.js";`).join("\n"), resolveDir: root, loader: "ts" },
		bundle: true,
		write: false,
		format: "esm",
		platform: "node",
		target: "node20",
		plugins: [places(host)],
		logLevel: "error",
	});
	const folder = join(root, "build", "vectors");
	mkdirSync(folder, { recursive: true });
	const file = join(folder, `checks.${process.pid}.${withLab ? "lab" : "host"}.mjs`);
	writeFileSync(file, result.outputFiles[0].text);
	try {
		return await import(pathToFileURL(file).href);
	} finally {
		rmSync(file, { force: true });
	}
}

/** Runs checks; a failure is one line. */
async function runChecks(makers, json, where, counts) {
	let checks;
	try {
		checks = makers.flatMap((make) => make(json));
	} catch (error) {
		console.log(`not ok - ${where}: a section is not of the form: ${error.message}`);
		counts.failed += 1;
		return;
	}
	for (const { name, run } of checks) {
		try {
			await run();
			counts.passed += 1;
		} catch (error) {
			console.log(`not ok - ${where}: ${name}: ${String(error?.message ?? error).slice(0, 600)}`);
			counts.failed += 1;
		}
	}
}

/** The tests of tests/native that stand on a kind, compiled with this file's vectors. */
async function runNative(kind, file, json, text, counts) {
	const { buildPrograms, build, execute, list, tests } = await import("../tests/native/programs.js");
	const { writeModuleData, writeVectorHeader, writeVectors } = await import("../tests/native/data.js");
	const sources = list(tests, /^test_.*\.c$/).filter((source) => readFileSync(source, "utf8").includes(`TN_VECTOR_TEST("${kind}"`));
	if (sources.length === 0) return;
	writeVectors();
	await writeModuleData();
	const folder = join(build, "vectors-of", `${kind}-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`);
	mkdirSync(folder, { recursive: true });
	if (!existsSync(join(folder, `vectors_${kind.replaceAll("-", "_")}.h`))) writeVectorHeader(kind, json, folder);
	if (kind === "filter") {
		const { ok, output } = await execute(process.execPath, [join(tests, "from-modules.js"), file, folder]);
		if (!ok) {
			console.log(`not ok - the rules of the sets cannot be compiled: ${output.trim().slice(0, 2000)}`);
			counts.failed += 1;
			return;
		}
	}
	const programs = await buildPrograms(sources, "vectors", { folder, flags: [`-DTN_VECTORS_ONLY="${kind}"`, `-I${folder}`] });
	for (const [i, program] of programs.entries()) {
		const { output } = program ? await execute(program, []) : { output: "" };
		const closing = /^(\d+) passed, (\d+) failed$/m.exec(output);
		for (const line of output.split("\n")) if (/^(#|not ok)/.test(line)) console.log(line);
		if (!closing) console.log(`not ok - ${relative(root, sources[i])} did not run to its end`);
		counts.passed += Number(closing?.[1] ?? 0);
		counts.failed += closing ? Number(closing[2]) : 1;
	}
	rmSync(folder, { recursive: true, force: true });
}

async function checkFile(file, hosts) {
	const counts = { passed: 0, failed: 0 };
	const shown = relative(here, file).startsWith("..") ? file : relative(here, file);
	const fail = (why) => {
		console.log(`not ok - ${shown}: ${why}`);
		return { passed: counts.passed, failed: counts.failed + 1 };
	};
	let text;
	let json;
	try {
		text = readFileSync(file, "utf8");
		json = JSON.parse(text);
	} catch (error) {
		return fail(text === undefined ? `cannot be read (${error.code})` : `is not JSON (${error.message})`);
	}
	const kind = kindOf(json);
	if (!kind) return fail(`is of no known form; there are ${Object.keys(kinds).join(", ")}`);
	console.log(`# ${shown}: ${kind}`);
	const { checks, lab } = kinds[kind];
	for (const { name, module } of hosts)
		await runChecks(
			checks.map((list) => module[list]),
			json,
			name,
			counts,
		);
	await runChecks(
		lab.map((list) => hosts[0].module[list]),
		json,
		"lab",
		counts,
	);
	await runNative(kind, file, json, text, counts);
	console.log(`# ${shown}: ${counts.passed} passed, ${counts.failed} failed`);
	return counts.passed + counts.failed === 0 ? fail("has no vector in it") : counts;
}

/** Where the person stands: npm runs scripts in the project's folder. */
const here = process.env.INIT_CWD ?? process.cwd();
const files = process.argv.slice(2).map((file) => resolve(here, file));
ensurePackages();
const missing = ensureDebian(corePackages);
if (missing.length) {
	console.log(`vectors: the native core needs ${missing.join(" ")}`);
	console.log("0 passed, 1 failed");
	process.exit(1);
}
if (files.length === 0) {
	const { list } = await import("../tests/native/programs.js");
	files.push(...list(join(root, "tests", "vectors"), /\.json$/));
}
process.env.TAILNET_ADDON ??= await ensureAddon();
const hosts = [
	{ name: "test host", module: await loadChecks("tests/xs/host.ts", true) },
	{ name: "Node host", module: await loadChecks("hosts/node/host.ts", false) },
];
let passed = 0;
let failed = 0;
for (const file of files) {
	const counts = await checkFile(file, hosts);
	passed += counts.passed;
	failed += counts.failed;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
