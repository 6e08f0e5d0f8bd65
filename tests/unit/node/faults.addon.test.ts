/** Faults of control and of the way to it, against a node with the real native core: what it says, and that it comes back by itself. */
import { describe, expect, Random, test } from "../../harness.js";
import { framed } from "../../lab/control-map.js";
import { type StageNode, stage, until } from "./stage.js";

const conditions = (node: StageNode): string[] => node.tailnet.health.map((condition) => condition.id);
const codes = (node: StageNode): string[] => [...new Set(node.errors.map((error) => error.code))];

describe("control", () => {
	test("is not there: connecting, with the reason; running once it is", async () => {
		await stage({}, async (lab, start) => {
			lab.control.faults.upgradeStatus = 503;
			const a = start("alpha");
			await until("an error", () => a.errors.length > 0);
			expect([a.tailnet.state, conditions(a)]).toEqual(["connecting", ["control-unreachable"]]);
			expect(a.tailnet.reason).not.toBe("");
			delete lab.control.faults.upgradeStatus;
			await a.running();
			expect(conditions(a)).toEqual([]);
		});
	});

	test("is cut: the node stays running and connects again, traffic does not notice", async () => {
		await stage({}, async (lab, start) => {
			const [a, b] = [start("alpha"), start("beta")];
			await Promise.all([a.running(), b.running()]);
			await a.sees(b);
			b.echo(7);
			await a.roundTrip(b.v4, 7, new Uint8Array(1000));
			const sessions = a.tailnet.counters["control.sessions"] as number;
			lab.control.cut();
			await a.roundTrip(b.v4, 7, new Uint8Array(100_000));
			await until("another session", () => (a.tailnet.counters["control.sessions"] as number) > sessions);
			await until("a poll", () => lab.control.maps.isPolling(a.atControl));
			expect(a.tailnet.state).toBe("running");
			expect(a.states.filter((state) => state !== "running" && state !== "connecting")).toEqual([]);
		});
	});

	const garbage: [string, (bytes: Random) => Uint8Array][] = [
		["a frame of random bytes", (random) => Uint8Array.of(16, 0, 0, 0, ...random.bytes(16))],
		["a frame that says 4 GB", () => Uint8Array.of(255, 255, 255, 255, 1, 2, 3)],
		["JSON of another kind", () => framed(Buffer.from("[1,2,3]"))],
		["JSON that ends in the middle", () => framed(Buffer.from('{"Peers":[{"ID":'))],
		["a Node of the wrong type", () => framed(Buffer.from('{"Node":5}'))],
	];
	test.each(garbage)("sends %s: a named error or none, the old map stays in force, and the node goes on", async (_name, make) => {
		await stage({}, async (lab, start) => {
			const a = await start("alpha").running();
			const addresses = a.tailnet.addresses;
			lab.control.maps.sendRaw(a.atControl, make(new Random(3)));
			// Whether it took another session or skipped a message: what comes next has to be taken.
			await until("a new peer", () => {
				if (lab.control.maps.isPolling(a.atControl) && lab.control.nodes.all.length === 1) lab.control.addFakePeers(1);
				return [...a.tailnet.peers].length === 1;
			});
			await until("running", () => a.tailnet.state === "running");
			expect(a.tailnet.addresses).toEqual(addresses);
			for (const code of codes(a)) expect(["control-protocol", "control-unreachable", "netmap"]).toContain(code);
		});
	});

	test("answers the upgrade with the wrong key, an error frame, or the end of the stream: a named error, and running once it is right again", async () => {
		const faults: [Partial<{ wrongKey: boolean; endAfterUpgrade: boolean; errorFrame: string; keyStatus: number; keyBody: string }>, string][] = [
			[{ wrongKey: true }, "control-"],
			[{ endAfterUpgrade: true }, "control-"],
			[{ errorFrame: "go away" }, "control-"],
			[{ keyStatus: 500 }, "control-"],
			[{ keyBody: '{"publicKey":"mkey:00"}' }, "control-key"],
		];
		await Promise.all(
			faults.map(([fault, code]) =>
				stage({}, async (lab, start) => {
					Object.assign(lab.control.faults, fault);
					const a = start("alpha");
					await until(`an error of ${JSON.stringify(fault)}`, () => a.errors.length > 0);
					expect(a.errors[0]?.code.startsWith(code)).toBe(true);
					for (const name of Object.keys(fault)) delete (lab.control.faults as unknown as Record<string, unknown>)[name];
					await a.running();
				}),
			),
		);
	});

	test("closes after any number of bytes, sampled: never a state that is no state, and running in the end", async () => {
		const random = new Random(17);
		// The answer to the upgrade, the handshake, settings, registration, the map: about 4,000 bytes from control.
		const cuts = Array.from({ length: 12 }, (_, i) => 1 + i * 330 + random.below(330));
		await Promise.all(
			[0, 1, 2].map((lane) =>
				stage({}, async (lab, start) => {
					for (const cut of cuts.filter((_, i) => i % 3 === lane)) {
						lab.control.faults.stream = { cutAfterBytes: cut };
						const { upgrades } = lab.control.counters;
						const a = start(`cut-${cut}`);
						await until(
							`an attempt that is cut after ${cut} bytes`,
							() => a.tailnet.state === "running" || (lab.control.counters.upgrades > upgrades && lab.control.sessions.size === 0),
						);
						delete lab.control.faults.stream;
						await a.running();
						expect(a.tailnet.addresses.length).toBe(2);
						for (const code of codes(a)) expect(["control-unreachable", "control-protocol"]).toContain(code);
						a.tailnet.close();
					}
				}),
			),
		);
	});

	test("sends its bytes one at a time: running all the same", async () => {
		await stage({}, async (lab, start) => {
			lab.control.faults.stream = { pieceBytes: 1 };
			lab.control.maps.faults.pieceBytes = 1;
			const a = await start("alpha").running();
			expect(a.errors).toEqual([]);
		});
	});

	test("has no certificate that we trust: refused with the code certificate, and never asked for anything", async () => {
		await stage({ controlTLS: true }, async (lab, start) => {
			const a = start("alpha", { authorities: [] });
			await until("an error", () => a.errors.length > 0);
			expect([a.errors[0]?.code, a.tailnet.state, lab.control.counters.upgrades]).toEqual(["certificate", "connecting", 0]);
			await start("beta").running();
		});
	});
});

describe("relay", () => {
	test("has no certificate that we trust: told as certificate, and the node is not called running", async () => {
		await stage({}, async (_lab, start) => {
			const a = start("alpha", { authorities: [] });
			await until("an error", () => a.errors.length > 0);
			expect([a.errors[0]?.code, a.tailnet.state]).toEqual(["certificate", "connecting"]);
			expect(a.tailnet.reason).toContain("lab901");
			await until("a condition", () => conditions(a).includes("relay-down"));
		});
	});

	test("is asked for a sign of life at a rebind; a connection that works stays, one that is mute is made again after 3 s", async () => {
		await stage({}, async (lab, start) => {
			const a = await start("alpha").running();
			const { derp } = lab.regions[0] as (typeof lab.regions)[0];
			const session = () => derp.clients(a.atControl.nodeKey).at(-1);
			const first = session();
			a.tailnet.rebind();
			await until("a ping", () => first?.received.includes(0x12));
			await a.tailnet.netcheck(); // its answer has come by then
			expect([session() === first, derp.connections]).toEqual([true, 1]);
			if (first) first.writer.faults.stalled = true;
			a.tailnet.rebind();
			await until("another connection", () => derp.connections === 2);
			await until("content", () => a.tailnet.state === "running" && conditions(a).length === 0);
		});
	}, 15_000);

	test("is back after it was lost: peers that were in use hear of us at once, others do not", async () => {
		await stage({}, async (lab, start) => {
			const [a, b, c] = [await start("alpha").running(), await start("beta").running(), await start("gamma").running()];
			for (const node of [a, b, c]) {
				node.atControl.capMap["only-tcp-443"] = null;
				lab.control.announce(node.atControl);
			}
			await a.sees(b);
			let via = "";
			await until("an answer by the relay", () => {
				a.tailnet.ping("beta", { kind: "disco", timeoutMS: 400 }).then(
					(answer) => (via = answer.via),
					() => {},
				);
				return via.startsWith("DERP");
			});
			const pongs = (node: typeof a): number => node.tailnet.counters["tsmpPongs"] as number;
			const before = [pongs(b), pongs(c)];
			lab.regions[0]?.derp
				.clients(a.atControl.nodeKey)
				.at(-1)
				?.sendRaw(Uint8Array.of(5, 0x7f, 0xff, 0xff, 0xff));
			await until("a call", () => pongs(b) > (before[0] as number));
			expect(pongs(c)).toBe(before[1]);
		});
	});

	test("sends an oversized frame, or a frame of random bytes: the connection ends, and is made again", async () => {
		await stage({}, async (lab, start) => {
			const a = await start("alpha").running();
			const { derp } = lab.regions[0] as (typeof lab.regions)[0];
			for (const bytes of [Uint8Array.of(5, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3), Uint8Array.of(6, 0, 0x20, 0, 0, 0)]) {
				const { connections } = derp;
				derp.clients(a.atControl.nodeKey).at(-1)?.sendRaw(bytes);
				await until("another connection", () => derp.connections > connections && derp.clients(a.atControl.nodeKey).length === 1);
				await until("content", () => conditions(a).length === 0);
			}
			expect(a.tailnet.state).toBe("running");
		});
	});
});
