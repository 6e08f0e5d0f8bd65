/** Exit node and subnet routes between two nodes with the real native core: what goes where, and what goes nowhere. */
import { describe, expect, test } from "../../harness.js";
import { type StageNode, stage, until } from "./stage.js";

const counter = (node: StageNode, name: string): number => node.tailnet.counters[name] as number;

describe("routes", () => {
	test("[tunnel 53] with an exit node selected, DERP, control and disco still use the physical interface; everything else of our sockets goes to it", async () => {
		await stage({}, async (lab, start) => {
			const b = await start("beta").running();
			const a = await start("alpha", { exitNode: "beta" }).running();
			b.atControl.routes = ["0.0.0.0/0", "::/0"];
			lab.control.announce(b.atControl);
			await a.sees(b);
			await b.sees(a);
			// The control server, the relay and the peer's endpoints are all inside 0.0.0.0/0.
			const relay = lab.regions[0]?.derp;
			if (!relay) throw new Error("the lab has no relay");
			lab.control.cut();
			relay.cut();
			const { connections } = relay;
			await until("control again", () => lab.control.maps.isPolling(a.atControl));
			await until("the relay again", () => relay.connections > connections && relay.clients(a.atControl.nodeKey).length === 1);
			let via = "";
			await until("a direct path", () => {
				a.tailnet.ping("beta", { timeoutMS: 300 }).then(
					(answer) => (via = answer.via),
					() => {},
				);
				return via.startsWith("127.0.0.1:") || /^\d+\.\d+\.\d+\.\d+:\d+$/.test(via);
			});
			const before = counter(b, "filteredIn");
			const socket = new a.tailnet.TCP({ address: "192.0.2.9", port: 80 });
			// It is no exit node of ours to offer: the packet arrives there, and goes no further.
			await until("a packet at the exit node", () => counter(b, "filteredIn") > before);
			socket.close();
			expect(a.tailnet.state).toBe("running");
		});
	});

	test("[tunnel 54] advertised but unapproved routes carry nothing; packets to addresses outside the advertised prefix are dropped", async () => {
		await stage({}, async (lab, start) => {
			const b = await start("beta", { advertiseRoutes: ["10.1.0.0/24"] }).running();
			const a = await start("alpha", { acceptRoutes: true }).running();
			await a.sees(b);
			await b.sees(a);
			expect(b.atControl.hostinfo["RoutableIPs"]).toEqual(["10.1.0.0/24"]);
			expect(await a.connect("10.1.0.5", 80)).toBe("no-route");
			// Control gives it more than it offers.
			b.atControl.routes = ["10.0.0.0/8"];
			const { length } = a.peers;
			lab.control.announce(b.atControl);
			await until("the routes", () => a.peers.length > length);
			await a.tailnet.ping("beta", { kind: "tsmp" });
			const before = counter(b, "filteredIn");
			const outside = new a.tailnet.TCP({ address: "10.2.0.5", port: 80 });
			await until("the packet outside", () => counter(b, "filteredIn") > before);
			outside.close();
		});
	});
});
