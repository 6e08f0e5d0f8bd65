/**
 * A control server that sends absurd maps (absurd.js): our node, a process of its own as users run it, takes or refuses each, says so, keeps its bounds, and
 * is in the next moment what it was before: running, with the honest peer where it was.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { framed } from "../../../dist/tests/lab/control-map.js";
import { encodeJSON } from "../../../dist/tests/lab/control-nodes.js";
import { startLab } from "../../../dist/tests/lab/lab.js";
import { nodeCommand } from "../../interop/harness/requirements.js";
import { CommandNode } from "../../interop/harness/subject.js";
import absurd from "./absurd.js";
import { mutate } from "./mutations.js";

/** What one message may add to the memory of a process, JavaScript's own slack included, whatever the size of the message. */
const boundBytes = 96e6;
const limitMS = 30_000;

class LabNode extends CommandNode {
	constructor(lab, folder, hostname) {
		super({ directory: join(folder, hostname), hostname, namespace: { inside: (command) => command } });
		const file = (name, text) => {
			const path = join(folder, `${hostname}.${name}`);
			writeFileSync(path, text);
			return path;
		};
		const options = ["--control", lab.controlURL, "--hostname", hostname, "--state-dir", this.options.directory, "--no-port-mapping", "--json"];
		this.run(
			[process.execPath, nodeCommand, "up", ...options, "--auth-key-file", file("key", lab.authKey), "--derp-ca", file("pem", lab.authorityPEM)],
			process.env,
		);
	}
}

async function eventually(what, look, forMS = limitMS) {
	for (const until = performance.now() + forMS; ; ) {
		const found = await look();
		if (found) return found;
		if (performance.now() > until) throw new Error(`did not come: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

/** Control, our node, and an honest peer of ours. */
class Stage {
	static async create() {
		const stage = new Stage();
		stage.folder = mkdtempSync(join(tmpdir(), "tailnet-hostile-"));
		stage.lab = await startLab();
		stage.a = new LabNode(stage.lab, stage.folder, "a");
		stage.b = new LabNode(stage.lab, stage.folder, "b");
		await Promise.all([stage.a.running(), stage.b.running()]);
		await stage.isWell();
		return stage;
	}

	get control() {
		return this.lab.control;
	}

	get node() {
		return this.control.node("a");
	}

	/** Map polls that the node has begun. */
	get polls() {
		return this.control.maps.requests.filter((request) => request.Stream === true && request.NodeKey === this.nodeKey).length;
	}

	get nodeKey() {
		return `nodekey:${this.node.nodeKey}`;
	}

	/** What control would say if it were honest. */
	full() {
		return this.control.maps.full(this.node, this.node.capVersion);
	}

	/** Sends a message. @returns "taken" when the node has read what came after it, "refused" when it began another poll */
	async say(message) {
		// A message of control's that the node shows: it has read what came before.
		const { maps } = this.control;
		const { polls } = this;
		maps.sendRaw(this.node, typeof message === "string" ? framed(Buffer.from(message)) : message);
		this.mark = `mark ${polls} ${performance.now()}`;
		maps.send(this.node, { DisplayMessages: { "*": null, mark: { Title: this.mark } } });
		return eventually("what becomes of the message", async () => {
			if (this.polls > polls) return "refused";
			const { warnings } = await this.a.do({ do: "health" });
			return warnings.some(({ text }) => text === this.mark) && "taken";
		});
	}

	/** The node has the map that is true, runs, and reaches the honest peer. */
	async isWell() {
		await eventually("a poll", () => this.control.maps.send(this.node, { ...this.full(), DisplayMessages: { "*": null } }));
		await eventually("running, with the honest peer in reach", async () => {
			const { state } = await this.a.do({ do: "health" });
			if (state !== "running") return false;
			return this.a.do({ do: "ping", peer: this.b.address, kind: "tsmp", timeoutMS: 2000 }).then(
				() => true,
				() => false,
			);
		});
	}

	async close() {
		await Promise.all([this.a.interrupt(), this.b.interrupt()]);
		await this.lab.close();
		rmSync(this.folder, { recursive: true, force: true });
	}
}

async function tell(stage, { message, outcome, says, lasts }) {
	const { a, control } = stage;
	const from = a.events.length;
	const before = a.memory().residentBytes;
	const [node, peer] = [stage.full().Node, stage.full().Peers[0]];
	const came = await stage.say(message({ node, peer, full: stage.full() }));
	const errors = a.events.slice(from).filter(({ event }) => event === "error");
	const { warnings } = came === "taken" ? await a.do({ do: "health" }) : { warnings: [] };
	const shown = warnings.filter(({ text }) => text !== stage.mark);
	const said = [...errors.map(({ code, message: text }) => `${code}: ${text}`), ...shown.map(({ id, text }) => `${id}: ${text}`)];
	assert.equal(came, outcome, said.join("; "));
	if (outcome === "refused") assert.ok(errors.length > 0, "it was refused without a word");
	if (says) assert.match(said.join("; "), says);
	for (const line of said) assert.ok(line.length < 1000, `${line.length} characters of a text that control chose`);
	assert.ok(control.maps.isPolling(stage.node) || came === "refused");
	if (lasts) control.maps.end(stage.node, "end");
	await stage.isWell();
	assert.equal(a.ended, undefined);
	const grown = a.memory().residentBytes - before;
	assert.ok(grown < boundBytes, `${Math.round(grown / 1e6)} MB more`);
	return said.at(0)?.slice(0, 120);
}

/** @param check (sentence, function) of the ring @param only part of a name */
export async function controlSuite(check, only) {
	const chosen = absurd.filter(({ name }) => name.includes(only));
	if (chosen.length === 0) return;
	const stage = await Stage.create();
	try {
		for (const one of chosen) await check(`control sends ${one.name}: ${one.outcome}, and all is as before`, () => tell(stage, one));
	} finally {
		await stage.close();
	}
}

/** Mutated maps for as long as is asked. @param random tests/soak/random.js */
export async function controlSoak(check, minutes, random) {
	const stage = await Stage.create();
	const counts = { taken: 0, refused: 0 };
	try {
		await check(`control sends maps that are wrong in one place, for ${minutes} minutes: the node lives, says what it refuses, and is well again`, async () => {
			const started = stage.a.memory().residentBytes;
			for (const until = performance.now() + minutes * 60_000; performance.now() < until; ) {
				const message = JSON.parse(encodeJSON(stage.full()));
				const where = mutate(message, random);
				const from = stage.a.events.length;
				const came = await stage.say(encodeJSON(message));
				counts[came] += 1;
				if (came === "refused")
					assert.ok(
						stage.a.events.slice(from).some(({ event }) => event === "error"),
						`${where}: refused without a word`,
					);
				await stage.isWell();
			}
			const grown = stage.a.memory().residentBytes - started;
			assert.ok(grown < boundBytes, `${Math.round(grown / 1e6)} MB more`);
			return `${counts.taken} taken, ${counts.refused} refused, ${Math.round(grown / 1e6)} MB more`;
		});
	} finally {
		await stage.close();
	}
}
