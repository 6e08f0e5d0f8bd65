/** What the virtual machine and the process have in use, after garbage collection. */
import Debug from "debug";
import Instrumentation from "instrumentation";
import { mallocedBytes, wakes } from "tn_process";

export interface Figures {
	slotBytes: number;
	chunkBytes: number;
	keys: number;
	sdkTimers: number;
	/** Allocated in C by anything but the engine. */
	nativeBytes: number;
	/** Times that nodes of this process woke a VM. */
	wakes: number;
}

export function figures(): Figures {
	const figure = (name: Parameters<typeof Instrumentation.map>[0]): number => Instrumentation.get(Instrumentation.map(name)) ?? 0;
	// Twice: what destructors let go of in the first run is garbage in the second.
	Debug.gc();
	Debug.gc();
	return {
		slotBytes: figure("XS Slot Heap Used"),
		chunkBytes: figure("XS Chunk Heap Used"),
		keys: figure("XS Keys Used"),
		sdkTimers: figure("Timers"),
		nativeBytes: mallocedBytes(),
		wakes: wakes(),
	};
}
