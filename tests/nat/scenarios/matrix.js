/**
 * The table of protocol/paths.md §9.3, cell by cell: who is at the left begins.
 */
import { directCase, places, relayedCases, relays } from "../laboratory.js";

const words = { O: "open", E: "easy NAT", A: "easy NAT that filters by address", H: "hard NAT", X: "UDP blocked" };

/** E filters by address and port; A, an E that filters by address, differs from it towards H only. */
const table = {
	O: { O: "direct", E: "direct", H: "direct", X: "DERP" },
	E: { O: "direct", E: "direct", H: "DERP", X: "DERP" },
	A: { H: "direct" },
	H: { O: "direct", E: "DERP", A: "direct", H: "DERP", X: "DERP" },
	X: { O: "DERP", E: "DERP", H: "DERP", X: "DERP" },
};

const order = Object.keys(table);
const cells = order.flatMap((row) => Object.entries(table[row]).map(([column, outcome]) => ({ row, column, outcome })));

/** No two cells have a pair of nodes in common: below the diagonal both places are the others of their kinds. */
const cornersOf = ({ row, column }) =>
	order.indexOf(row) <= order.indexOf(column) ? [`${row}1`, row === column ? `${column}2` : `${column}1`] : [`${row}2`, `${column}2`];
const sentence = ({ row, column, outcome }) => `[paths 46] ${words[row]} to ${words[column]}: ${outcome}`;
const at = (cell) => (t) => cornersOf(cell).map((name) => t.places[name]);

const nats = { E: "easy", A: "address", H: "hard", X: "blocked" };

export default {
	title: "The NAT matrix",
	world: { relays },
	timeoutMS: 120_000,
	async before(t) {
		const list = [];
		for (const name of [...new Set(cells.flatMap(cornersOf))].sort()) {
			const nat = nats[name[0]];
			list.push(nat ? { name, home: await t.world.network.home(name, { nat }) } : { name, host: await t.world.network.namespace(name) });
		}
		t.places = await places(t.world, list);
	},
	cases: [
		[
			"a netcheck tells the kinds of NAT apart: control hears of a mapping that varies from the hard ones, and of no UDP from the blocked ones",
			({ world, places, assert }) =>
				world.eventually(async () => {
					for (const [name, { own, stock }] of Object.entries(places))
						for (const { options } of [own, stock]) {
							const { NetInfo } = (await world.known(options.hostname)).Hostinfo;
							assert.equal(NetInfo.WorkingUDP, name[0] !== "X", `WorkingUDP of ${options.hostname}`);
							if (name[0] !== "X") assert.equal(NetInfo.MappingVariesByDestIP, name[0] === "H", `MappingVariesByDestIP of ${options.hostname}`);
						}
				}, 20_000),
		],
		...cells.filter(({ outcome }) => outcome === "direct").map((cell) => directCase(sentence(cell), at(cell))),
		...relayedCases(cells.filter(({ outcome }) => outcome === "DERP").map((cell) => [sentence(cell), at(cell)])),
	],
};
