/**
 * The app that the simulator runs for every test: it connects to the port that the environment names, and the first line it is given says what it is:
 *
 *   {"do":"up","options":{...}}   a node with the machine interface of the command (interface/up.ts)
 *   {"do":"life",...}             nodes that begin and end (../life/life.ts)
 *   {"do":"contract",...}         two nodes, and the contract of the sockets between them (interface/contract.ts)
 */

import { life } from "life/life";
import { contract } from "subject/contract";
import { Line } from "subject/line";
import { up } from "subject/up";
import { environment } from "tn_process";

type First = { do: string; options?: object };

let run: ((text: string) => void) | undefined;
const line = new Line({ address: "127.0.0.1", port: Number(environment("TAILNET_TEST_PORT")) }, (text) => {
	if (run) run(text);
	else run = begin(JSON.parse(text) as First);
});
const say = (event: object): void => line.send(JSON.stringify(event));

/** @returns what takes the lines that follow */
function begin(first: First): (text: string) => void {
	switch (first.do) {
		case "up":
			return up(first.options ?? {}, say);
		case "life":
			return life(first.options ?? {}, say);
		case "contract":
			return contract(first.options ?? {}, say);
		default:
			say({ event: "error", code: "argument", message: `do: no app called ${first.do}` });
			return () => {};
	}
}
