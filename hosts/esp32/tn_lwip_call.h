/*
 * Calls into lwIP, which has a thread of its own here: its stack is small, and everything else of the device waits for it. No cipher, no wait, no deep
 * path there.
 */
#ifndef TN_LWIP_CALL_H
#define TN_LWIP_CALL_H

/** Any task but lwIP's: runs work where lwIP may be called, and returns when it is done. lwIP is started if no interface has done so yet. */
void tn_lwip_call(void (*work)(void *context), void *context);

#endif
