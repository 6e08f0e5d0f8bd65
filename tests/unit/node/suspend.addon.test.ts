/** Sleep with the real native core, on the lab: the run that wakes goes on with its sessions; a record is good once; what is refused costs one handshake. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TailnetOptions } from "../../../modules/tailnet.js";
import { beforeEach, describe, expect, test, toHex } from "../../harness.js";
import type { Lab } from "../../lab/lab.js";
import { type StageNode, stage, until } from "./stage.js";

let store = "";
beforeEach(() => {
	if (store) rmSync(store, { recursive: true, force: true });
	store = mkdtempSync(join(tmpdir(), "tailnet-suspend-"));
});

type Start = (hostname: string, options?: TailnetOptions) => StageNode;

const initiations = (node: StageNode): number => node.tailnet.counters["wireguardInitiations"] as number;
const adopted = (node: StageNode): number => node.tailnet.counters["wireguardAdopted"] as number;
const received = (node: StageNode): number => node.tailnet.counters["packetsIn"] as number;

/** Two nodes that talk directly, the first with a store and a network map in it. */
async function talking(start: Start): Promise<[StageNode, StageNode]> {
	const [a, b] = [start("alpha", { store }), start("beta")];
	await Promise.all([a.running(), b.running()]);
	await Promise.all([a.sees(b), b.sees(a)]);
	b.echo(7);
	await until(
		"a direct path",
		() => [...a.tailnet.peers].some((peer) => peer.path !== undefined && !peer.path.startsWith("DERP")) || void a.tailnet.ping("beta").catch(() => {}),
	);
	await a.roundTrip(b.v4, 7, new Uint8Array(1000).fill(1));
	await until("the network map in the store", () => (a.tailnet.counters["netmap.cacheSaves"] as number) > 0);
	return [a, b];
}

/** The node again, with a record, while control does not answer. */
async function wake(lab: Lab, start: Start, resume: Uint8Array): Promise<StageNode> {
	lab.control.faults.keyStatus = 503;
	const node = start("alpha", { store, authKey: "", resume });
	await until("its addresses", () => node.tailnet.addresses.length > 0);
	return node;
}

describe("a node that sleeps", () => {
	test("goes on with its session: nobody makes a handshake, and the path of then is used", async () => {
		await stage({}, async (lab, start) => {
			const [a, b] = await talking(start);
			const { discoKey } = a.atControl;
			const [sentByPeer, peerReceived] = [initiations(b), received(b)];
			const record = await a.tailnet.suspend();
			expect([a.tailnet.state, record.length, a.errors]).toEqual(["stopped", 239, []]);
			const second = await wake(lab, start, record);
			await second.roundTrip(b.v4, 7, new Uint8Array(5000).fill(2));
			expect([initiations(second), adopted(second), initiations(b) - sentByPeer]).toEqual([0, 1, 0]);
			expect(received(b)).toBeGreaterThan(peerReceived);
			expect(second.tailnet.resumed).toEqual({ sessions: 1, refused: undefined });
			expect([second.errors.filter(({ code }) => code === "resume"), second.states.includes("running")]).toEqual([[], false]);
			delete lab.control.faults.keyStatus;
			await second.running();
			expect(second.atControl.discoKey).toBe(discoKey);
			await second.roundTrip(b.v4, 7, new Uint8Array(5000).fill(3));
			expect([initiations(second), initiations(b) - sentByPeer]).toEqual([0, 0]);
		});
	});

	test("a record that was used is refused, told, and costs one handshake", async () => {
		await stage({}, async (lab, start) => {
			const [a, b] = await talking(start);
			const record = await a.tailnet.suspend();
			const second = await wake(lab, start, record);
			await second.roundTrip(b.v4, 7, new Uint8Array(1000).fill(2));
			second.tailnet.close();
			const third = await wake(lab, start, record);
			await third.roundTrip(b.v4, 7, new Uint8Array(1000).fill(3));
			expect(third.tailnet.resumed).toEqual({ sessions: 0, refused: "used" });
			expect([adopted(third), initiations(third)]).toEqual([0, 1]);
			await until("the error", () => third.errors.some(({ code }) => code === "resume"));
			const text = third.errors.map((error) => `${error.code} ${error.message}`).join();
			expect(text).not.toContain(toHex(record).slice(0, 32));
		});
	});

	test("a start without the record makes it void", async () => {
		await stage({}, async (lab, start) => {
			const [a] = await talking(start);
			const record = await a.tailnet.suspend();
			start("alpha", { store, authKey: "" }).tailnet.close();
			const third = await wake(lab, start, record);
			expect(third.tailnet.resumed).toEqual({ sessions: 0, refused: "used" });
			expect(third.errors.filter(({ code }) => code === "resume").length).toBe(1);
		});
	});

	test("without a stored map the sessions wait for control's; the same UDP port is bound", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await talking(start);
			await until("endpoints", () => a.atControl.endpoints.length > 0);
			const endpoints = [...a.atControl.endpoints].sort();
			const sentByPeer = initiations(b);
			const record = await a.tailnet.suspend();
			for (const name of ["netmap-head", "netmap-0"]) rmSync(join(store, name), { force: true });
			const second = start("alpha", { store, authKey: "", resume: record });
			await second.running();
			await second.roundTrip(b.v4, 7, new Uint8Array(1000).fill(2));
			expect([initiations(second), adopted(second), initiations(b) - sentByPeer]).toEqual([0, 1, 0]);
			expect(second.tailnet.resumed).toEqual({ sessions: 1, refused: undefined });
			expect([...second.atControl.endpoints].sort()).toEqual(endpoints);
		});
	});

	test("who is asleep is closed: suspend() again is refused, and one that is closed meanwhile is rejected", async () => {
		await stage({}, async (_lab, start) => {
			const a = await start("alpha", { store }).running();
			const [first, second] = [a.tailnet.suspend(), a.tailnet.suspend()];
			expect(toHex(await first)).toBe(toHex(await second));
			await expect(a.tailnet.suspend()).rejects.toThrow("closed");
			const b = await start("beta").running();
			const asked = b.tailnet.suspend();
			b.tailnet.close();
			await expect(asked).rejects.toThrow("closed");
			expect(() => start("gamma", { resume: "text" as unknown as Uint8Array })).toThrow("Uint8Array");
		});
	});
});
