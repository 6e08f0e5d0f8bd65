/** Whatever is asked of a node is answered, also when the node is closed meanwhile; whatever is open on it hears of the end. */
import type { PingKind, TailnetError } from "../../../modules/tailnet.js";
import { describe, expect, test } from "../../harness.js";
import { pair, type StageNode, stage, until } from "./stage.js";

/** How a question ended: "answered", the code of its error, or "never". */
async function ending(question: Promise<unknown>, limitMS = 1000): Promise<string> {
	let timer: NodeJS.Timeout | undefined;
	const never = new Promise<string>((resolve) => {
		timer = setTimeout(resolve, limitMS, "never");
	});
	const end = await Promise.race([
		question.then(
			() => "answered",
			(error: TailnetError) => error.code ?? String(error),
		),
		never,
	]);
	clearTimeout(timer);
	return end;
}

const kinds: PingKind[] = ["disco", "tsmp", "icmp", "peerapi"];

describe("close", () => {
	test("while questions wait, and in the turn in which they are asked: each ends at once with the code closed", async () => {
		await stage({}, async (lab, start) => {
			for (const isLater of [false, true]) {
				const [a, b] = await pair(start);
				b.tailnet.close();
				const { tailnet } = a;
				const questions: [string, Promise<unknown>][] = [
					...kinds.map((kind): [string, Promise<unknown>] => [`ping ${kind}`, tailnet.ping(b.v4, { kind, timeoutMS: 60_000 })]),
					["ping by name", tailnet.ping("beta", { timeoutMS: 60_000 })],
					["netcheck", tailnet.netcheck()],
				];
				if (isLater) await new Promise((resolve) => setTimeout(resolve, 5));
				lab.control.faults.mute = true;
				questions.push(["logout", tailnet.logout()]);
				tailnet.close();
				const ends = await Promise.all(questions.map(async ([name, question]) => `${name}: ${await ending(question)}`));
				// A look at a network where the server answers at once may be over by then.
				expect(ends.map((end) => end.replace("netcheck: answered", "netcheck: closed"))).toEqual(questions.map(([name]) => `${name}: closed`));
				lab.control.faults.mute = false;
			}
		});
	});

	test("before it was running: running is rejected, and every later question too", async () => {
		await stage({}, async (_lab, start) => {
			const { tailnet } = start("alpha");
			tailnet.close();
			const questions = [tailnet.running, tailnet.ping("beta"), tailnet.resolve("beta"), tailnet.logout()];
			expect(await Promise.all(questions.map((question) => ending(question)))).toEqual(Array(4).fill("closed"));
			expect(() => tailnet.netcheck()).toThrow("closed");
			expect(() => tailnet.rebind()).toThrow("closed");
			expect(() => new tailnet.TCP({ address: "100.64.0.2", port: 7 })).toThrow("closed");
			expect(() => new tailnet.UDP()).toThrow("closed");
			expect(() => new tailnet.Listener()).toThrow("closed");
		});
	});

	test("with sockets open: connections, listeners and UDP sockets hear of it once; nothing is told of the node itself any more", async () => {
		await stage({}, async (_lab, start) => {
			const told: string[] = [];
			const b = start("beta");
			const a = start("alpha", { onPathChange: () => told.push("path"), onPeersChange: () => told.push("peers"), onError: () => told.push("error") });
			await Promise.all([a.running(), b.running()]);
			await a.sees(b);
			b.echo(7);
			const ends: string[] = [];
			const hear = (name: string) => (error: TailnetError) => void ends.push(`${name} ${error.code}`);
			let connected = 0;
			new a.tailnet.TCP({ address: b.v4, port: 7, onWritable: () => (connected += 1), onError: hear("open") });
			new a.tailnet.TCP({ address: b.v4, port: 9999, onError: hear("nobody") });
			new a.tailnet.Listener({ port: 7, onError: hear("listener") });
			new a.tailnet.UDP({ port: 7, onError: hear("UDP") });
			await until("a connection, and a refusal", () => connected > 0 && ends.includes("nobody refused"));
			ends.length = 0;
			new a.tailnet.TCP({ address: b.v4, port: 7, onError: hear("connecting") });
			told.length = 0;
			a.tailnet.close();
			await new Promise((resolve) => setTimeout(resolve, 50));
			expect(ends.sort()).toEqual(["UDP closed", "connecting reset", "listener closed", "open reset"]);
			expect(told).toEqual([]);
		});
	});
});

describe("a pool that is full", () => {
	test("a ping by PeerAPI says so, and nothing happens when its time is over", async () => {
		await stage({}, async (_lab, start) => {
			const [a, b]: StageNode[] = await pair(start);
			const { tailnet } = a as StageNode;
			const sockets = [];
			for (;;) {
				try {
					sockets.push(new tailnet.UDP());
				} catch {
					break;
				}
			}
			expect(await ending(tailnet.ping((b as StageNode).v4, { kind: "peerapi", timeoutMS: 20 }))).toBe("full");
			await new Promise((resolve) => setTimeout(resolve, 60));
			for (const socket of sockets) socket.close();
			await until("a free socket", () => {
				try {
					new tailnet.UDP().close();
					return true;
				} catch {
					return false;
				}
			});
			expect(await ending(tailnet.ping((b as StageNode).v4, { kind: "peerapi" }), 5000)).toBe("answered");
		});
	});
});

describe("logout", () => {
	test("that control does not hear of: the question is rejected, and the node is closed all the same", async () => {
		await stage({}, async (lab, start) => {
			const a = await start("alpha").running();
			lab.control.faults.upgradeStatus = 503;
			lab.control.cut();
			expect(await ending(a.tailnet.logout(), 5000)).toBe("control-unreachable");
			expect(() => a.tailnet.rebind()).toThrow("closed");
			expect([a.tailnet.state, a.tailnet.counters]).toEqual(["stopped", {}]);
		});
	});
});
