/** Two nodes of ours with the real native core, on the lab: what their packets may and may not do. */
import { describe, expect, Random, test } from "../../harness.js";
import { pair, stage, until } from "./stage.js";

const random = new Random(1);

/** Rules that let everybody in on one TCP port, both families. */
const onePort = (port: number) => () => [{ SrcIPs: ["*"], DstPorts: [{ IP: "*", Ports: { First: port, Last: port } }], IPProto: [6] }];

describe("two nodes", () => {
	test("TCP, both families, both directions: a megabyte comes back byte for byte", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await pair(start);
			a.echo(7);
			b.echo(7);
			const bytes = random.bytes(1_000_003);
			for (const address of [b.v4, b.v6]) await a.roundTrip(address, 7, bytes);
			for (const address of [a.v4, a.v6]) await b.roundTrip(address, 7, bytes);
			expect([a.errors, b.errors]).toEqual([[], []]);
		});
	});

	test("UDP, both families: datagrams of 0, 1 and 1,200 bytes arrive as they were, with their sender", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await pair(start);
			const seen: string[] = [];
			new b.tailnet.UDP({
				port: 9,
				onReadable() {
					for (let datagram = this.read(); datagram; datagram = this.read()) {
						seen.push(`${datagram.address} ${datagram.byteLength}`);
						this.write(datagram, datagram.address, datagram.port);
					}
				},
			});
			for (const [to, from] of [
				[b.v4, a.v4],
				[b.v6, a.v6],
			] as const) {
				for (const size of [0, 1, 1200]) {
					const bytes = random.bytes(size);
					let back: Uint8Array | undefined;
					const socket = new a.tailnet.UDP({
						onReadable() {
							const datagram = this.read();
							if (datagram?.address === to) back = new Uint8Array(datagram);
						},
					});
					socket.write(bytes, to, 9);
					await until(`${size} bytes from ${to}`, () => back !== undefined);
					expect(back).toEqual(bytes);
					expect(seen.pop()).toBe(`${from} ${size}`);
					socket.close();
				}
			}
		});
	});

	test("[tunnel 48] with a policy that allows one port, another port ends with the code policy, at once; the allowed one works", async () => {
		await stage({ control: { filter: onePort(22) } }, async (_lab, start) => {
			const [a, b] = await pair(start);
			b.echo(22);
			const other = b.echo(80);
			await a.roundTrip(b.v4, 22, random.bytes(5000));
			await a.roundTrip(b.v6, 22, random.bytes(5000));
			expect(await a.connect(b.v4, 80)).toBe("policy");
			expect(other.accepted).toBe(0);
			expect(await a.connect(b.v4, 23)).toBe("policy");
			// The rules may change while a connection is open: it lives on, new ones are refused.
		});
	});

	test("a policy that changes takes effect for the next connection; those that are open live on", async () => {
		await stage({}, async (lab, start) => {
			const [a, b] = await pair(start);
			b.echo(7);
			const received: number[] = [];
			const socket = new a.tailnet.TCP({ address: b.v4, port: 7, onReadable: (count) => received.push(count) });
			let isConnected = false;
			const opened = new a.tailnet.TCP({
				address: b.v4,
				port: 7,
				onWritable() {
					isConnected = true;
				},
				onReadable(count) {
					this.read(count);
					received.push(count);
				},
			});
			await until("connected", () => isConnected);
			const before = b.tailnet.counters["control.messages"] as number;
			lab.control.setFilter(onePort(22));
			await until("the new rules", () => (b.tailnet.counters["control.messages"] as number) > before);
			expect(await a.connect(b.v4, 7)).toBe("policy");
			opened.write(Uint8Array.of(1, 2, 3));
			await until("an echo on the old connection", () => received.length > 0);
			opened.close();
			socket.close();
		});
	});

	test("before the first map nothing gets in; with it, everything that the rules allow", async () => {
		await stage({}, async (lab, start) => {
			const store = await folder();
			const a = start("alpha");
			const first = start("beta", { store });
			await Promise.all([a.running(), first.running()]);
			await a.sees(first);
			await a.tailnet.ping("beta", { kind: "tsmp" });
			const address = first.v4;
			first.tailnet.close();
			lab.control.maps.faults.mute = true;
			const b = start("beta", { store });
			const echo = b.echo(7);
			await until("a poll without an answer", () => lab.control.maps.requests.length > 0 && b.tailnet.state === "connecting");
			let outcome = "";
			void a.connect(address, 7).then((code) => (outcome = code));
			await expect(a.tailnet.ping(address, { kind: "tsmp", timeoutMS: 700 })).rejects.toMatchObject({ code: "timeout" });
			await expect(a.tailnet.ping(address, { kind: "icmp", timeoutMS: 300 })).rejects.toMatchObject({ code: "timeout" });
			expect([echo.accepted, outcome, b.tailnet.addresses, b.tailnet.state]).toEqual([0, "", [], "connecting"]);
			lab.control.maps.faults.mute = false;
			lab.control.cut(lab.control.node("beta"));
			await b.running();
			await b.tailnet.ping(a.v4, { kind: "tsmp" }); // a's next handshake would come after 5 s
			// The end that began it is connected one packet before the other.
			await until("the connection that waited, at both ends", () => outcome !== "" && (outcome !== "connected" || echo.accepted > 0));
			expect([outcome, echo.accepted]).toEqual(["connected", 1]);
		});
	});

	test("relay only: with UDP forbidden everything goes by the relay, and directly again when it is allowed", async () => {
		await stage({}, async (lab, start) => {
			const [a, b] = await pair(start);
			b.echo(7);
			const bytes = random.bytes(200_000);
			await a.roundTrip(b.v4, 7, bytes);
			const via = async (wanted: (via: string) => boolean): Promise<void> => {
				let seen = "";
				await until("the other path", () => {
					a.tailnet.ping("beta", { timeoutMS: 400 }).then(
						(answer) => (seen = answer.via),
						() => {},
					);
					return wanted(seen);
				});
			};
			await via((text) => text.startsWith("127.") || /^\[?[0-9a-f.:]+\]?:\d+$/.test(text));
			for (const node of [a, b]) {
				node.atControl.capMap["only-tcp-443"] = null;
				lab.control.announce(node.atControl);
			}
			await via((text) => text === "DERP lab901");
			const relayed = (lab.regions[0] as { derp: { bytes: number } }).derp.bytes;
			await a.roundTrip(b.v6, 7, bytes);
			expect((lab.regions[0] as { derp: { bytes: number } }).derp.bytes - relayed).toBeGreaterThan(2 * bytes.length);
			for (const node of [a, b]) {
				delete node.atControl.capMap["only-tcp-443"];
				lab.control.announce(node.atControl);
			}
			await via((text) => !text.startsWith("DERP"));
			await a.roundTrip(b.v4, 7, bytes);
		});
	});

	test("the relay restarts on the same port: both come back to it and packets pass again", async () => {
		await stage({}, async (lab, start) => {
			const [a, b] = await pair(start);
			for (const node of [a, b]) {
				node.atControl.capMap["only-tcp-443"] = null;
				lab.control.announce(node.atControl);
			}
			b.echo(7);
			const { derp } = lab.regions[0] as { derp: { refuse(): Promise<number>; listen(port: number): Promise<void>; cut(): void; loggedIn: unknown[] } };
			await a.roundTrip(b.v4, 7, random.bytes(1000));
			const port = await derp.refuse();
			derp.cut();
			await until("both gone", () => derp.loggedIn.length === 0);
			await until("a tells", () => a.tailnet.health.some((condition) => condition.id === "relay-down"));
			expect(a.tailnet.state).toBe("running"); // within its bound of 75 s
			await derp.listen(port);
			await until("both back", () => derp.loggedIn.length === 2);
			await until("a is content", () => a.tailnet.health.every((condition) => condition.id !== "relay-down"));
			await a.roundTrip(b.v4, 7, random.bytes(1000));
		});
	});

	test("a connection to an own address, or to one that is nobody's, ends at once with the code no-route", async () => {
		await stage({}, async (_lab, start) => {
			const a = await start("alpha").running();
			const echo = a.echo(7);
			for (const address of [a.v4, a.v6, "100.64.9.9"]) expect(await a.connect(address, 7)).toBe("no-route");
			expect(echo.accepted).toBe(0);
		});
	});

	test("two tailnets in one process do not meet, though their nodes have the same addresses", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b] = await pair(start);
			await stage({}, async (_other, startOther) => {
				const [c, d] = await pair(startOther);
				expect([c.v4, d.v4]).toEqual([a.v4, b.v4]);
				const echoes = [b.echo(7), d.echo(8)];
				await a.roundTrip(b.v4, 7, random.bytes(100_000));
				await c.roundTrip(d.v4, 8, random.bytes(100_000));
				await a.roundTrip(b.v6, 7, random.bytes(100_000));
				await c.roundTrip(d.v6, 8, random.bytes(100_000));
				expect([await a.connect(b.v4, 8), await c.connect(d.v4, 7)]).toEqual(["refused", "refused"]);
				expect(echoes.map((echo) => echo.accepted)).toEqual([2, 2]);
			});
		});
	});
});

async function folder(): Promise<string> {
	const { mkdtemp } = await import("node:fs/promises");
	const { tmpdir } = await import("node:os");
	const { join } = await import("node:path");
	return mkdtemp(join(tmpdir(), "tailnet-test-"));
}
