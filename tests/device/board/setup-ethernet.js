/** Brings the network up before the app runs. */
import Timer from "timer";
import { address, start } from "tn_openeth";

const lookMS = 100;

export default function (done) {
	start();
	const timer = Timer.repeat(() => {
		if (!address()) return;
		Timer.clear(timer);
		trace(`Ethernet: ${address()}\n`);
		done();
	}, lookMS);
}
