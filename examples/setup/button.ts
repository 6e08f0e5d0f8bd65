/**
 * Whether this start is to begin with a factory reset: a button, named in the config by its pin, that is held down for three seconds. Where there are no pins, as in the
 * simulator, and where none is named, the config says it: reset=yes.
 */

import type Digital from "embedded:io/digital";
import config from "mc/config";
import Modules from "modules";
import Timer from "timer";

const holdMS = 3000;
const lookMS = 50;

/** Tells once, on a later turn. */
export function whenKnown(told: (isReset: boolean) => void): void {
	if (config.button === undefined || !Modules.has("embedded:io/digital")) {
		Timer.set(() => told(config.reset === "yes"));
		return;
	}
	const Input = Modules.importNow("embedded:io/digital") as typeof Digital;
	const button = new Input({ pin: Number(config.button), mode: Input.InputPullUp });
	let left = holdMS / lookMS;
	Timer.repeat((timer) => {
		// Down is low: it connects the pin to ground.
		const isDown = button.read() === 0;
		left -= 1;
		if (isDown && left > 0) return;
		Timer.clear(timer);
		button.close();
		told(isDown);
	}, lookMS);
}
