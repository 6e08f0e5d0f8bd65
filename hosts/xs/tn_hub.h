/*
 * How native objects reach their VM: one hub a VM, with one wake-up at most on its way, whoever has something to say, and one alarm for all timers.
 *
 *   any thread   tn_client_signal(client)             sets its flag; the first flag posts the wake-up
 *   VM thread    tn_hub_deliver(hub)                   the wake-up has arrived: calls every client that has its flag set, once, then the timers that are
 *                                                      due. What is signalled meanwhile waits for the next wake-up: the SDK's timers come between.
 *
 * A hub begins with its first client and ends with its last one, which the VM's end brings about: it deletes every host object. What a hub needs of
 * the machine (a source of the event loop, a message) is in the four functions at the end, one implementation a host.
 */
#ifndef TN_HUB_H
#define TN_HUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct tn_hub;

struct tn_client {
	struct tn_hub *hub;
	_Atomic uint32_t is_signalled;
	/** VM thread, outside of JavaScript. May close any client, this one too. */
	void (*deliver)(struct tn_client *client);
	uint32_t turn; /* of the hub, when it was called last */
	struct tn_client *next;
};

struct tn_timer {
	struct tn_hub *hub; /* NULL: not running */
	uint64_t at;
	void (*fire)(struct tn_timer *timer);
	struct tn_timer *next;
};

/** VM thread: joins the hub of machine, which is made if it has none. @param machine xsMachine. @return false when memory is short */
bool tn_client_open(struct tn_client *client, void *machine, void (*deliver)(struct tn_client *client));

/** Any thread, while the client is open: deliver will be called, once for all signals until then. */
void tn_client_signal(struct tn_client *client);

/** VM thread: no deliver follows. The other threads know that they must not signal any more. Idempotent. */
void tn_client_close(struct tn_client *client);

/** VM thread: runs a timer once, in milliseconds from now. @return false when memory is short */
bool tn_timer_start(struct tn_timer *timer, void *machine, uint32_t delay_ms, void (*fire)(struct tn_timer *timer));

/** VM thread. Idempotent. */
void tn_timer_stop(struct tn_timer *timer);

/** VM thread: when the last hub of the process ends, call this, once. At most one function is kept. */
void tn_hub_at_end(void (*function)(void));

/** VM thread, by the host: the wake-up has arrived, or the alarm. */
void tn_hub_deliver(struct tn_hub *hub);

/** The VM of a hub. */
void *tn_hub_machine(const struct tn_hub *hub);

/* ---- Provided by the host ---- */

/** VM thread: what posting and alarms need. @return NULL when memory is short */
void *tn_hub_host_open(struct tn_hub *hub, void *machine);

/** Any thread: make the VM thread call tn_hub_deliver soon. Called again only after that. */
void tn_hub_host_post(void *host);

/** VM thread: call tn_hub_deliver at the given time of tn_host_now_us()/1000, UINT64_MAX = no alarm. Replaces the alarm of before. */
void tn_hub_host_alarm(void *host, uint64_t at_ms);

/** VM thread: nothing is called any more. */
void tn_hub_host_close(void *host);

#endif
