/*
 * The windows of a TCP connection. A distribution builds its lwIP with 64 KB each way, which is 17 Mbit/s over a path of 30 ms; lwIP's arithmetic takes more,
 * as long as it is told when nothing has been sent or promised yet, and told again what it assumes before a close.
 *
 * Without window scaling on both sides, and on a device, the windows stay as lwIP makes them.
 */
#ifndef TN_WINDOW_H
#define TN_WINDOW_H

#include "tn_config.h"
#include "tn_lwip.h"

/** In a SYN of ours: offers a scale that the widened window can be told with. @param segment TCP header, options and all */
void tn_window_offer(uint8_t *segment, size_t length);

/** Widens the windows of a connection that has just been established. */
void tn_window_widen(struct tcp_pcb *pcb);

/** Segments of so many pbufs each that may be queued now, by one call of tn_window_write. */
uint32_t tn_window_segments(const struct tcp_pcb *pcb, uint32_t pbufs);

/** As tcp_write, for what tn_window_segments allows. */
err_t tn_window_write(struct tcp_pcb *pcb, const uint8_t *bytes, uint16_t length, uint8_t flags);

/** The VM has room for length more bytes: as tcp_recved, for widened windows too. */
void tn_window_open(struct tcp_pcb *pcb, uint32_t length);

/** Before tcp_close: lwIP takes any other receive window than its own as unread data, and would reset instead. */
void tn_window_restore(struct tcp_pcb *pcb);

#endif
