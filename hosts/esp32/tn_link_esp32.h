/*
 * Whether addresses of this device change, whatever its uplink is: the events of ESP-IDF's network interfaces.
 */
#ifndef TN_LINK_ESP32_H
#define TN_LINK_ESP32_H

#include <stdbool.h>

/**
 * Begins to watch. @param changed called on the system's event task; must not block
 * @return false if the device has no default event loop (nothing made one yet), or no memory: nothing will be told
 */
bool tn_link_watch(void (*changed)(void *context), void *context);

/** Ends it; changed is not called any more when this returns. Harmless if nothing is watched. */
void tn_link_unwatch(void);

#endif
