/** What every layer of a node has counted since it was made, by the names that users see (documentation/api.md). */
import type { ControlStatus } from "./control/types.js";
import type { TailnetLock } from "./lock-owner.js";
import type { NameResolver } from "./name-resolver.js";
import type { Netmap } from "./netmap/netmap.js";
import type { NetmapCache } from "./netmap-cache.js";
import type { Network } from "./network.js";
import type { PathTable } from "./path/path-table.js";
import type { TunnelLink } from "./tunnel/link.js";

export interface Counted {
	link: TunnelLink;
	paths: PathTable;
	mapping: Network["mapping"]["counters"];
	names: NameResolver["counters"];
	control: ControlStatus;
	netmap: Netmap;
	cache: NetmapCache;
	lock: TailnetLock | undefined;
}

export function countersOf({ link, paths, mapping, names, control, netmap, cache, lock }: Counted): Record<string, number> {
	const { disco } = paths;
	return {
		...link.counters(),
		"disco.pings": disco.pings,
		"disco.pongs": disco.pongs,
		"disco.unknownKey": disco.unknownKey,
		"disco.unreadable": disco.unreadable,
		"disco.limited": disco.limited,
		"paths.active": paths.active,
		"paths.full": paths.full,
		"paths.evicted": paths.evicted,
		"portmap.mapped": mapping.mapped,
		"portmap.renewed": mapping.renewed,
		"portmap.refused": mapping.refused,
		"portmap.malformed": mapping.malformed,
		"portmap.unexpected": mapping.unexpected,
		"portmap.restarts": mapping.restarts,
		"names.asked": names.asked,
		"names.cached": names.cached,
		"names.failed": names.failed,
		"names.refused": names.refused,
		"control.messages": control.messages,
		"control.updates": control.updates,
		"control.sessions": control.sessions,
		"netmap.bytes": netmap.bytes,
		"netmap.peakBufferBytes": netmap.peakBufferBytes,
		"netmap.cacheRefused": cache.refused,
		"netmap.cacheLost": cache.lost,
		"netmap.cacheSaves": cache.saves,
		"netmap.cacheSavedBytes": cache.savedBytes,
		"lock.verified": lock?.counters.verified ?? 0,
		"lock.waiting": lock?.counters.waiting ?? 0,
		"lock.refused": lock?.counters.refused ?? 0,
		"tunnel.waiting": link.waiting,
		"tunnel.lost": link.lost,
	};
}
