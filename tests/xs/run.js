/**
 * Runs the unit tests of modules/ in an XS engine (`@agoric/xsnap`): each test file is bundled with tests/xs/host.ts as "tailnet/host" and
 * tests/xs/harness.ts as harness, and given to a worker of its own. Files named *.node.test.ts and *.addon.test.ts need Node and are left out.
 *
 *   node tests/xs/run.js [part of a file name ...]
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { places } from "./places.js";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const worker = join(root, "node_modules/@agoric/xsnap/xsnap-native/xsnap/build/bin/lin/release/xsnap-worker");

function testFiles() {
	const wanted = process.argv.slice(2);
	return readdirSync(join(root, "tests/unit"), { recursive: true })
		.filter((name) => name.endsWith(".test.ts") && !/\.(node|addon)\.test\.ts$/.test(name))
		.filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
		.sort()
		.map((name) => join(root, "tests/unit", name));
}

async function bundle(file) {
	const result = await build({
		stdin: {
			contents: `import ${JSON.stringify(file)};\nimport { run } from ${JSON.stringify(join(root, "tests/xs/harness.ts"))};\nglobalThis.run = run;`,
			resolveDir: root,
			loader: "ts",
		},
		bundle: true,
		write: false,
		format: "iife",
		target: "es2022",
		// XS 13 does not let the initialiser of a static field name its own class, as those of @noble/curves do.
		supported: { "class-static-field": false },
		plugins: [places("tests/xs/host.ts")],
		logLevel: "silent",
	});
	return result.outputFiles[0].text;
}

/** A test file that has not ended by then hangs: XS is slow, and the machine may be busy, but not that much. */
const limitMS = 600_000;

/** Evaluates scripts in a worker; resolves with what it printed and whether it ended well. */
function evaluate(name, scripts) {
	return new Promise((done) => {
		const child = spawn(worker, [name], { stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"] });
		let printed = "";
		let answers = Buffer.alloc(0);
		let answered = 0;
		let failure;
		const timer = setTimeout(() => {
			failure ??= `not done within ${limitMS / 1000} s`;
			child.kill("SIGKILL");
		}, limitMS);
		child.stdout.on("data", (bytes) => (printed += bytes));
		child.stderr.on("data", (bytes) => (printed += bytes));
		child.stdio[3].on("error", () => {});
		child.stdio[4].on("data", (bytes) => {
			answers = Buffer.concat([answers, bytes]);
			for (;;) {
				const colon = answers.indexOf(":");
				if (colon < 0) return;
				const length = Number(answers.subarray(0, colon));
				if (answers.length < colon + length + 2) return;
				const answer = answers.subarray(colon + 1, colon + 1 + length).toString();
				answers = answers.subarray(colon + length + 2);
				answered += 1;
				if (answer.startsWith("!")) failure ??= answer.slice(1);
				if (failure || answered === scripts.length) child.stdio[3].end();
			}
		});
		child.on("close", (code, signal) => {
			clearTimeout(timer);
			done({ printed, failure: failure ?? (answered < scripts.length ? `the engine ended early (${signal ?? code})` : undefined) });
		});
		for (const script of scripts) {
			const bytes = Buffer.from(`e${script}`);
			child.stdio[3].write(`${bytes.length}:`);
			child.stdio[3].write(bytes);
			child.stdio[3].write(",");
		}
	});
}

if (!existsSync(worker)) {
	console.log("xs: the XS engine is not built; `npm test` builds it");
	console.log("0 passed, 0 failed, 1 skipped");
	process.exit(0);
}

let passed = 0;
let failed = 0;
for (const file of testFiles()) {
	const name = relative(root, file);
	const problems = [];
	let counts = [0, 0];
	try {
		const { printed, failure } = await evaluate(basename(file), [await bundle(file), "run()"]);
		const closing = /^closing (\d+) (\d+)$/m.exec(printed);
		if (closing) counts = [Number(closing[1]), Number(closing[2])];
		for (const line of printed.split("\n")) if (line.startsWith("not ok")) problems.push(line);
		if (failure || !closing) {
			counts[1] += 1;
			problems.push(`not ok - ${name}: ${failure ?? "no closing line"}\n${printed.slice(-2000)}`);
		}
		if (counts[0] + counts[1] === 0) {
			counts[1] += 1;
			problems.push(`not ok - ${name}: no test in it`);
		}
	} catch (error) {
		counts = [0, 1];
		problems.push(`not ok - ${name}: ${error.message}`);
	}
	passed += counts[0];
	failed += counts[1];
	console.log(`${problems.length ? "FAIL" : "ok"} ${name}: ${counts[0]} passed, ${counts[1]} failed`);
	for (const problem of problems) console.log(`  ${problem}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
