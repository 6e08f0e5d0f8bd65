/** A node whose constructor throws is no node: nothing of it stays open, so that the next one can be made. */
import { openStore } from "tailnet/host";
import Tailnet, { type TailnetError, type TailnetOptions } from "../../../modules/tailnet.js";
import { beforeEach, describe, expect, test } from "../../harness.js";
import { testing, tunnels } from "../../xs/host.js";

beforeEach(() => testing.reset());

function refusal(options: TailnetOptions): string {
	try {
		new Tailnet(options);
	} catch (error) {
		return (error as TailnetError).code;
	}
	return "none";
}

const left = (): unknown[] => [tunnels.filter((tunnel) => !tunnel.isClosed).length, testing.timers, testing.connections.length];

describe("a constructor that throws", () => {
	test("for an argument: no tunnel, timer or connection is left", () => {
		expect(refusal({ controlURL: "ftp://control.example" })).toBe("argument");
		expect(refusal({ hostname: "not a name" })).toBe("argument");
		for (const route of ["", "10.0.0.0", "10.0.0.0/33", "nonsense/8", "fd00::/129"])
			expect([route, refusal({ advertiseRoutes: [route] })]).toEqual([route, "argument"]);
		for (const endpoint of ["", "192.0.2.1", "192.0.2.1:70000", "name:5"])
			expect([endpoint, refusal({ endpoints: [endpoint] })]).toEqual([endpoint, "argument"]);
		for (const port of [-1, 65536, 1.5, Number.NaN]) expect([port, refusal({ port })]).toEqual([port, "argument"]);
		expect(left()).toEqual([0, 0, 0]);
	});

	test("what is well-formed is taken", () => {
		expect(refusal({ advertiseRoutes: ["10.1.2.3/8", "0.0.0.0/0", "::/0"], endpoints: ["192.0.2.1:5", "[2001:db8::1]:5"], port: 41641 })).toBe("none");
	});

	test("for a store that cannot be written, whichever write it is: the code is store, and nothing is left", () => {
		let writes = 0;
		new Tailnet({ store: "good" }).close();
		for (let failing = 1; failing < 20; failing += 1) {
			const name = `full-${failing}`;
			const store = openStore(name);
			const set = store.set;
			writes = 0;
			store.set = (key, value) => {
				writes += 1;
				if (writes === failing) throw { code: "io", message: "the state cannot be written: ENOSPC" };
				set(key, value);
			};
			const code = refusal({ store: name });
			if (code === "none") break;
			expect([failing, code, ...left()]).toEqual([failing, "store", 0, 0, 0]);
		}
		// Machine key, node key, the clock's floor and the port have been tried.
		expect(writes).toBeGreaterThanOrEqual(4);
	});

	test("a store that is full by then does not keep a node from closing", () => {
		const store = openStore("full");
		const states: string[] = [];
		const tailnet = new Tailnet({ store: "full", onStateChange: (state) => states.push(state) });
		store.set = () => {
			throw { code: "io", message: "the state cannot be written: ENOSPC" };
		};
		tailnet.close();
		expect([tailnet.state, states, ...left()]).toEqual(["stopped", ["stopped"], 0, 0, 0]);
	});

	test("no callback comes from inside a constructor that succeeds", () => {
		const told: string[] = [];
		const tell = (name: string) => () => void told.push(name);
		const tailnet = new Tailnet({
			onStateChange: tell("state"),
			onLogin: tell("login"),
			onSelfChange: tell("self"),
			onPeersChange: tell("peers"),
			onPathChange: tell("path"),
			onHealthChange: tell("health"),
			onError: tell("error"),
		});
		expect(told).toEqual([]);
		tailnet.close();
	});
});
