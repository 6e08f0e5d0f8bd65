/** Ends every process of a group, such as what a process that was spawned detached has begun and left behind. @param {number} group pid of the spawned process */
export function endGroup(group) {
	try {
		process.kill(-group, "SIGKILL");
	} catch (error) {
		if (error.code !== "ESRCH") throw error; // ESRCH: nothing is left
	}
}
